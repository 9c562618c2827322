"""Whether generated queries rank a pool's members as real ones do (arXiv 2601.09692, section 4.3.2, Table 2)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from rgd.analysis.order import AVERAGE, REAL, Titles, group_title, records
from rgd.analysis.people import lines_by_columns, tables_by, with_spread
from rgd.routing.rounding import DECIMALS
from rgd.scoring.metrics import kendall_tau

TOP = 2

COLUMNS = [
    *("dataset", "scenario", "pool", "n_members", "n_seeds", "tau", "tau_std", "tau_lowest", "tau_highest"),
    *("ties", "shared_top", "ranking", "real_ranking"),
]
NOTE = (
    "Kendall's tau-b between the rankings of a pool's members by mean consensus score on the generated queries and on the "
    "real train part, mean ± standard deviation over splits; the average is over the datasets. {possible}"
)


def mean_scores(consensus: pa.Table, members: Sequence[str]) -> dict[int, np.ndarray]:
    """Each member's mean consensus score over the training queries by seed: (M,) float64 in the order of ``members``.

    Args:
        consensus: seed, member and consensus of schemas.CONSENSUS.
        members: the pool.
    """
    frame = consensus.select(["seed", "member", "consensus"]).to_pandas()
    frame["consensus"] = frame["consensus"].astype(np.float64)
    means = frame.groupby(["seed", "member"], sort=False)["consensus"].mean().round(DECIMALS).unstack("member")
    return {int(seed): row.to_numpy() for seed, row in means[list(members)].iterrows()}


def ranking_transfer(
    scores: Mapping[tuple[str, str, str], Mapping[int, np.ndarray]], members: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """How well each scenario's ranking of the members agrees with the real one.

    Args:
        scores: (dataset, scenario, pool) -> seed -> mean scores (M,) from :func:`mean_scores`; the others are compared
            with the scenario ``real`` of the same dataset and pool, seed by seed.
        members: pool -> its members.

    Returns:
        One row per dataset, generated scenario and pool. ``tau`` is the mean over seeds, ``tau_std`` their standard
        deviation (NaN for one seed), ``tau_lowest`` and ``tau_highest`` their extremes; ``ties`` counts the tied pairs
        of both rankings over all seeds; ``shared_top`` is the mean number of members among the best two of both;
        ``ranking`` and ``real_ranking`` list the members by mean score over seeds, best first. Each scenario and pool
        that all datasets have also gets a row ``average``: the mean of the datasets' ``tau``.
    """
    rows = []
    for (dataset, scenario, pool), by_seed in scores.items():
        real = scores.get((dataset, REAL, pool))
        if scenario == REAL or real is None:
            continue
        names = members[pool]
        seeds = [seed for seed in by_seed if seed in real]
        taus = np.array([kendall_tau(by_seed[seed], real[seed]) for seed in seeds])
        rows.append(
            {
                "dataset": dataset,
                "scenario": scenario,
                "pool": pool,
                "n_members": len(names),
                "n_seeds": len(seeds),
                "tau": taus.mean(),
                "tau_std": taus.std(ddof=1) if len(taus) > 1 else np.nan,
                "tau_lowest": taus.min(),
                "tau_highest": taus.max(),
                "ties": sum(_ties(by_seed[seed]) + _ties(real[seed]) for seed in seeds),
                "shared_top": np.mean([len(_top(by_seed[seed]) & _top(real[seed])) for seed in seeds]),
                "ranking": _ranking(by_seed, seeds, names),
                "real_ranking": _ranking(real, seeds, names),
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return pd.concat([table, _averages(table)], ignore_index=True) if table["dataset"].nunique() > 1 else table


def _averages(table: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {"dataset": AVERAGE, "scenario": scenario, "pool": pool, "tau": part["tau"].mean()}
        | {name: part[name].iloc[0] for name in ("n_members", "n_seeds")}
        | {"ties": int(part["ties"].sum()), "shared_top": part["shared_top"].mean()}
        for (scenario, pool), part in table.groupby(["scenario", "pool"], sort=False)
        if len(part) == table["dataset"].nunique()
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype(table.dtypes.to_dict())


def possible_taus(members: int) -> np.ndarray:
    """The values of tau for two rankings of ``members`` without ties, from 1 down to -1.

    If D of the P = M (M - 1) / 2 pairs are ordered differently, tau = 1 - 2 D / P.
    """
    pairs = members * (members - 1) // 2
    return 1 - 2 * np.arange(pairs + 1) / pairs


def possible_note(members: Sequence[int]) -> str:
    """A sentence about the possible values of tau for pools of these sizes."""
    parts = []
    for size in sorted(set(members)):
        values = possible_taus(size)
        parts.append(
            f"For {size} members without ties tau takes {len(values)} values, {abs(values[0] - values[1]):.2f} apart "
            f"({', '.join(f'{value:.2f}' for value in values[:3])}, ... {', '.join(f'{value:.2f}' for value in values[-2:])}): "
            "a pair of members that changes places is one step."
        )
    return " ".join(parts)


def ranking_transfer_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each pool: scenarios by datasets."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        cells = (
            (
                group_title(titles, scenario=row["scenario"]),
                {group_title(titles, dataset=row["dataset"]): with_spread(row["tau"], row["tau_std"], 2)},
            )
            for row in records(part)
        )
        return lines_by_columns("scenario", cells)

    return tables_by(("pool",), table, titles, lines)


def _ties(scores: np.ndarray) -> int:
    """Pairs of members with the same score."""
    _, counts = np.unique(scores, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def _top(scores: np.ndarray) -> set[int]:
    """The best two members; ties go to the first in the pool's order."""
    return set(np.argsort(-scores, kind="stable")[:TOP].tolist())


def _ranking(by_seed: Mapping[int, np.ndarray], seeds: Sequence[int], names: Sequence[str]) -> str:
    means = np.mean([by_seed[seed] for seed in seeds], axis=0)
    return " > ".join(names[place] for place in np.argsort(-means, kind="stable"))
