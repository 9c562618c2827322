"""The paper's figures (arXiv 2601.09692) as data, one value a row, with what is known to be wrong in the source.

The files say: source (the table), what (accuracy, referee_accuracy and label_agreement in per cent, kendall_tau), scenario,
pool, dataset (``average``: over the four benchmarks), router and variant by this project's keys (a single model is the router
``single`` and the model's key), published, note. What learns nothing from queries is repeated in the source's tables of all scenarios.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

AVERAGE = "average"
BENCHMARKS = ("mmlu_pro", "supergpqa", "medmcqa", "bbeh")
"""The datasets that the paper averages over."""

KEYS = ["scenario", "pool", "dataset", "router", "variant"]


FILES = sorted(Path(__file__).parent.glob("*.csv"))


def digest() -> str:
    """SHA-256 of the files, for the parameters of what is made from them."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in FILES)).hexdigest()


def read_published() -> "pd.DataFrame":
    """All published values: source, what, the KEYS (empty where one does not apply), published, note."""
    import pandas as pd

    texts = dict.fromkeys(("source", "what", *KEYS, "note"), str)
    frames = [pd.read_csv(file, dtype=texts, keep_default_na=False) for file in FILES]
    table = pd.concat(frames, ignore_index=True)
    return table.assign(published=table["published"].astype(float))
