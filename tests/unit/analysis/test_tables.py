import math
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rgd.analysis.tables import (
    accuracy_table,
    generation_table,
    pivot_for_people,
    print_summary,
    task_table,
    task_table_for_people,
)
from rgd.analysis.writing import latex, markdown, write_all
from rgd.artifacts import schemas
from rgd.errors import UserError

SCENARIOS = ["real", "strong", "weak"]
ROUTERS = {"cascal": "query-only", "avengers": "query-answer", "top": "learning-free", "oracle": "reference"}


def cells(seeds: int = 3, pools: tuple[str, ...] = ("small",)) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for pool in pools:
        for router, family in ROUTERS.items():
            for scenario in SCENARIOS if family.startswith("query") else ["real"]:
                for variant in ["top1", "top3"] if family != "reference" else ["all"]:
                    for seed in range(seeds):
                        accuracy = rng.uniform(0.3, 0.7)
                        rows.append(
                            {
                                "dataset": "quiz",
                                "scenario": scenario,
                                "pool": pool,
                                "router": router,
                                "variant": variant,
                                "seed": seed,
                                "family": family,
                                "n_queries": 100,
                                "accuracy": accuracy,
                                "ci_low": accuracy - rng.uniform(0.01, 0.1),
                                "ci_high": accuracy + rng.uniform(0.01, 0.1),
                                "missing_answers": seed,
                                "calls_per_query": 1.0,
                                "prompt_tokens_per_query": 50.0,
                                "completion_tokens_per_query": math.nan,
                                "regret": 0.8 - accuracy,
                                "gap_closed": math.nan if seed == 0 else 0.5,
                            }
                        )
    return pd.DataFrame(rows)


def test_seeds_are_summarised_as_by_hand():
    frame = cells()
    table = accuracy_table(frame)
    assert set(table.columns) == {*schemas.CELLS.names} - {"seed"} | {"n_seeds", "accuracy_std"}
    assert len(table) == len(frame) / 3
    for row in table.itertuples():
        one = frame[
            (frame["scenario"] == row.scenario) & (frame["router"] == row.router) & (frame["variant"] == row.variant)
        ]
        values = one["accuracy"].tolist()
        mean = sum(values) / 3
        assert row.accuracy == pytest.approx(mean)
        assert row.accuracy_std == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in values) / 2))
        assert row.ci_low == pytest.approx(sum(one["ci_low"]) / 3)
        assert row.ci_high == pytest.approx(sum(one["ci_high"]) / 3)
        assert (row.n_seeds, row.n_queries, row.missing_answers) == (3, 100, 1)


def test_rows_are_ordered_whatever_the_order_of_the_cells():
    frame = cells(pools=("small", "large"))
    orders = {"scenarios": SCENARIOS, "pools": ["small", "large"], "routers": ["avengers", "cascal"]}
    table = accuracy_table(frame, **orders)
    pd.testing.assert_frame_equal(accuracy_table(frame.sample(frac=1, random_state=1), **orders), table)
    real = table[(table["scenario"] == "real") & (table["pool"] == "small")]
    assert list(dict.fromkeys(real["router"])) == ["cascal", "avengers", "top", "oracle"]
    assert list(dict.fromkeys(table["scenario"])) == SCENARIOS
    assert list(dict.fromkeys(table["pool"])) == ["small", "large"]


def test_real_comes_first_where_no_order_is_given():
    frame = cells().replace({"scenario": {"strong": "a-generator"}})
    assert accuracy_table(frame)["scenario"].iloc[0] == "real"


def test_no_cells_is_an_error():
    with pytest.raises(UserError, match=r"\bcells\b"):
        accuracy_table(cells().iloc[:0])


def test_two_rows_for_one_seed_are_refused():
    frame = cells()
    with pytest.raises(ValueError, match=rf"'router': '{frame['router'].iloc[0]}'.*'seed': {frame['seed'].iloc[0]}"):
        accuracy_table(pd.concat([frame, frame.iloc[[0]]]))


