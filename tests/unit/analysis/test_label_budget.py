"""Accuracies by number of labels, gathered from cells whose router or scenario has a number."""

import math

import pandas as pd
import pytest

from rgd.analysis.label_budget import budgets_for_people, label_budget
from rgd.analysis.trade_offs import learning_curves


def accuracy() -> pd.DataFrame:
    rows = [
        {"scenario": scenario, "router": router, "accuracy": value, "family": family, "variant": "top1"}
        | {"dataset": "quiz", "pool": "p", "n_seeds": 2, "accuracy_std": math.nan, "ci_low": value, "ci_high": value}
        for scenario, router, family, value in [
            ("real", "latent_truth", "query-only", 0.6),
            ("real", "latent_truth@100-labels", "few-labels", 0.7),
            ("real", "latent_truth@20-labels", "few-labels", 0.65),
            ("real@20", "knn", "query-answer", 0.3),
            ("real@100", "knn", "query-answer", 0.5),
            ("real", "knn", "query-answer", 0.72),
        ]
    ]
    return pd.DataFrame(rows)


def test_numbers_ascend_and_the_whole_set_comes_last() -> None:
    table = label_budget(accuracy())
    assert table["router"].tolist() == ["latent_truth"] * 3 + ["knn"] * 3
    assert table["n_labels"].fillna(-1).tolist() == [0, 20, 100, 20, 100, -1]
    assert table["accuracy"].tolist() == [0.6, 0.65, 0.7, 0.3, 0.5, 0.72]
    assert table["to_none"][:3].tolist() == pytest.approx([0, 0.05, 0.1])
    assert table["to_none"][3:].isna().all()
    assert set(table["scenario"]) == {"real"}


def test_a_router_whose_file_has_labels_counts_them() -> None:
    frame = accuracy().replace({"router": {"latent_truth@20-labels": "latent_truth"}})
    frame = frame[~((frame["router"] == "latent_truth") & (frame["family"] == "query-only"))]
    assert label_budget(frame, {"latent_truth": 20})["n_labels"][:2].tolist() == [20, 100]


def test_people_see_a_column_for_every_number_and_all() -> None:
    (table,) = budgets_for_people(label_budget(accuracy())).values()
    assert list(table) == ["router", "0", "20", "100", "all"]
    assert table.set_index("router").loc["knn top1", "all"] == "72.0"


def test_the_figure_is_drawn_from_none_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    written = learning_curves(label_budget(accuracy()), tmp_path / "f.svg", by=("n_labels", "labels"))
    assert all(path.stat().st_size > 1000 for path in written)
