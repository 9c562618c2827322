"""Pools without a member against differences query by query."""

import numpy as np
import pandas as pd
import pytest

from rgd.analysis.drop_one import drop_one, drop_one_for_people

INTERVAL = {"level": 0.95}
N = 200


def outcomes(seed: int, *columns: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"seed": np.repeat([0, 1], N), "query_id": [f"q{row}" for row in range(N)] * 2})
    return frame.assign(**{f"correct_{name}": rng.integers(0, 2, 2 * N).astype(float) for name in columns})


CELLS = {
    ("quiz", "real", "p", "cascal"): outcomes(0, "top1", "top3"),
    ("quiz", "real", "p@without-a", "cascal"): outcomes(1, "top1", "top3"),
    ("quiz", "real", "p@without-b", "cascal"): outcomes(2, "top1", "top3"),
    ("quiz", "real", "p", "single"): outcomes(3, "a", "b"),
    ("quiz", "real", "p@without-a", "single"): outcomes(3, "b"),
}
TASKS = {"quiz": {f"q{row}": "even" if row % 2 else "odd" for row in range(N)}}


def test_differences_are_those_of_the_queries() -> None:
    table = drop_one(CELLS, TASKS, INTERVAL)
    assert len(table) == 5
    row = table.query("router == 'cascal' and variant == 'top3' and without == 'b'").iloc[0]
    whole, less = (CELLS["quiz", "real", pool, "cascal"]["correct_top3"] for pool in ("p", "p@without-b"))
    assert row["pool"] == "p"
    assert row["accuracy"] == pytest.approx(less.mean())
    assert row["whole_accuracy"] == pytest.approx(whole.mean())
    assert row["difference"] == pytest.approx(less.mean() - whole.mean())
    # A normal interval of the questions' mean differences: both splits test the same ones.
    by_question = (less - whole).to_numpy().reshape(2, N).mean(axis=0)
    width = 2 * 1.96 * by_question.std() / np.sqrt(N)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(width, rel=0.03)


def test_only_what_both_pools_have_is_compared() -> None:
    assert drop_one(CELLS, TASKS, INTERVAL).query("router == 'single'")["variant"].tolist() == ["b"]


def test_where_a_member_is_never_needed_nothing_is_lost() -> None:
    same = dict.fromkeys(CELLS, CELLS["quiz", "real", "p", "cascal"])
    assert (drop_one(same, TASKS, INTERVAL)[["difference", "ci_low", "ci_high"]] == 0).all().all()


def test_cells_of_other_queries_are_an_error() -> None:
    other = CELLS["quiz", "real", "p", "cascal"].assign(query_id="z")
    with pytest.raises(ValueError, match=r"cascal .*\bp and on p@without-a\b"):
        drop_one({**CELLS, ("quiz", "real", "p@without-a", "cascal"): other}, TASKS, INTERVAL)


def test_the_table_of_people() -> None:
    shown = drop_one_for_people(drop_one(CELLS, TASKS, INTERVAL))["quiz, p, real"].set_index("router")
    assert shown.columns.tolist() == ["whole pool %", "without a", "without b"]
    assert shown.loc["cascal top1", "without b"].startswith(("+", "-"))
    assert shown.loc["single b", "without b"] == ""
