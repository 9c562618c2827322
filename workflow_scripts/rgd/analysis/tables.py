"""Tables of an experiment: long ones to compute with, wide ones to read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import FAMILIES, REAL, SCENARIO_INDEPENDENT, Titles, group_title, ordered, ranks, row_label
from rgd.analysis.people import NOT_MADE, calls_text, with_spread
from rgd.analysis.writing import text_table
from rgd.answers.kinds import SCORE
from rgd.errors import UserError

SAME = "same"

CELL_KEYS = ["dataset", "scenario", "pool", "family", "router", "variant"]
ROW_KEYS = ["family", "router", "variant"]
TOKENS = ["prompt_tokens_per_query", "completion_tokens_per_query"]
MEANS = ["missing_answers", "calls_per_query", *TOKENS, "regret", "gap_closed"]


def accuracy_table(
    cells: pd.DataFrame,
    datasets: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    pools: Sequence[str] = (),
    routers: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per (dataset, scenario, pool, router, variant), summarised over seeds.

    Args:
        cells: the rows of all result cells, with the columns of ``rgd.artifacts.schemas.CELLS``.
        datasets, scenarios, pools, routers: the order of each; keys not in it follow by name. Variants keep their order.

    Returns:
        The cells' columns without ``seed``: ``accuracy`` is the mean over seeds, ``ci_low`` and ``ci_high`` are the mean
        ends of the intervals over queries, and the other figures are means too (NaN if a seed has none). Added are
        ``accuracy_std``, the standard deviation over seeds (n - 1 in the denominator, NaN for one seed), and ``n_seeds``.

    Raises:
        UserError: there are no cells.
        ValueError: a cell has two rows for one seed.
    """
    if cells.empty:
        raise UserError(
            "there are no result cells for a table: the experiment's sweep is empty. Name datasets, scenarios, pools and routers in its file."
        )
    repeated = cells.duplicated([*CELL_KEYS, "seed"])
    if repeated.any():
        raise ValueError(f"two rows for one seed: {cells.loc[repeated, [*CELL_KEYS, 'seed']].iloc[0].to_dict()}")
    table = cells.groupby(CELL_KEYS, sort=False, as_index=False).agg(
        n_seeds=("seed", "size"),
        n_queries=("n_queries", "mean"),
        accuracy=("accuracy", "mean"),
        accuracy_std=("accuracy", "std"),
        ci_low=("ci_low", "mean"),
        ci_high=("ci_high", "mean"),
        **{name: (name, "mean") for name in MEANS},
    )
    orders = {
        "dataset": datasets,
        "scenario": scenarios or [REAL],
        "pool": pools,
        "family": FAMILIES,
        "router": routers,
        "variant": list(dict.fromkeys(table["variant"])),
    }
    places = pd.DataFrame({key: table[key].map(ranks(table[key], order)) for key, order in orders.items()})
    return table.iloc[places.sort_values(CELL_KEYS).index].reset_index(drop=True)