def test_people_see_means_spreads_and_why_a_cell_is_missing():
    frame = cells()
    gone = (frame["router"] == "cascal") & (frame["scenario"] == "weak")
    left_out = (frame["router"] == "avengers") & (frame["scenario"] == "strong")
    accuracy = accuracy_table(frame[~gone & ~left_out], scenarios=SCENARIOS, routers=list(ROUTERS))
    tables = pivot_for_people(
        accuracy,
        titles={"dataset": {"quiz": "The quiz"}, "scenario": {"weak": "The weak one"}},
        exclusions={("quiz", "strong", "small", "avengers"): "too dear"},
    )
    assert list(tables) == ["The quiz, small"]
    table = tables["The quiz, small"].set_index(["router", "variant"])
    values = frame.loc[
        (frame["router"] == "cascal") & (frame["scenario"] == "real") & (frame["variant"] == "top1"), "accuracy"
    ]
    assert table.loc[("cascal", "top1"), "real"] == f"{100 * values.mean():.1f} ± {100 * values.std():.1f}"
    assert table.loc[("cascal", "top1"), "The weak one"] == "not made"
    assert table.loc[("avengers", "top3"), "strong"] == "too dear"
    assert table.loc[("oracle", "all"), ["strong", "The weak one"]].tolist() == ["same", "same"]
    assert [key[0] for key in table.index[::2]] == ["cascal", "avengers", "top", "oracle"]


@pytest.mark.parametrize("shown", [["strong"], ["weak", "strong"], ["weak", "real"], ["strong", "unknown"]])
def test_a_router_that_depends_on_no_scenario_has_one_figure_in_every_table(shown):
    accuracy = accuracy_table(cells(), scenarios=SCENARIOS, routers=list(ROUTERS))
    keys = accuracy[(accuracy["router"] == "oracle")][["dataset", "scenario", "pool", "router", "variant"]]
    marked = dict.fromkeys(keys.itertuples(index=False, name=None), "*")
    table = pivot_for_people(accuracy, shown, marked=marked)["quiz, small"].set_index(["router", "variant"])
    home = "real" if "real" in shown else shown[0]
    value = accuracy[(accuracy["router"] == "oracle") & (accuracy["variant"] == "all")].iloc[0]
    assert table.loc[("oracle", "all"), home] == f"{100 * value.accuracy:.1f} ± {100 * value.accuracy_std:.1f}*"
    others = [scenario for scenario in shown if scenario != home]
    assert table.loc[("oracle", "all"), others].tolist() == ["same"] * len(others)
    if "unknown" in shown:
        assert table.loc[("cascal", "top1"), "unknown"] == "not made"


def test_one_seed_has_no_spread():
    table = pivot_for_people(accuracy_table(cells(seeds=1)))["quiz, small"]
    assert not table["real"].str.contains("±").any()


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_summary_keeps_to_the_width_and_shows_every_figure(width):
    tables = pivot_for_people(accuracy_table(cells(pools=("small", "large")), scenarios=SCENARIOS))
    text = print_summary(tables, width)
    body = [line for line in text.splitlines() if not line.startswith("quiz, ")]
    assert max(map(len, body)) <= width
    for table in tables.values():
        for value in table[SCENARIOS].to_numpy().ravel():
            assert value in text


def test_a_long_name_of_a_scenario_takes_lines_in_the_place_of_columns():
    table = pivot_for_people(accuracy_table(cells(), scenarios=SCENARIOS))
    names = {name: f"Qwen2.5-Coder-32B-of-Version-{number}" for number, name in enumerate(SCENARIOS)}
    text = print_summary({"t": table["quiz, small"].rename(columns=names)})
    lines = text.splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("---"))
    ends = [part.end() for part in re.finditer("-+", lines[rule])]
    assert sum(line.startswith("---") for line in lines) == 1
    for number, end in enumerate(ends[-len(names) :]):
        start = ends[ends.index(end) - 1]
        assert "".join(line[start:end].strip() for line in lines[2:rule]) == f"Qwen2.5-Coder-32B-of-Version-{number}"


def test_members_are_counted_per_task_and_missing_answers_are_wrong():
    questions = pd.DataFrame({"query_id": list("abcde"), "task": ["x", "x", "y", "y", "y"], "answer_kind": "letter"})
    labels = pd.DataFrame({"query_id": list("edcba"), "label": ["A", "B", "C", "D", "A"]})
    first = pd.DataFrame({"query_id": list("abcde"), "answer": ["A", "D", None, "A", "A"]})
    second = pd.DataFrame({"query_id": list("ebcda"), "answer": ["A", "A", "C", "B", "A"]})
    table = task_table({"first": first, "second": second}, labels, questions)
    assert table["task"].tolist() == ["x", "y", "all"]
    assert table["n_queries"].tolist() == [2, 3, 5]
    assert table["first"].tolist() == pytest.approx([1.0, 1 / 3, 3 / 5])
    assert table["second"].tolist() == pytest.approx([0.5, 1.0, 4 / 5])
    assert table["best"].tolist() == ["first", "second", "second"]
    shown = task_table_for_people(table)
    assert shown["first"].tolist() == ["100.0*", "33.3 ", "60.0 "]
    part = task_table({"first": first, "second": second}, labels, questions, part=["a", "b"])
    assert part["n_queries"].tolist() == [2, 2]


