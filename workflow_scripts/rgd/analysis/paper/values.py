"""Reading the files of published values that lie beside this module."""

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