def pivot_for_people(
    accuracy: pd.DataFrame,
    scenarios: Sequence[str] | None = None,
    titles: Titles | None = None,
    exclusions: Mapping[tuple[str, str, str, str], str] | None = None,
    marked: Mapping[tuple[str, ...], str] | None = None,
) -> dict[str, pd.DataFrame]:
    """The content of :func:`accuracy_table` as one wide table per dataset and pool: routers by scenarios.

    A cell reads ``62.4 ± 1.1``: mean and standard deviation over seeds, in per cent. With one seed the standard deviation
    is left out. Routers that do not depend on the scenario have their figure under ``real``, or in the first column where
    ``real`` is none, and ``same`` in the other columns. Any other missing cell reads ``not made``, or the reason for its exclusion.

    Args:
        accuracy: from :func:`accuracy_table`; its row order is kept.
        scenarios: the columns; by default those that occur.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).
        exclusions: (dataset, scenario, pool, router) -> the reason why that cell was left out.
        marked: (dataset, scenario, pool, router, variant) -> the sign after its accuracy.

    Returns:
        Title of the table -> table, with the columns ``family``, ``router``, ``variant``, ``calls`` and one per scenario.
    """
    exclusions, marked = exclusions or {}, marked or {}
    if scenarios is None:
        scenarios = ordered(accuracy["scenario"], list(dict.fromkeys(accuracy["scenario"])))
    home = REAL if REAL in scenarios else next(iter(scenarios), REAL)
    several = accuracy[["dataset", "pool"]].drop_duplicates()
    tables = {}
    for dataset, pool in several.itertuples(index=False):
        part = accuracy[(accuracy["dataset"] == dataset) & (accuracy["pool"] == pool)]
        cells = {(*row[:3], row[3]): (row[4], row[5]) for row in _rows(part, [*ROW_KEYS, "scenario", *_VALUES])}
        rows = []
        for family, router, variant in _row_order(part):
            own = (part["family"] == family) & (part["router"] == router) & (part["variant"] == variant)
            calls = calls_text(part.loc[own, "calls_per_query"])
            row = {"family": family, "router": router, "variant": variant, "calls": calls}
            for scenario in scenarios:
                column = group_title(titles, scenario=scenario)
                made_for = scenario
                if family in SCENARIO_INDEPENDENT and (family, router, variant, scenario) not in cells:
                    made_for = REAL
                value = cells.get((family, router, variant, made_for))
                if value is None:
                    row[column] = exclusions.get((dataset, scenario, pool, router), NOT_MADE)
                elif scenario in (made_for, home):
                    mark = marked.get((dataset, made_for, pool, router, variant), "")
                    row[column] = with_spread(100 * value[0], 100 * value[1]) + mark
                else:
                    row[column] = SAME
            rows.append(row)
        tables[group_title(titles, dataset=dataset, pool=pool)] = pd.DataFrame(rows)
    return tables


_VALUES = ["accuracy", "accuracy_std"]


