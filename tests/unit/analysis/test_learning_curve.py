"""Accuracies by number of training queries, gathered from the cells of reduced scenarios."""

import math

import pandas as pd
import pytest

from rgd.analysis.learning_curve import curves_for_people, learning_curve

TRAINING = {("quiz", "real", "p"): 300.0, ("quiz", "strong", "p"): 1000.0}


def accuracy() -> pd.DataFrame:
    rows = [
        {"scenario": scenario, "router": router, "accuracy": value, "family": "query-only", "variant": "top1"}
        | {"dataset": "quiz", "pool": "p", "n_seeds": 2, "accuracy_std": math.nan, "ci_low": value, "ci_high": value}
        for scenario, router, value in [
            ("real@500", "cascal", 0.7),
            ("real@100", "cascal", 0.6),
            ("real", "cascal", 0.7),
            ("real@100", "knn", 0.5),
            ("real", "knn", 0.55),
            ("strong@100", "cascal", 0.4),
            ("strong@500", "cascal", 0.45),
            ("strong", "cascal", 0.5),
        ]
    ]
    return pd.DataFrame(rows)


def test_sizes_ascend_to_the_whole_set_and_larger_ones_are_left_out() -> None:
    table = learning_curve(accuracy(), TRAINING)
    found = {
        key: list(zip(part["n_training"], part["accuracy"], part["to_whole"].round(9), strict=True))
        for key, part in table.groupby(["scenario", "router"])
    }
    assert found == {
        ("real", "cascal"): [(100, 0.6, -0.1), (300, 0.7, 0.0)],
        ("real", "knn"): [(100, 0.5, -0.05), (300, 0.55, 0.0)],
        ("strong", "cascal"): [(100, 0.4, -0.1), (500, 0.45, -0.05), (1000, 0.5, 0.0)],
    }


def test_a_size_that_is_exactly_the_whole_set_comes_once() -> None:
    frame = accuracy().replace({"scenario": {"real@500": "real@300"}})
    part = learning_curve(frame, TRAINING).query("scenario == 'real' and router == 'cascal'")
    assert part["n_training"].tolist() == [100, 300]


def test_the_table_of_people_has_a_column_for_every_number() -> None:
    shown = curves_for_people(learning_curve(accuracy(), TRAINING), {"scenario": {"strong": "Strong"}})
    assert list(shown) == ["quiz, p, real", "quiz, p, Strong"]
    frame = shown["quiz, p, Strong"].set_index("router")
    assert frame.loc["cascal top1"].to_dict() == {"100": "40.0", "500": "45.0", "1000": "50.0"}


def test_without_the_whole_sets_cell_there_is_no_difference_to_it() -> None:
    frame = accuracy()
    table = learning_curve(frame[frame["scenario"] == "real@100"], TRAINING)
    assert table["to_whole"].isna().all()
    assert table["accuracy"].tolist() == pytest.approx([0.6, 0.5])
