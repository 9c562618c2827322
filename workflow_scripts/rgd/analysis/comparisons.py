"""Which routers differ: paired differences on the same test queries, with intervals and tests that agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import REAL, SCENARIO_INDEPENDENT, Titles, group_title, records, row_label
from rgd.analysis.people import calls_text, ends_in_points, in_points, lines_by_columns, tables_by
from rgd.errors import UserError
from rgd.scoring.statistics import PairedDifferences, benjamini_hochberg, paired_differences

GROUP_KEYS = ["dataset", "scenario", "pool"]
BETTER, WORSE = "better", "worse"


def comparison_table(
    outcomes: Mapping[tuple[str, str, str, str], pd.DataFrame],
    families: Mapping[tuple[str, str, str, str], str],
    tasks: Mapping[str, Mapping[str, str]],
    interval: Mapping[str, Any],
) -> pd.DataFrame:
    """Every pair of (router, variant) of every dataset, scenario and pool, compared on the same test queries.

    Routers that do not depend on the scenario (learning-free ones, references) take part in every scenario. Rows with
    the same differences on the same queries (such pairs in two scenarios or pools, or pairs with twins) are one
    hypothesis, which is adjusted for once. The intervals have the level that the adjustment leaves to each hypothesis
    (false coverage rate, Benjamini and Yekutieli 2005): with a false discovery rate of q and R rejections among m
    hypotheses 1 - q R / m, or 1 - q / m without a rejection. So an interval leaves out 0 if and only if there is a verdict.

    Args:
        outcomes: (dataset, scenario, pool, router) -> schemas.outcomes.
        families: the family of each of these cells.
        tasks: dataset -> query_id -> task, the strata.
        interval: ``level``, which leaves the rest to 1 as the false discovery rate.

    Returns:
        One row per pair: dataset, scenario, pool, first, first_variant, second, second_variant; difference (first minus
        second, mean over seeds), ci_low and ci_high (ends of its interval over questions), ci_level (the level of the
        interval, the same in all rows), first_only and second_only (queries on which only one is right, or more likely
        so; mean over seeds), p_value (of the test that belongs to the interval), q_value (p adjusted over the
        hypotheses, Benjamini and Hochberg 1995), hypothesis (its number, the same for rows that are one), detectable
        (the smallest difference that a test at this level finds with 80 % power, NaN if the outcomes are the same),
        false_discovery_rate, verdict (better, worse, or empty if the interval includes 0).

    Raises:
        UserError: there are no outcomes.
        ValueError: two cells of one group have different test queries.
    """
    if not outcomes:
        raise UserError(
            "there are no result cells to compare: the experiment's sweep is empty. Name datasets, scenarios, pools and routers in its file."
        )
    rate = round(1.0 - interval["level"], 12)
    compared = [
        _Compared.of(group, {cell[3]: outcomes[cell] for cell in cells}, tasks[group[0]])
        for group, cells in competitors(outcomes, families).items()
    ]
    table = pd.concat([group.rows for group in compared], ignore_index=True)
    hypotheses, place, table["hypothesis"] = np.unique(
        [key for group in compared for key in group.hypotheses], return_index=True, return_inverse=True
    )
    adjusted = benjamini_hochberg(table["p_value"].to_numpy()[place])
    table["q_value"] = adjusted[table["hypothesis"]]
    alpha = rate * max(int((adjusted < rate).sum()), 1) / max(len(hypotheses), 1)
    ends = [group.differences.ends(alpha) for group in compared]
    table["ci_low"], table["ci_high"] = (np.concatenate(side) for side in zip(*ends, strict=True))
    table["ci_level"], table["false_discovery_rate"] = 1.0 - alpha, rate
    table["detectable"] = np.concatenate([group.differences.detectable(alpha) for group in compared])
    table["verdict"] = np.select([table["ci_low"] > 0, table["ci_high"] < 0], [BETTER, WORSE], "")
    # Numbered as they come.
    table["hypothesis"] = pd.factorize(table["hypothesis"])[0]
    return table[[*GROUP_KEYS, *_COLUMNS]]


def competitors(
    outcomes: Iterable[tuple[str, str, str, str]], families: Mapping[tuple[str, str, str, str], str]
) -> dict[tuple[str, str, str], list[tuple[str, str, str, str]]]:
    """The cells of every dataset, scenario and pool, one of each router.

    Of a router that does not depend on the scenario, its one cell is among those of every scenario.

    Args:
        outcomes: the cells that there are.
        families: the family of each of them.
    """
    cells = list(outcomes)
    known, order = set(cells), list(dict.fromkeys(router for *_, router in cells))
    found: dict[tuple[str, str, str], list[tuple[str, str, str, str]]] = {}
    for dataset, scenario, pool in dict.fromkeys(cell[:3] for cell in cells):
        here = found.setdefault((dataset, scenario, pool), [])
        for router in order:
            own, shared = (dataset, scenario, pool, router), (dataset, REAL, pool, router)
            if own in known:
                here.append(own)
            elif shared in known and families[shared] in SCENARIO_INDEPENDENT:
                here.append(shared)
    return found


_COLUMNS = [
    *("first", "first_variant", "second", "second_variant", "difference", "ci_low", "ci_high", "ci_level"),
    *("first_only", "second_only", "p_value", "q_value", "hypothesis", "detectable", "false_discovery_rate", "verdict"),
]


@dataclass(frozen=True)
class _Compared:
    """All pairs of one dataset, scenario and pool: their rows, differences, and what each hypothesis is about."""

    rows: pd.DataFrame
    differences: PairedDifferences
    hypotheses: list[str]

    @classmethod
    def of(
        cls, group: tuple[str, str, str], routers: Mapping[str, pd.DataFrame], tasks: Mapping[str, str]
    ) -> "_Compared":
        names = [
            (router, column.removeprefix("correct_"))
            for router, frame in routers.items()
            for column in frame.columns
            if column.startswith("correct_")
        ]
        pairs = np.array(list(combinations(range(len(names)), 2)), dtype=int).reshape(-1, 2)
        first, second = pairs.T
        reference = _same_queries(routers)
        questions, seeds = reference["query_id"].to_numpy().astype(str), reference["seed"].to_numpy()
        columns = [routers[router][f"correct_{variant}"].to_numpy(dtype=np.float32) for router, variant in names]
        correct = np.column_stack(columns).astype(np.float64)
        strata = reference["query_id"].map(dict(tasks)).to_numpy().astype(str)
        found = paired_differences(correct, questions, seeds, strata, first, second)
        splits = len(np.unique(seeds))
        wins, losses, hypotheses = [], [], []
        about = blake2b("\0".join([group[0], *map(str, seeds), *questions]).encode(), digest_size=16).digest()
        for one, other in pairs.tolist():
            difference = columns[one] - columns[other]
            wins.append(np.count_nonzero(difference > 0) / splits)
            losses.append(np.count_nonzero(difference < 0) / splits)
            hypotheses.append(_hypothesis(about, difference, columns[one]))
        rows = {
            **dict(zip(GROUP_KEYS, group, strict=True)),
            "first": [names[one][0] for one in first],
            "first_variant": [names[one][1] for one in first],
            "second": [names[other][0] for other in second],
            "second_variant": [names[other][1] for other in second],
            "difference": found.estimate,
            "first_only": np.array(wins, dtype=float),
            "second_only": np.array(losses, dtype=float),
            "p_value": found.p_values(),
        }
        return cls(pd.DataFrame(rows), found, hypotheses)


def _same_queries(routers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The outcomes of the first router, after a check that the others have the same test queries."""
    (name, reference), *others = routers.items()
    for router, frame in others:
        if not frame[["seed", "query_id"]].equals(reference[["seed", "query_id"]]):
            raise ValueError(f"the outcomes of {router} and {name} have different test queries")
    return reference