def _rows(frame: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    return list(frame[columns].itertuples(index=False, name=None))


def _row_order(part: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Families in order; within one, routers and variants in order of appearance, so that gaps in a scenario move no row."""
    keys = list(dict.fromkeys(_rows(part, ROW_KEYS)))
    family = ranks((key[0] for key in keys), FAMILIES)
    return sorted(keys, key=lambda key: family[key[0]])


def task_table(
    responses: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    questions: pd.DataFrame,
    part: Sequence[str] | None = None,
) -> pd.DataFrame:
    """How often each member is right, or its mean score, per task and over all tasks; a missing answer is wrong, or scores 0.

    Args:
        responses: member -> its responses (columns ``query_id``, ``answer``), in pool order.
        labels: columns ``query_id`` and ``label``.
        questions: columns ``query_id``, ``task`` and ``answer_kind``.
        part: the query ids to count, for example a split's test part; by default all.

    Returns:
        Columns ``task``, ``n_queries``, one per member (accuracy in 0..1), ``best`` (the members with the highest
        accuracy, joined by ", "). The last row, ``all``, is over all queries.

    Raises:
        UserError: a member has no answer row for some query.
    """
    frame = questions[["query_id", "task"]].merge(labels[["query_id", "label"]], on="query_id", validate="one_to_one")
    if part is not None:
        frame = frame[frame["query_id"].isin(list(part))]
    frame = frame.reset_index(drop=True)
    is_scored = bool((questions["answer_kind"] == SCORE).any())
    for member, response in responses.items():
        answers = response.set_index("query_id")["answer"]
        absent = frame.loc[~frame["query_id"].isin(answers.index), "query_id"]
        if len(absent):
            raise UserError(
                f"{member} has no response to {len(absent)} queries, the first being {absent.iloc[0]}. Delete this member's "
                "responses file and rerun snakemake."
            )
        given = answers.reindex(frame["query_id"])
        right = given.notna().to_numpy() & (given.to_numpy() == frame["label"].to_numpy())
        frame[member] = given.fillna("0").astype(float).to_numpy() if is_scored else right.astype(float)
    members = list(responses)
    per_task = frame.groupby("task")[members].mean().reset_index()
    per_task.insert(1, "n_queries", frame.groupby("task").size().to_numpy())
    total = pd.DataFrame([{"task": "all", "n_queries": len(frame), **frame[members].mean()}])
    table = pd.concat([per_task, total], ignore_index=True)
    values = table[members].to_numpy()
    best = np.isclose(values, values.max(axis=1, keepdims=True))
    table["best"] = [", ".join(member for member, is_best in zip(members, row, strict=True) if is_best) for row in best]
    return table


def task_table_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """The task table in per cent, with a star at the best members' figures instead of the column ``best``."""
    shown = table[["task", "n_queries"]].copy()
    for member in table.columns.drop(["task", "n_queries", "best"]):
        shown[member] = [
            f"{100 * value:.1f}" + ("*" if member in best.split(", ") else " ")
            for value, best in zip(table[member], table["best"], strict=True)
        ]
    return shown


def generation_table(counts: pd.DataFrame, wanted: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Draws by task (rows, with ``all`` last) and outcome (columns).

    Args:
        counts: columns of ``rgd.artifacts.schemas.GENERATION_COUNTS``.
        wanted: task -> queries wanted; adds the column ``lacking``.

    Returns:
        Columns ``task``, ``draws``, ``kept``, then the other outcomes by name, then ``lacking`` if requested.
    """
    table = counts.pivot_table(index="task", columns="outcome", values="draws", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=["kept", *sorted(set(table.columns) - {"kept"})], fill_value=0)
    table.insert(0, "draws", table.sum(axis=1))
    if wanted is not None:
        table["lacking"] = [max(wanted[str(task)] - kept, 0) for task, kept in table["kept"].items()]
    table.loc["all"] = table.sum()
    return table.astype(int).rename_axis(columns=None).reset_index()


def print_summary(tables: Mapping[str, pd.DataFrame], width: int = 100) -> str:
    """The tables of :func:`pivot_for_people` as text of at most ``width`` columns, for a terminal.

    Family, router and variant share the first column. A scenario's name that is longer than its figures takes several lines;
    scenarios that still do not fit continue in another block below.
    """
    blocks = []
    for title, table in tables.items():
        named = table.drop(columns=ROW_KEYS)
        label = [row_label(router, variant) for router, variant in _rows(table, ["router", "variant"])]
        longest = max(width // 2, 10)
        named.insert(0, "router", [text if len(text) <= longest else text[: longest - 1] + "…" for text in label])
        blocks.append(f"{title}: accuracy in %, mean ± standard deviation over splits")
        named.columns = pd.Index([_wrapped(name, table[name]) if name in table else name for name in named.columns])
        blocks += [_with_family_lines(piece, table["family"]) for piece in _pieces(named, width)]
    return "\n\n".join(blocks)


def _wrapped(name: str, column: pd.Series) -> str:
    """A column's name in lines that are, where spaces and hyphens allow it, no longer than what stands in the column."""
    width = max(len(str(value)) for value in column)
    lines = [""]
    for part in re.split(r"(?<=[\s-])", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _pieces(table: pd.DataFrame, width: int) -> list[pd.DataFrame]:
    """``table`` cut into column blocks that fit ``width``, each with the first column and at least one other."""

    def needs(name: str) -> int:
        return max(*map(len, name.split("\n")), *(len(str(value)) for value in table[name]), 0) + 2

    first, *others = table.columns
    groups: list[list[str]] = [[]]
    for name in others:
        if groups[-1] and needs(first) + sum(map(needs, groups[-1])) + needs(name) > width:
            groups.append([])
        groups[-1].append(name)
    return [table[[first, *group]] for group in groups]


def _with_family_lines(table: pd.DataFrame, families: pd.Series) -> str:
    printed = text_table(table).splitlines()
    head = len(printed) - len(table)
    lines, rows = printed[:head], printed[head:]
    previous = None
    for family, row in zip(families, rows, strict=True):
        if family != previous:
            lines.append(f"-- {family}")
            previous = family
        lines.append(row)
    return "\n".join(lines)
