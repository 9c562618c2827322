"""Quality against cost of an experiment's routers, with paired bootstrap intervals over the test questions.

As an analysis this module reads test labels: every figure is computed from correctness, or scores in [0, 1], on test queries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rgd.artifacts.columns import rows_in, texts
from rgd.errors import UserError
from rgd.scoring.cells import ORACLE, Benchmark
from rgd.scoring.cost_quality import Curve, arena_score, resampled_means

DOLLARS, TOKENS, CALLS = "dollars", "tokens", "calls"
UNITS = (DOLLARS, TOKENS, CALLS)
"""Units of cost, the most telling first."""
KEYS = ["dataset", "scenario", "pool", "router", "variant"]
WITH_ENDS = ("cost", "arena_score", "aiq", "aiq_gain", "cost_at_equal_accuracy", "gain_at_equal_cost")
COLUMNS = [
    *("cost_unit", "best_single", "best_single_cost", "best_single_accuracy"),
    *(column for figure in WITH_ENDS for column in (figure, f"{figure}_low", f"{figure}_high")),
]
PURPOSE = "quality against cost"
# Sums of shares that amount to the same differ in the last digits.
DIGITS = 12


@dataclass(frozen=True)
class Points:
    """What one cell's variants, or the members of a pool, did on the same n test rows.

    Attributes:
        names: the V variants or members.
        quality: (n, V) float64 in [0, 1].
        cost: (n, V) float64; NaN where it is unknown.
    """

    names: tuple[str, ...]
    quality: np.ndarray
    cost: np.ndarray


def query_costs(
    benchmark: Benchmark,
    unit: str,
    prices: Mapping[str, Sequence[float] | None],
    recorded: Mapping[str, np.ndarray | None],
) -> np.ndarray:
    """What each member's answer to each query costs, float64 (n, M); NaN where it is unknown.

    Args:
        benchmark: the questions with the pool's answers.
        unit: dollars, tokens or calls.
        prices: member -> dollars per call, per prompt token and per completion token; None where they are unknown.
        recorded: member -> dollars (n,) that its answers have cost, NaN where it is unknown; used where there is no price.
    """
    if unit == CALLS:
        return np.ones(benchmark.prompt_tokens.shape)
    tokens = np.stack([benchmark.prompt_tokens, benchmark.completion_tokens], axis=2)
    if unit == TOKENS:
        return np.asarray(tokens.sum(axis=2))
    rates = np.array([[np.nan] * 3 if prices[m] is None else prices[m] for m in benchmark.members], dtype=np.float64)
    # A token that costs nothing need not be counted.
    charged = np.where(rates[None, :, 1:] == 0, 0.0, rates[None, :, 1:] * tokens)
    costs = np.asarray(rates[None, :, 0] + charged.sum(axis=2))
    for place, member in enumerate(benchmark.members):
        spent = recorded.get(member)
        if prices[member] is None and spent is not None:
            costs[:, place] = spent
    return costs


def costs_in_unit(
    benchmark: Benchmark,
    unit: str | None,
    prices: Mapping[str, Sequence[float] | None],
    pool: str,
    recorded: Mapping[str, np.ndarray | None],
) -> tuple[str, np.ndarray]:
    """The unit and the costs (n, M) of :func:`query_costs`: in ``unit``, or in the first of UNITS whose costs are all known.

    Raises:
        UserError: costs in ``unit`` are asked for and some are unknown.
    """
    for tried in UNITS if unit is None else (unit,):
        costs = query_costs(benchmark, tried, prices, recorded)
        unknown = np.flatnonzero(np.isnan(costs).any(axis=0))
        if not len(unknown):
            return tried, costs
    member = benchmark.members[unknown[0]]
    raise UserError(
        f"costs.unit is {unit}, but for {int(np.isnan(costs[:, unknown[0]]).sum())} answers of {member} in pool {pool} the cost in "
        f"{unit} is unknown. "
        + (
            f"Give costs.prices.{member} in the experiment's file, or its recorded file a cost for every answer, "
            if unit == DOLLARS
            else "Leave out costs.unit, "
        )
        + "or use another unit."
    )


def cost_of_routes(routes: pa.Table, variants: Sequence[str], benchmark: Benchmark, costs: np.ndarray) -> np.ndarray:
    """What all members asked about each query cost, float64 (n, V).

    Args:
        routes: schemas.routes, n rows.
        variants: V of its variants.
        benchmark: the questions; its members are those of ``costs``.
        costs: (queries, M).
    """
    rows = rows_in(benchmark.query_ids, texts(routes["query_id"]))
    members = pa.array(benchmark.members, pa.string())
    found = np.empty((len(rows), len(variants)))
    for place, variant in enumerate(variants):
        asked = routes[f"asked_{variant}"].combine_chunks()
        owner = np.repeat(np.arange(len(rows)), asked.value_lengths().to_numpy())
        member = pc.index_in(asked.flatten(), value_set=members).to_numpy()
        found[:, place] = np.bincount(owner, weights=costs[rows[owner], member], minlength=len(rows))
    return found


@dataclass(frozen=True)
class Tested:
    """The n rows that every cell of a dataset is tested on.

    Attributes:
        questions: (n,) str.
        seeds: (n,) the split of each row.
        tasks: (n,) str, the strata.
    """

    questions: np.ndarray
    seeds: np.ndarray
    tasks: np.ndarray

    def check(self, outcomes: pa.Table, cell: Sequence[str]) -> None:
        """Raise a ValueError if ``cell`` has outcomes (schemas.outcomes) on other rows."""
        questions, seeds = texts(outcomes["query_id"]).astype(str), outcomes["seed"].to_numpy()
        if not (np.array_equal(self.questions, questions) and np.array_equal(self.seeds, seeds)):
            raise ValueError(
                f"the outcomes of {'/'.join(cell)} have other test queries than those of the cells before it"
            )

    def by_question(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each question the weighted sums (q, C) of columns (n, C), its share (q,) and its task (q,).

        Splits weigh alike, and so do a split's questions; a question that several splits test is one observation.
        """
        _, seed, sizes = np.unique(self.seeds, return_inverse=True, return_counts=True)
        weight = 1.0 / (len(sizes) * sizes[seed])
        _, place, question = np.unique(self.questions, return_index=True, return_inverse=True)
        sums = np.column_stack([np.bincount(question, weights=weight * column) for column in columns.T])
        return sums, np.bincount(question, weights=weight), self.tasks[place]