def _hypothesis(about: bytes, difference: np.ndarray, outcome: np.ndarray) -> str:
    """What a pair's test is about, as a digest: its differences, whichever router comes first.

    Where there is no difference, it is about the ``outcome`` that both have.
    """
    first = difference[np.argmax(difference != 0)]
    # Adding 0 makes a negative zero a zero.
    same = bool(first == 0)
    content = outcome if same else difference * np.sign(first) + np.float32(0.0)
    return blake2b(about + bytes([same]) + content.tobytes(), digest_size=16).hexdigest()


def against(table: pd.DataFrame, baseline: str, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Each (router, variant) against the baseline's variant with the same number of calls, if there is one.

    Args:
        table: from :func:`comparison_table`.
        baseline: a router.
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`, for the calls per query.

    Returns:
        The rows of ``table`` that compare them, turned so that the baseline is ``second``, with the columns ``calls``
        and ``same_calls``; if no variant of the baseline makes as many calls, its first one is used.
    """
    made = {
        (row["scenario"], row["dataset"], row["pool"], row["router"], row["variant"]): round(row["calls_per_query"], 6)
        for row in records(accuracy)
    }
    # Routers that do not depend on the scenario have one row for all.
    anywhere = {key[1:]: value for key, value in made.items()}
    turned = table.rename(
        columns={
            "first": "second",
            "second": "first",
            "first_variant": "second_variant",
            "second_variant": "first_variant",
            "first_only": "second_only",
            "second_only": "first_only",
        }
    )
    turned[["difference", "ci_low", "ci_high"]] = -turned[["difference", "ci_high", "ci_low"]].to_numpy()
    turned["verdict"] = turned["verdict"].map({BETTER: WORSE, WORSE: BETTER, "": ""})
    both = pd.concat([table, turned[table.columns]], ignore_index=True)
    both = both[(both["second"] == baseline) & (both["first"] != baseline)].reset_index(drop=True)

    def calls_of(router: str, variant: str) -> list[float]:
        keys = zip(both["scenario"], both["dataset"], both["pool"], both[router], both[variant], strict=True)
        return [made.get(key, anywhere[key[1:]]) for key in keys]

    both["calls"] = calls_of("first", "first_variant")
    both["same_calls"] = both["calls"].to_numpy() == np.array(calls_of("second", "second_variant"))
    order = both.sort_values("same_calls", ascending=False, kind="stable")
    keys = [*GROUP_KEYS, "first", "first_variant"]
    return order.drop_duplicates(keys).sort_index().reset_index(drop=True)


def significant(compared: pd.DataFrame, better: str = "*", worse: str = "*") -> dict[tuple[str, ...], str]:
    """The mark of each (dataset, scenario, pool, router, variant) of :func:`against` with a significant difference."""
    real = compared[(compared["verdict"] != "") & compared["same_calls"]]
    keys = real[[*GROUP_KEYS, "first", "first_variant"]].itertuples(index=False, name=None)
    return {key: better if verdict == BETTER else worse for key, verdict in zip(keys, real["verdict"], strict=True)}


def comparisons_for_people(
    table: pd.DataFrame, accuracy: pd.DataFrame, baseline: str, titles: Titles | None = None
) -> dict[str, pd.DataFrame]:
    """One table for each dataset and pool: every router's difference to the baseline, in points, by scenario.

    A star marks a significant difference, whose interval leaves out 0. A tilde marks a comparison with a variant of the
    baseline that makes a different number of calls.
    """

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        lines = lines_by_columns("router", (_line(row, titles) for row in records(part)))
        named = [
            row_label(router, variant) for router, variant in zip(part["first"], part["first_variant"], strict=True)
        ]
        calls = part["calls"].groupby(np.array(named), sort=False).agg(calls_text)
        lines.insert(1, "calls", lines["router"].map(calls))
        return lines

    return tables_by(("dataset", "pool"), against(table, baseline, accuracy), titles, lines)


def _line(row: Mapping[str, Any], titles: Titles | None) -> tuple[str, dict[str, str]]:
    sign = ("*" if row["verdict"] else "") + ("" if row["same_calls"] else "~")
    ends = ends_in_points(row["ci_low"], row["ci_high"])
    difference = f"{in_points(row['difference'], sign=True)} {ends}{sign}"
    return row_label(row["first"], row["first_variant"]), {group_title(titles, scenario=row["scenario"]): difference}


def smallest_shown(table: pd.DataFrame) -> str:
    """Sentences about the verdicts of a :func:`comparison_table`, its intervals, and the differences it can detect."""
    real = int((table["verdict"] != "").sum())
    shown = f"Of {len(table)} pairs ({table['hypothesis'].nunique()} distinct) {real} differ"
    if table.empty:
        return f"{shown}."
    rate, level = 100 * table["false_discovery_rate"].iloc[0], 100 * table["ci_level"].iloc[0]
    # As many decimals as tell the level from 100 %, and one more.
    figures = next(digits for digits in range(1, 17) if round(100 - level, digits) > 0) + 1
    middle, most = 100 * table["detectable"].median(), 100 * table["detectable"].max()
    return (
        f"{shown} at a false discovery rate of {rate:g} % (t tests over questions, Benjamini and Hochberg over the distinct "
        f"pairs). The intervals have the level that this leaves to each pair, {level:.{figures}f} %: they leave out 0 where "
        f"a pair differs, and only there. A true difference of {middle:.1f} points is shown with 80 % power for the median "
        f"pair, of {most:.1f} for the worst."
    )