def test_equally_good_members_are_all_named():
    questions = pd.DataFrame({"query_id": ["a"], "task": ["x"], "answer_kind": "letter"})
    labels = pd.DataFrame({"query_id": ["a"], "label": ["A"]})
    answers = pd.DataFrame({"query_id": ["a"], "answer": ["A"]})
    table = task_table({"one": answers, "two": answers}, labels, questions)
    assert table["best"].tolist() == ["one, two"] * 2


def test_a_response_that_is_absent_is_an_error():
    questions = pd.DataFrame({"query_id": ["a", "b"], "task": ["x", "x"], "answer_kind": "letter"})
    labels = pd.DataFrame({"query_id": ["a", "b"], "label": ["A", "A"]})
    with pytest.raises(UserError, match=r"^one .*\b1 .*\bb\."):
        task_table({"one": pd.DataFrame({"query_id": ["a"], "answer": ["A"]})}, labels, questions)


def test_outcomes_of_draws_are_tabulated():
    counts = pd.DataFrame(
        [("sums", "kept", 5), ("sums", "empty", 2), ("towns", "kept", 3), ("towns", "truncated", 1)],
        columns=["task", "outcome", "draws"],
    )
    table = generation_table(counts, wanted={"sums": 5, "towns": 5}).set_index("task")
    assert table.columns.tolist() == ["draws", "kept", "empty", "truncated", "lacking"]
    assert table.loc["sums"].tolist() == [7, 5, 2, 0, 0]
    assert table.loc["towns"].tolist() == [4, 3, 0, 1, 2]
    assert table.loc["all"].tolist() == [11, 8, 2, 1, 2]


def test_files_hold_the_same_table(tmp_path):
    accuracy = accuracy_table(cells(seeds=1))
    paths = write_all(accuracy, tmp_path / "tables" / "accuracy.v1.parquet", pivot_for_people(accuracy), note="A note.")
    assert [path.name for path in paths] == [f"accuracy.v1.{kind}" for kind in ("parquet", "csv", "md", "tex")]
    pd.testing.assert_frame_equal(pq.read_table(paths[0]).to_pandas(), accuracy)
    pd.testing.assert_frame_equal(pd.read_csv(paths[1]), accuracy, check_dtype=False)
    assert "A note." in paths[2].read_text()
    assert "A note." in paths[3].read_text()


def test_the_same_table_gives_the_same_bytes(tmp_path):
    accuracy = accuracy_table(cells())
    first = [path.read_bytes() for path in write_all(accuracy, tmp_path / "one.parquet")]
    again = [path.read_bytes() for path in write_all(accuracy.copy(), tmp_path / "two.parquet")]
    assert first == again


ODD = pd.DataFrame({"a|b": ["x_1 & 50%", "p|q"], "value": [0.123456, float("nan")], "spread": ["1.0 ± 0.1", "same"]})


def test_markdown_is_aligned_and_keeps_its_columns():
    lines = markdown({"Title": ODD}).splitlines()
    assert lines[0] == "## Title"
    assert len({len(line) for line in lines[2:]}) == 1
    assert lines[2:] == [
        "| a\\|b      |  value |    spread |",
        "| --------- | -----: | --------: |",
        "| x_1 & 50% | 0.1235 | 1.0 ± 0.1 |",
        "| p\\|q      |        |      same |",
    ]


def test_latex_is_escaped():
    text = latex({"A & B": ODD})
    assert r"\textbf{A \& B}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert r"x\_1 \& 50\% & 0.1235 & 1.0 $\pm$ 0.1 \\" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_scores_are_averaged_and_a_missing_one_is_0() -> None:
    questions = pd.DataFrame({"query_id": list("abcd"), "task": ["x", "x", "y", "y"], "answer_kind": "score"})
    labels = pd.DataFrame({"query_id": list("abcd"), "label": "1"})
    one = pd.DataFrame({"query_id": list("abcd"), "answer": ["0.5", None, "1", "0.25"]})
    other = pd.DataFrame({"query_id": list("dcba"), "answer": ["0.75", "1", "1e-09", "0"]})
    table = task_table({"one": one, "other": other}, labels, questions)
    assert table["one"].tolist() == pytest.approx([0.25, 0.625, 0.4375])
    assert table["other"].tolist() == pytest.approx([0.0, 0.875, 0.4375], abs=1e-8)
    assert table["best"].tolist()[:2] == ["one", "other"]
