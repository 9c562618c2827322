"""The leaderboard: who is ranked where, and what its texts become."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rgd.analysis.leaderboard import COLUMNS, COSTS, leaderboard, leaderboard_for_people
from rgd.analysis.writing import markdown, write_all
from rgd.errors import UserError
from rgd.report.leaderboard import leaderboard_page

INTERVAL = {"level": 0.95, "draws": 300, "seed": 0}
N = 200
TASKS = {f"q{place}": "xy"[place % 2] for place in range(N)}
CHANCES = {"good": 0.9, "fair": 0.6, "bad": 0.2, "oracle": 1.0}
FAMILY = {"good": "query-only", "fair": "query-answer", "bad": "learning-free", "oracle": "reference"}
HOSTILE = '<script>alert(1)</script> & [x](javascript:y) *b* `c` | d\n# e <img src=x onerror="z">'


def outcomes(graded: bool = False) -> dict[tuple[str, str, str, str], pd.DataFrame]:
    random = np.random.default_rng(0)
    frames = {}
    for scenario in ("real", "weak"):
        for router, chance in CHANCES.items():
            if router in ("bad", "oracle") and scenario != "real":
                continue
            frame = pd.DataFrame({"seed": np.repeat([0, 1], N).astype(np.int32), "query_id": list(TASKS) * 2})
            right = random.random(2 * N) < chance
            frame["correct_top1"] = (random.beta(2, 2, 2 * N) * right if graded else right).astype(np.float32)
            frames["d", scenario, "p", router] = frame
    return frames


def costs(cells: dict[tuple[str, str, str, str], pd.DataFrame], unit: str = "dollars") -> pd.DataFrame:
    rows = [dict(zip(("dataset", "scenario", "pool", "router"), cell, strict=True)) for cell in cells]
    frame = pd.DataFrame(rows).assign(variant="top1", calls_per_query=1.0, cost_unit=unit)
    return frame.assign(cost=[0.001 * place for place in range(len(rows))], arena_score=0.5, aiq=0.4)


def board(graded: bool = False, **changes: object) -> pd.DataFrame:
    cells = outcomes(graded)
    return leaderboard(
        cells, {cell: FAMILY[cell[3]] for cell in cells}, {"d": TASKS}, costs(cells).assign(**changes), INTERVAL
    )


@pytest.mark.parametrize("graded", [False, True])
def test_routers_are_ranked_in_every_scenario_and_references_in_none(graded: bool) -> None:
    found = board(graded)
    assert list(found.columns) == COLUMNS
    for scenario, part in found.groupby("scenario"):
        assert part["router"].tolist() == ["good", "fair", "bad"], scenario
        assert part["rank"].tolist() == part["rank_best"].tolist() == part["rank_worst"].tolist() == [1, 2, 3]
    cells = outcomes(graded)
    mean = cells["d", "weak", "p", "good"]["correct_top1"].mean()
    row = found[(found["scenario"] == "weak") & (found["router"] == "good")].iloc[0]
    assert row["accuracy"] == pytest.approx(mean)
    assert row["ci_low"] < mean < row["ci_high"]
    # What learns nothing has its costs from its one cell.
    assert found.loc[found["router"] == "bad", "cost"].nunique() == 1


def test_it_is_the_same_again_and_in_any_order_of_cells() -> None:
    cells = dict(reversed(outcomes().items()))
    again = leaderboard(cells, {cell: FAMILY[cell[3]] for cell in cells}, {"d": TASKS}, costs(outcomes()), INTERVAL)
    keys = ["scenario", "rank"]
    pd.testing.assert_frame_equal(
        board().sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True)
    )


def test_without_a_router_there_is_one_message() -> None:
    cells = {cell: frame for cell, frame in outcomes().items() if cell[3] == "oracle"}
    with pytest.raises(UserError, match="routers"):
        leaderboard(cells, dict.fromkeys(cells, "reference"), {"d": TASKS}, costs(cells), INTERVAL)


@pytest.mark.parametrize("unit", ["dollars", "tokens", "calls"])
def test_a_column_of_which_nothing_is_known_is_left_out(unit: str) -> None:
    found = leaderboard_for_people(board(cost_unit=unit, arena_score=np.nan, aiq=np.nan))
    for table in found.values():
        assert not {"arena score", "AIQ of the router"} & set(table)
        assert len([name for name in table if unit in name]) == 1


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_texts_are_texts_in_html() -> None:
    people = leaderboard_for_people(board(), {"dataset": {"d": HOSTILE}, "pool": {"p": HOSTILE}})
    page = Tags(leaderboard_page(HOSTILE, people, HOSTILE))
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count("<script>alert(1)</script>") >= 4
    assert page.tags.count("table") == len(people)


def test_texts_are_texts_in_markdown(tmp_path: Path) -> None:
    people = leaderboard_for_people(board(), {"dataset": {"d": HOSTILE}})
    people = {title: table.assign(router=HOSTILE) for title, table in people.items()}
    text = markdown(people, "", plain=True)
    assert not re.search(r"<|(?<!\\)[*`\[]", text)
    # As many lines, and cells in each, as without hostile texts.
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {next(iter(people.values())).shape[1] + 1}
    write_all(board(), tmp_path / "leaderboard.parquet", people, "", plain=True)
    assert (tmp_path / "leaderboard.md").read_text() == text
    assert "&lt;" not in (tmp_path / "leaderboard.tex").read_text()


def test_costs_are_joined_cell_by_cell() -> None:
    known = costs(outcomes()).set_index(["scenario", "router"])
    found = board()
    for row in found.itertuples():
        key = ("real" if row.router == "bad" else row.scenario, row.router)
        assert [getattr(row, name) for name in COSTS] == known.loc[key, COSTS].tolist()