@dataclass(frozen=True)
class Answered:
    """A pool's answers to a dataset's benchmark, with what they cost.

    Attributes:
        benchmark: the questions with the answers of the M members.
        unit: of the costs.
        costs: (questions, M) float64.
    """

    benchmark: Benchmark
    unit: str
    costs: np.ndarray

    def rows(self, query_ids: np.ndarray) -> np.ndarray:
        """The rows (n,) of queries."""
        return rows_in(self.benchmark.query_ids, query_ids.astype(object))

    def members(self, query_ids: np.ndarray) -> Points:
        """What every member did on queries (n,)."""
        rows = self.rows(query_ids)
        return Points(self.benchmark.members, self.benchmark.correct[rows].astype(np.float64), self.costs[rows])

    def routed(self, outcomes: pa.Table, routes: pa.Table) -> Points:
        """What a router's variants did.

        Args:
            outcomes: schemas.outcomes.
            routes: schemas.routes, with the same rows.
        """
        variants, quality = _outcomes(outcomes)
        return Points(variants, quality, cost_of_routes(routes, variants, self.benchmark, self.costs))

    def reference(self, outcomes: pa.Table, choices: pa.Table) -> Points:
        """What a reference did. That of the oracle costs nobody knows what: it cannot be run.

        Args:
            outcomes: schemas.outcomes.
            choices: schemas.CHOICES; every query is asked of each member with the same probability.
        """
        variants, quality = _outcomes(outcomes)
        shares = choices.to_pandas().groupby(["variant", "member"])["share"].mean().unstack()
        known = shares.loc[list(variants), list(self.benchmark.members)].to_numpy()
        spent = self.costs[self.rows(texts(outcomes["query_id"]))] @ known.T
        return Points(variants, quality, np.where([name == ORACLE for name in variants], np.nan, spent))


