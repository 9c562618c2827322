"""The published values as data, and this project's figures beside them, against sums by hand."""

import math
from functools import partial

import pandas as pd
import pytest

from rgd.analysis.order import AVERAGE
from rgd.analysis.paper import BENCHMARKS, KEYS
from rgd.analysis.paper.comparison import (
    accuracy_values,
    agreement_values,
    missing_reason,
    published_for_people,
    published_table,
    tau_values,
)
from rgd.analysis.paper.layouts import LAYOUTS, view
from rgd.analysis.paper.values import read_published

OWN = {
    "dataset": ["mmlu_pro", "supergpqa", "medmcqa", "bbeh_tiny"],
    "scenario": ["real", "gemini-2.5-flash", "weak"],
    "pool": ["large", "small"],
    "router": ["cascal", "topk", "single", "oracle", "llmrank"],
    "variant": ["qwen3-32b"],
}
NAMES = {"dataset": {"bbeh_tiny": "bbeh"}, "scenario": {"weak": "exaone-3.5-7.8b"}}
EXCLUDE = [{"dataset": None, "scenario": None, "pool": "small", "router": "llmrank", "reason": "too dear"}]


def accuracies(**shares: float) -> pd.DataFrame:
    """CASCAL's and Top-k's accuracies on these datasets, pool large, scenarios real and Gemini."""
    rows = [
        {"dataset": dataset, "scenario": scenario, "pool": "large", "router": router, "variant": variant}
        | {"family": family, "accuracy": share, "n_queries": 400.0}
        for dataset, share in shares.items()
        for scenario, router, variant, family in (
            ("real", "cascal", "top1", "query-only"),
            ("gemini-2.5-flash", "cascal", "top1", "query-only"),
            ("real", "topk", "top1", "learning-free"),
        )
    ]
    return pd.DataFrame(rows)


def compared(*ours: pd.DataFrame, referee: bool = False) -> pd.DataFrame:
    reason = partial(missing_reason, own=OWN, names=NAMES, exclude=EXCLUDE, referee=referee)
    return published_table(read_published(), ours, NAMES, reason)


def pick(table: pd.DataFrame, **keys: str) -> pd.Series:
    for key, value in keys.items():
        table = table[table[key] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_the_data_holds_every_table_once() -> None:
    table = read_published()
    assert not table.duplicated(["source", "what", *KEYS]).any()
    counts = table["source"].value_counts().to_dict()
    assert {f"Table {number}" for number in LAYOUTS} == set(counts) - {"text"}
    # Two pools with nine routers and references, of which six have two variants less or more, on four datasets and the mean.
    assert [counts[f"Table {number}"] for number in (7, 8, 9, 10)] == [110] * 4
    assert [counts[f"Table {number}"] for number in (1, 2, 5, 6, 11, 12, 13)] == [4, 30, 10, 8, 60, 15, 72]
    assert set(table["dataset"]) == {*BENCHMARKS, AVERAGE, "math"}


def test_the_known_faults_of_the_source_are_flagged_where_they_are() -> None:
    table = read_published()
    faults = [
        ("Table 7", "large", "avengers", AVERAGE, "65.2"),
        ("Table 7", "small", "cascal_gt", AVERAGE, "47.2"),
        ("Table 2", "large", "", "bbeh", "not possible"),
        ("Table 10", "small", "avengers", AVERAGE, "44.6"),
    ]
    for source, pool, router, dataset, said in faults:
        keys = {"source": source, "pool": pool, "router": router, "dataset": dataset}
        part = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)]
        assert part["note"].str.contains(said, regex=False).sum() == 1, keys


def test_all_printed_averages_are_the_means_of_their_rows_but_for_those_flagged() -> None:
    table = read_published().query("what == 'accuracy'")
    keys = ["source", "scenario", "pool", "router", "variant"]
    for _, part in table.groupby(keys):
        values = part.set_index("dataset")["published"]
        if AVERAGE in values and set(BENCHMARKS) <= set(values.index):
            mean = sum(values[name] for name in BENCHMARKS) / 4
            flagged = part.set_index("dataset").loc[AVERAGE, "note"].startswith("printed")
            assert flagged == (abs(mean - values[AVERAGE]) > 0.0501), part.iloc[0].to_dict()


def test_a_value_stands_beside_the_published_one_with_what_the_queries_can_show() -> None:
    row = pick(
        compared(accuracy_values(accuracies(mmlu_pro=0.8))),
        source="Table 7",
        pool="large",
        router="cascal",
        variant="top1",
        dataset="mmlu_pro",
    )
    assert (row["ours"], row["published"]) == (80.0, 78.9)
    assert row["difference"] == pytest.approx(1.1)
    error = 100 * math.sqrt(0.8 * 0.2 / 400 + 0.789 * 0.211 / 400)
    assert row["smallest_shown"] == pytest.approx(1.96 * error, rel=1e-4)
    assert row["within"]


def test_the_average_needs_the_papers_four_datasets_and_maps_keys() -> None:
    keys = {"source": "Table 7", "pool": "large", "router": "cascal", "variant": "top1", "dataset": AVERAGE}
    three = accuracy_values(accuracies(mmlu_pro=0.8, supergpqa=0.5, medmcqa=0.9))
    row = pick(compared(three), **keys)
    assert math.isnan(row["ours"])
    assert (row["reason"], row["within"]) == ("not made", pd.NA)
    four = accuracy_values(accuracies(mmlu_pro=0.8, supergpqa=0.5, medmcqa=0.9, bbeh_tiny=0.3, math=0.99))
    row = pick(compared(four), **keys)
    assert row["ours"] == pytest.approx(100 * (0.8 + 0.5 + 0.9 + 0.3) / 4)
    published = [0.789, 0.534, 0.857, 0.307]
    variance = sum(p * (1 - p) / 400 for p in (0.8, 0.5, 0.9, 0.3)) + sum(4 * [0.622 * 0.378 / 400])
    assert published
    assert row["smallest_shown"] == pytest.approx(100 * 1.96 * math.sqrt(variance) / 4, rel=1e-4)


