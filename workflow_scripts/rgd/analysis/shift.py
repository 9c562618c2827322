"""How far generated queries lie from real ones: maximum mean discrepancy (Gretton et al. 2012, JMLR 13, 723-773)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import REAL, Titles, group_title, records
from rgd.analysis.people import tables_by
from rgd.seeds import generator

# Permutations computed at once; they take 32 MiB of float64 for 2 x 1,000 queries.
BLOCK_ENTRIES = 4 * 1024 * 1024
NOTE = (
    "Squared maximum mean discrepancy between a scenario's queries and the real train part (first split), in the space of the "
    "embeddings: RBF kernel, the median distance as bandwidth, unbiased (so that it can be slightly negative), on at most {queries} "
    "queries of each; p from {permutations} permutations, at least 1 / {least}. The row of real data compares the train part with "
    "the test part, and shows what no difference looks like (below zero where the parts are stratified, and so more alike than chance makes them)."
)


@dataclass(frozen=True)
class Discrepancy:
    """The discrepancy of two samples.

    Attributes:
        mmd2: unbiased estimate of the squared maximum mean discrepancy.
        bandwidth: the kernel's sigma, in exp(-d^2 / (2 sigma^2)).
        p_value: share of permutations, the observed order included, with at least this discrepancy.
    """

    mmd2: float
    bandwidth: float
    p_value: float


def discrepancy(first: np.ndarray, second: np.ndarray, permutations: int, seed: int) -> Discrepancy:
    """Compare two samples of vectors, (m, d) and (n, d), each with at least two rows.

    The bandwidth is the median of the nonzero distances between rows of both samples together. If all rows are equal, it is
    1 and the discrepancy is 0.

    Args:
        first, second: the samples.
        permutations: number of permutations of the rows between the samples, for the p-value.
        seed: seed of the permutations.

    Raises:
        ValueError: a sample has fewer than two rows.
    """
    m, n = len(first), len(second)
    if min(m, n) < 2:
        raise ValueError(f"a discrepancy needs two rows of each sample, but there are {m} and {n}")
    squared = _squared_distances(np.concatenate([first, second]).astype(np.float64))
    apart = squared[np.triu_indices(m + n, 1)]
    apart = apart[apart > 0]
    bandwidth = float(np.median(np.sqrt(apart))) if len(apart) else 1.0
    kernel = np.exp(squared / (-2 * bandwidth**2))
    np.fill_diagonal(kernel, 0.0)
    random = generator(seed, "mmd")
    observed = np.zeros((m + n, 1))
    observed[:m] = 1.0
    value = float(_mmd2(kernel, observed, m, n)[0])
    # Permutations whose values differ only by rounding count as equal.
    slack = 1e-12
    at_least = 1
    block = max(1, BLOCK_ENTRIES // (m + n))
    for start in range(0, permutations, block):
        chosen = np.zeros((m + n, min(block, permutations - start)))
        for column in range(chosen.shape[1]):
            chosen[random.permutation(m + n)[:m], column] = 1.0
        at_least += int((_mmd2(kernel, chosen, m, n) >= value - slack).sum())
    return Discrepancy(value, bandwidth, at_least / (permutations + 1))


def subsample(rows: int, most: int, seed: int, *purpose: str) -> np.ndarray:
    """At most ``most`` of the row numbers 0, 1, ..., drawn without replacement, in ascending order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(generator(seed, "subsample", *purpose).permutation(rows)[:most])


def _squared_distances(points: np.ndarray) -> np.ndarray:
    norms = (points**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * points @ points.T
    # For equal rows the difference is rounding noise of either sign.
    squared[squared < 1e-12 * max(1.0, float(norms.max()))] = 0.0
    return squared


def _mmd2(kernel: np.ndarray, chosen: np.ndarray, m: int, n: int) -> np.ndarray:
    """The unbiased estimate for each column of ``chosen`` (m + n, B), 1 for a row of the first sample: (B,).

    Let s be the column, K the kernel without its diagonal, and r its row sums. Then s'Ks sums the kernel within the first
    sample, s'r - s'Ks across the samples, and the rest of the total within the second.
    """
    within = np.einsum("ij,ij->j", chosen, kernel @ chosen)
    touching = chosen.T @ kernel.sum(axis=1)
    across = touching - within
    second = kernel.sum() - touching - across
    return np.asarray(within / (m * (m - 1)) + second / (n * (n - 1)) - 2 * across / (m * n))


def shift_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset: scenarios by their distance from the real queries."""

    def line(row: Mapping[str, Any]) -> dict[str, Any]:
        generated = group_title(titles, scenario=row["scenario"])
        return {
            "queries of": "real: train and test part" if row["scenario"] == REAL else generated,
            "queries": row["n_queries"],
            "real queries": row["n_real"],
            "MMD² × 1000": f"{1000 * row['mmd2']:.2f}",
            "p": f"{row['p_value']:.4f}",
            "bandwidth": f"{row['bandwidth']:.3f}",
        }

    return tables_by(("dataset",), table, titles, lambda part: pd.DataFrame(map(line, records(part))))