def rows_tested(outcomes: pa.Table, tasks: Mapping[str, str]) -> Tested:
    """The rows of ``outcomes`` (schemas.outcomes), with the task of each query."""
    questions = texts(outcomes["query_id"])
    strata = np.array([tasks[query_id] for query_id in questions.tolist()])
    return Tested(questions.astype(str), outcomes["seed"].to_numpy(), strata)


def _outcomes(table: pa.Table) -> tuple[tuple[str, ...], np.ndarray]:
    names = [name for name in table.column_names if name.startswith("correct_")]
    quality = np.column_stack([table[name].to_numpy().astype(np.float64) for name in names])
    return tuple(name.removeprefix("correct_") for name in names), quality


def cost_quality_table(
    tested: Tested,
    cells: Mapping[tuple[str, str, str, str], Points],
    singles: Mapping[str, Points],
    units: Mapping[str, str],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Figures of quality against cost of every cell of one dataset.

    In all of them a question counts as one observation, and the intervals are percentile intervals over the same
    stratified bootstrap samples of questions. A router's curve (:class:`rgd.scoring.cost_quality.Curve`) goes through its
    variants; that of the single members is RouterBench's zero router. The best single member is the one of the highest
    quality on the test rows (of equals the cheaper), which favours it over the routers; it is the same in all samples.

    Args:
        tested: the rows of every cell.
        cells: (dataset, scenario, pool, router) -> its variants.
        singles: pool -> its members.
        units: pool -> the unit of its costs.
        settings: ``level``, ``draws`` and ``seed`` of the bootstrap; ``beta``, ``cheapest`` and ``dearest`` of the arena
            score.

    Returns:
        KEYS, and of each variant: cost per query; arena_score (NaN unless costs are in dollars); cost_unit. Of its router,
        the same in the rows of all its variants: aiq from no cost to that of the dearest variant or member of the pool;
        aiq_gain, the difference to the zero router's; cost_at_equal_accuracy, the cost of the best single member's quality
        as a share of that member's cost, infinite where it is not reached; gain_at_equal_cost, the quality at that
        member's cost minus the member's. best_single is that member, best_single_cost and best_single_accuracy its
        cost and quality. Of WITH_ENDS also FIGURE_low and FIGURE_high, the ends of the interval.
    """
    groups = [*singles.values(), *cells.values()]
    sums, share, tasks = tested.by_question(
        np.hstack([side for group in groups for side in (group.quality, group.cost)])
    )
    draws = resampled_means(sums, share, tasks, settings["seed"], settings["draws"], PURPOSE)
    # The estimate comes first, the draws follow.
    means = np.vstack([sums.sum(axis=0) / share.sum(), draws])
    widths = np.cumsum([2 * len(group.names) for group in groups])[:-1]
    decimals = _decimals(max(float(np.nanmax(group.cost, initial=0.0)) for group in groups))
    found = [_Means.of(part, decimals) for part in np.split(means, widths, axis=1)]
    of_pool = dict(zip(singles, found[: len(singles)], strict=True))
    of_cell = dict(zip(cells, found[len(singles) :], strict=True))
    rows: list[dict[str, Any]] = []
    for pool, members in of_pool.items():
        mine = {cell: mean for cell, mean in of_cell.items() if cell[2] == pool}
        against = _Yardstick.of(members, list(mine.values()))
        for cell, mean in mine.items():
            figures = _figures(mean, against, units[pool], settings)
            for place, variant in enumerate(cells[cell].names):
                rows.append(
                    {
                        **dict(zip(KEYS, [*cell, variant], strict=True)),
                        "cost_unit": units[pool],
                        "best_single": singles[pool].names[against.best],
                        "best_single_cost": float(members.cost[0, against.best]),
                        "best_single_accuracy": float(members.quality[0, against.best]),
                        **_with_ends({name: values[:, place] for name, values in figures.items()}, settings["level"]),
                    }
                )
    return pd.DataFrame(rows, columns=[*KEYS, *COLUMNS])


def _decimals(largest: float) -> int:
    """The decimals that leave the largest of some costs DIGITS digits."""
    return DIGITS - (int(np.ceil(np.log10(largest))) if largest > 0 else 0)


@dataclass(frozen=True)
class _Means:
    """Mean quality and cost of V variants, (1 + draws, V): of the test questions, then of their samples."""

    quality: np.ndarray
    cost: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray, decimals: int) -> "_Means":
        """From columns of both, made equal where they differ by rounding alone: costs are rounded to ``decimals``."""
        quality, cost = np.hsplit(columns, 2)
        return cls(quality.round(DIGITS), cost.round(decimals))

    def curves(self) -> list[Curve]:
        return [Curve.through(cost, quality) for cost, quality in zip(self.cost, self.quality, strict=True)]


@dataclass(frozen=True)
class _Yardstick:
    """What the routers of a pool are measured by: its best single member, its zero router, and the dearest point of all."""

    best: int
    single: _Means
    dearest: float
    zero_aiq: np.ndarray

    @classmethod
    def of(cls, members: _Means, cells: Sequence[_Means]) -> "_Yardstick":
        best = int(np.lexsort((members.cost[0], -members.quality[0]))[0])
        costs = np.concatenate([mean.cost[0] for mean in [members, *cells]])
        dearest = float(costs[~np.isnan(costs)].max())
        single = _Means(members.quality[:, best], members.cost[:, best])
        return cls(best, single, dearest, _aiq(members.curves(), dearest))


def _figures(mean: _Means, against: _Yardstick, unit: str, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The figures of WITH_ENDS, each (1 + draws, V)."""
    shape = mean.cost.shape
    dollars = 1000.0 * mean.cost if unit == DOLLARS else np.full(shape, np.nan)
    arena = arena_score(mean.quality, dollars, settings["beta"], settings["cheapest"], settings["dearest"])
    found = {"cost": mean.cost, "arena_score": arena}
    unknown = np.full(len(mean.cost), np.nan)
    of_router = dict.fromkeys(("aiq", "aiq_gain", "cost_at_equal_accuracy", "gain_at_equal_cost"), unknown)
    if not np.isnan(mean.cost).any():
        curves, single = mean.curves(), against.single
        aiq = _aiq(curves, against.dearest)
        needed = np.array([curve.cost_at(quality) for curve, quality in zip(curves, single.quality, strict=True)])
        reached = np.array([curve.quality_at(cost) for curve, cost in zip(curves, single.cost, strict=True)])
        free = single.cost == 0
        of_router = {
            "aiq": aiq,
            "aiq_gain": aiq - against.zero_aiq,
            "cost_at_equal_accuracy": np.where(free, np.nan, needed / np.where(free, 1.0, single.cost)),
            "gain_at_equal_cost": reached - single.quality,
        }
    return found | {name: np.broadcast_to(values[:, None], shape) for name, values in of_router.items()}


def _aiq(curves: Sequence[Curve], dearest: float) -> np.ndarray:
    """AIQ of each curve up to a cost of ``dearest``; NaN where nothing costs anything."""
    if dearest == 0:
        return np.full(len(curves), np.nan)
    return np.array([curve.mean_quality(0.0, dearest) for curve in curves])


def _with_ends(figures: Mapping[str, np.ndarray], level: float) -> dict[str, float]:
    """Each figure's estimate, its first value, and the ends of its percentile interval over the others."""
    row = {}
    for name, values in figures.items():
        # Of infinite values none lies between two.
        low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        ends = {name: values[0], f"{name}_low": low, f"{name}_high": high}
        row.update({key: float(f"{value:.{DIGITS}g}") for key, value in ends.items()})
    return row
