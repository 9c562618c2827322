"""The paper's figures (arXiv 2601.09692) as data, one value per row, with the known errors of the source.

The columns are: source (the table), what (accuracy, referee_accuracy and label_agreement in per cent, kendall_tau),
scenario, pool, dataset (``average``: over the four benchmarks), router and variant by this project's keys (a single model
is the router ``single`` with the model's key), published, note. The source repeats routers that learn nothing from queries
in the tables of all scenarios.
"""

from pathlib import Path

import pandas as pd

from rgd.analysis.paper import KEYS

FOLDER = Path(__file__).parent


def read_published() -> pd.DataFrame:
    """All published values: source, what, the KEYS (empty where one does not apply), published, note."""
    texts = dict.fromkeys(("source", "what", *KEYS, "note"), str)
    frames = [pd.read_csv(file, dtype=texts, keep_default_na=False) for file in sorted(FOLDER.glob("*.csv"))]
    table = pd.concat(frames, ignore_index=True)
    return table.assign(published=table["published"].astype(float))