def test_what_does_not_depend_on_the_scenario_stands_in_every_table() -> None:
    table = compared(accuracy_values(accuracies(mmlu_pro=0.5)))
    keys = {"pool": "large", "router": "topk", "variant": "top1", "dataset": "mmlu_pro"}
    for number in (7, 8, 9, 10):
        row = pick(table, source=f"Table {number}", **keys)
        assert (row["ours"], row["within"]) == (50.0, False)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"source": "Table 5", "pool": "large", "variant": "top1"}, "dataset math is not in this experiment"),
        (
            {"source": "Table 9", "pool": "large", "variant": "top3", "router": "cascal", "dataset": "bbeh"},
            "scenario qwen3-32b",
        ),
        ({"source": "Table 7", "pool": "large", "router": "avengers", "dataset": "bbeh"}, "router avengers is not"),
        ({"source": "Table 7", "pool": "small", "router": "llmrank", "dataset": "bbeh"}, "excluded: too dear"),
        ({"source": "Table 7", "pool": "large", "router": "llmrank", "dataset": "bbeh"}, "not made"),
        ({"source": "Table 11", "variant": "yi-1.5-9b", "dataset": "bbeh"}, "model yi-1.5-9b is not"),
        ({"source": "Table 12", "scenario": "qwen3-32b", "dataset": "bbeh"}, "no referee"),
    ],
)
def test_what_is_missing_has_its_reason_and_no_zero(keys: dict[str, str], reason: str) -> None:
    row = pick(compared(), **keys)
    assert reason in row["reason"]
    assert math.isnan(row["ours"])
    assert row["within"] is pd.NA


def test_taus_and_agreements_are_found_by_their_own_tables() -> None:
    taus = pd.DataFrame(
        [
            {"scenario": "weak", "pool": "large", "dataset": "bbeh_tiny", "tau": -0.2, "n_members": 6},
            {"scenario": "weak", "pool": "large", "dataset": AVERAGE, "tau": 0.9, "n_members": 6},
        ]
    )
    labels = pd.DataFrame(
        [
            {"scenario": "weak", "dataset": "medmcqa", "agreement": 0.7, "majority": 100},
            {"scenario": "real", "dataset": "medmcqa", "agreement": 0.96, "majority": 400},
        ]
    )
    table = compared(tau_values(taus), agreement_values(labels), referee=True)
    row = pick(table, source="Table 2", scenario="exaone-3.5-7.8b", pool="large", dataset="bbeh")
    assert (row["ours"], row["published"]) == (-0.2, -0.47)
    assert row["smallest_shown"] == pytest.approx(2 / 15)
    assert not row["within"]
    row = pick(table, source="Table 1", scenario="exaone-3.5-7.8b", dataset="medmcqa")
    assert (row["ours"], row["published"]) == (70.0, 75.4)
    row = pick(table, source="Table 12", what="referee_accuracy", dataset="medmcqa")
    assert (row["ours"], row["published"], row["within"]) == (96.0, 97.0, True)


@pytest.mark.parametrize("number", LAYOUTS)
def test_a_view_shows_every_value_of_its_table_once(number: str) -> None:
    table = compared(accuracy_values(accuracies(mmlu_pro=0.8, supergpqa=0.5, medmcqa=0.9, bbeh_tiny=0.3)))
    shown, note = view(table, number, {"pool": {"large": "Large pool"}})
    part = table[table["source"] == f"Table {number}"]
    cells = [text for frame in shown.values() for text in frame.iloc[:, 1:].to_numpy().ravel() if text]
    assert len(cells) == len(part)
    assert sum(text.startswith("[") for text in cells) == int((part["reason"] != "").sum())
    for reason in set(part["reason"]) - {""}:
        assert reason in note
    assert all(title.startswith(f"Table {number}: ") for title in shown)


def test_the_view_of_table_7_reads_like_the_papers() -> None:
    table = compared(accuracy_values(accuracies(mmlu_pro=0.8, supergpqa=0.5, medmcqa=0.9, bbeh_tiny=0.3)))
    shown, note = view(table, "7", {"pool": {"large": "Large pool"}})
    frame = shown["Table 7: Routers fitted on real queries, Large pool"].set_index(" ")
    assert frame.columns.tolist() == ["mmlu_pro", "supergpqa", "medmcqa", "bbeh", "average"]
    assert frame.loc["cascal top1"].tolist()[:3] == ["80.0 (78.9)", "50.0 (53.4)", "90.0 (85.7)"]
    assert frame.loc["avengers top3", "average"].endswith("] (63.4†)")
    assert "large, real, avengers, top3, average: printed 63.4" in note


def test_the_overview_counts_what_is_there_and_why_the_rest_is_not() -> None:
    table = compared(accuracy_values(accuracies(mmlu_pro=0.8)))
    frame = published_for_people(table)["Published figures"].set_index("source")
    assert frame.index.tolist()[:3] == ["Table 1", "Table 2", "Table 3"]
    assert frame.index.tolist()[-1] == "text"
    row = frame.loc["Table 5"]
    assert (row["published"], row["ours"], row["without ours"]) == (
        10,
        0,
        "dataset math is not in this experiment (10)",
    )
