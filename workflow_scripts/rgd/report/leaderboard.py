"""The leaderboard as a page of its own: one HTML file without scripts, whose texts are escaped."""

from collections.abc import Mapping

import pandas as pd

from rgd.analysis.writing import cell_texts, right_aligned
from rgd.report.page import template

TEMPLATE = "leaderboard.html"
# Texts that become part of the page; the rule that makes it names them.
FILES = (f"rgd/report/{TEMPLATE}",)


def leaderboard_page(title: str, boards: Mapping[str, pd.DataFrame], note: str) -> str:
    """The page as HTML.

    Args:
        title: of the experiment.
        boards: title -> from :func:`rgd.analysis.leaderboard.leaderboard_for_people`.
        note: a remark below them.
    """
    shown = [
        {
            "title": name,
            "header": [str(column) for column in board.columns],
            "right": right_aligned(board),
            "rows": cell_texts(board).to_numpy().tolist(),
        }
        for name, board in boards.items()
    ]
    return str(template(TEMPLATE).render(title=title, boards=shown, note=note))
