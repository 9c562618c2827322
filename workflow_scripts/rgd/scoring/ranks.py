"""Which ranks data can tell apart: simultaneous confidence sets for ranks."""

from dataclasses import dataclass

import numpy as np

from rgd.scoring.statistics import PairedDifferences

# Pairs of a sample that are in memory at once: 32 MiB of float64.
BLOCK_ENTRIES = 4 * 1024 * 1024
# Scores, and studentised differences, that differ by less than this are equal.
DECIMALS, STUDENTISED_DECIMALS = 12, 9


@dataclass(frozen=True)
class Ranks:
    """Ranks of V competitors, 1 the best; equal scores share the better rank.

    Attributes:
        rank: (V,) by the scores as they are.
        best, worst: (V,) the ends of simultaneous confidence sets.
    """

    rank: np.ndarray
    best: np.ndarray
    worst: np.ndarray


def rank_sets(scores: np.ndarray, samples: np.ndarray, compared: PairedDifferences, level: float) -> Ranks:
    """Simultaneous confidence sets for ranks.

    Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks with applications to mobility across neighbourhoods and
    academic achievement across countries, Review of Economic Studies 91(1), section 3: all pairs are compared at once by the
    largest of their studentised differences, whose distribution is that of bootstrap samples, with the step-down of Romano
    and Wolf (2005), and a rank is at best 1 plus the number of those that are better beyond doubt. With a probability of
    ``level`` all sets hold their true ranks at once.

    Args:
        scores: (V,) the higher the better.
        samples: (B, V) the scores on bootstrap samples, paired.
        compared: the differences of all pairs of :func:`numpy.triu_indices` (V, 1), in their order; pairs that are the same
            throughout have an error of 0 and are never told apart.
        level: of the sets together, between 0 and 1.
    """
    count = len(scores)
    first, second = np.triu_indices(count, 1)
    size = np.divide(
        compared.estimate,
        compared.error,
        out=np.zeros(len(first)),
        where=(compared.error > 0) & np.isfinite(compared.error),
    )
    differ = np.zeros(len(first), dtype=bool)
    while True:
        open_pairs = np.flatnonzero(~differ & (compared.error > 0) & np.isfinite(compared.error))
        if not len(open_pairs):
            break
        # Rounded, so that what is as large as the limit is so on every machine.
        largest = _largest(samples, first[open_pairs], second[open_pairs], compared, open_pairs).round(
            STUDENTISED_DECIMALS
        )
        # Of B samples and the data themselves, which is exact under exchangeability.
        order = min(int(np.ceil(level * (len(largest) + 1))), len(largest)) - 1
        found = open_pairs[np.abs(size[open_pairs]).round(STUDENTISED_DECIMALS) > np.partition(largest, order)[order]]
        if not len(found):
            break
        differ[found] = True
    above, below = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    better = np.where(size > 0, first, second)[differ]
    worse = np.where(size > 0, second, first)[differ]
    np.add.at(above, worse, 1)
    np.add.at(below, better, 1)
    steady = scores.round(DECIMALS)
    rank = 1 + (steady[None, :] > steady[:, None]).sum(axis=1)
    return Ranks(rank, 1 + above, count - below)


def _largest(
    samples: np.ndarray, first: np.ndarray, second: np.ndarray, compared: PairedDifferences, pairs: np.ndarray
) -> np.ndarray:
    """(B,) the largest studentised deviation of a sample's differences from the data's."""
    largest = np.zeros(len(samples))
    block = max(1, BLOCK_ENTRIES // len(samples))
    for start in range(0, len(pairs), block):
        part = slice(start, start + block)
        deviation = samples[:, first[part]] - samples[:, second[part]] - compared.estimate[pairs[part]]
        np.maximum(largest, np.abs(deviation / compared.error[pairs[part]]).max(axis=1), out=largest)
    return largest
