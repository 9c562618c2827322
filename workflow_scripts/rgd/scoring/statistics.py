"""Uncertainty of accuracies and of their differences over queries."""

from dataclasses import dataclass

import numpy as np

from rgd.seeds import generator

# Bootstrap counts in memory at once: 32 MiB of int64.
BLOCK_ENTRIES = 4 * 1024 * 1024
# Values that differ by less than this count as equal.
DRAW_DECIMALS = 12
# Sums of squares of shares below this are rounding noise.
NOISE_DECIMALS = 20
FEWEST_DIFFERENT = 4
"""The number of differing questions that an error stands for at least: a test of fewer never finds a difference."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval."""

    estimate: float
    low: float
    high: float


def accuracy_interval(
    correct: np.ndarray, strata: np.ndarray, seed: int, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Mean correctness with its stratified bootstrap percentile interval (Efron and Tibshirani 1993, section 13.3).

    Args:
        correct: (n,) in [0, 1]: right or wrong, or the probability of being right.
        strata: (n,) the task of each query; every sample has as many queries of a task as there are.
        seed: seed of the bootstrap.
        draws: number of bootstrap samples.
        level: level of the interval.

    Raises:
        ValueError: there is no query, a value is outside [0, 1], lengths differ, or draws or level is out of range.
    """
    values = np.asarray(correct, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("correctness must lie in [0, 1]")
    if len(values) == 0:
        raise ValueError("an interval needs at least one query")
    if len(strata) != len(values):
        raise ValueError(f"{len(values)} queries have {len(strata)} strata")
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws = {draws} must be at least 1 and level = {level} between 0 and 1")
    sums = bootstrap_sums(values, strata, seed, draws)
    low, high = np.quantile(sums / len(values), [(1 - level) / 2, (1 + level) / 2])
    # Sums are added in another order than in the mean: keep rounding errors from moving an end across it.
    mean = float(values.mean())
    slack = 1e-12
    return Interval(
        mean,
        mean if abs(low - mean) < slack else float(low),
        mean if abs(high - mean) < slack else float(high),
    )


@dataclass(frozen=True)
class PairedDifferences:
    """Mean paired differences in accuracy over questions, for one interval and the test that belongs to it.

    Both come from the t distribution of estimate / error: the p-value is the smallest alpha for which the interval of
    level 1 - alpha leaves out 0.

    Attributes:
        estimate: (P,) the mean difference of each pair.
        error: (P,) its standard error; 0 where the outcomes are the same throughout, infinite with a single question.
        degrees: the degrees of freedom.
    """

    estimate: np.ndarray
    error: np.ndarray
    degrees: float

    def p_values(self) -> np.ndarray:
        """(P,) of the two-sided tests of no difference; 1 where the outcomes are the same throughout."""
        from scipy.stats import t

        size = np.divide(np.abs(self.estimate), self.error, out=np.zeros(len(self.error)), where=self.error > 0)
        return np.minimum(1.0, 2.0 * t.sf(size, self.degrees))

    def ends(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """(P,) lower and (P,) upper ends of the intervals of level 1 - ``alpha``, within [-1, 1]."""
        from scipy.stats import t

        half = t.isf(alpha / 2, self.degrees) * self.error
        low, high = np.maximum(self.estimate - half, -1.0), np.minimum(self.estimate + half, 1.0)
        return low.round(DRAW_DECIMALS), high.round(DRAW_DECIMALS)

    def detectable(self, alpha: float, power: float = 0.8) -> np.ndarray:
        """(P,) the smallest true difference that a test at ``alpha`` finds with probability ``power``; NaN without error.

        (t(1 - alpha / 2) + z(power)) times the standard error (Cohen 1988, section 2.4).
        """
        from scipy.special import ndtri
        from scipy.stats import t

        return np.where(self.error > 0, (t.isf(alpha / 2, self.degrees) + ndtri(power)) * self.error, np.nan)


def paired_differences(
    correct: np.ndarray,
    questions: np.ndarray,
    seeds: np.ndarray,
    strata: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> PairedDifferences:
    """Mean differences in correctness of pairs of columns, over the test questions of all splits.

    A split's questions weigh alike and so do the splits. A question that several splits test is one observation: the
    sum of its differences, less what it would be at the mean of its task (a ratio estimator in strata, Cochran 1977,
    section 6.11), with a correction for few questions (Bell and McCaffrey 2002). What differs between tasks is no
    error, and neither is what other training parts would have changed: the routers are those of these splits.

    Where right or wrong differs for fewer than ``FEWEST_DIFFERENT`` questions, the error is as large as if it did for
    so many: the spread of so few says nothing. The same holds for other differences if all are alike.

    Args:
        correct: (n, R) in [0, 1], a row per tested question and split.
        questions: (n,) the question of each row.
        seeds: (n,) its split.
        strata: (n,) its task, the same in every split.
        first: (P,) columns.
        second: (P,) the columns to take off.

    Raises:
        ValueError: there is no row.
    """
    if len(correct) == 0:
        raise ValueError("a paired difference needs at least one question")
    _, seed, sizes = np.unique(seeds, return_inverse=True, return_counts=True)
    weight = 1.0 / (len(sizes) * sizes[seed])
    _, place, question = np.unique(questions, return_index=True, return_inverse=True)
    share = np.bincount(question, weights=weight)
    sums = np.stack([np.bincount(question, weights=weight * column) for column in np.asarray(correct, np.float64).T])
    stratum = large_strata(np.asarray(strata)[place])
    count = np.bincount(stratum)
    within = np.bincount(stratum, weights=share)
    mean = np.stack([np.bincount(stratum, weights=row) for row in sums]) / within
    rest = sums - mean[:, stratum] * share
    # n / (n - 1) where all weigh alike.
    leverage = 1.0 / np.maximum(1.0 - share / within[stratum], 1e-9)
    # As many questions of equal weight would have so uneven a sum of squares (Satterthwaite 1946).
    effective = (share**2).sum() ** 2 / (share**4).sum()
    degrees = max(round(effective * (1.0 - len(count) / len(share)), DRAW_DECIMALS), 1.0)
    binary = ((correct == 0) | (correct == 1)).all(axis=0)
    known: dict[bytes, int] = {}
    outcomes = np.array([known.setdefault(column.tobytes(), len(known)) for column in np.transpose(correct)])
    fewest = FEWEST_DIFFERENT * (share**2).mean()
    estimate, variance = np.empty(len(first)), np.empty(len(first))
    block = max(1, BLOCK_ENTRIES // len(share))
    for start in range(0, len(first), block):
        part = slice(start, start + block)
        one, other = first[part], second[part]
        difference = sums[one] - sums[other]
        estimate[part] = difference.sum(axis=1)
        spread = ((rest[one] - rest[other]) ** 2) @ leverage
        largest = np.abs(np.divide(difference, share)).max(axis=1)
        # Right or wrong differs by 1; of other differences only those without spread need a size.
        size = np.where(binary[one] & binary[other], 1.0, np.where(spread.round(NOISE_DECIMALS) > 0, 0.0, largest))
        variance[part] = np.maximum(spread, fewest * size**2)
    if len(share) == 1:
        variance[:] = np.inf
    variance[outcomes[first] == outcomes[second]] = 0.0
    return PairedDifferences(estimate.round(DRAW_DECIMALS), np.sqrt(variance).round(DRAW_DECIMALS), degrees)


def large_strata(strata: np.ndarray) -> np.ndarray:
    """The stratum (n,) of each question by number, after those of one question are joined.

    The spread within a stratum needs two questions. Strata of one become one together; a lone one joins the smallest.
    """
    _, number, count = np.unique(strata, return_inverse=True, return_counts=True)
    lone = np.flatnonzero(count == 1)
    if len(lone):
        target = lone[0]
        if len(lone) == 1 and len(count) > 1:
            target = np.lexsort((np.arange(len(count)), count))[1]
        number = np.where(np.isin(number, lone), target, number)
    return np.unique(number, return_inverse=True)[1]


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Adjusted p-values (m,) that control the false discovery rate (Benjamini and Hochberg 1995).

    NaN (a test that was not made) stays NaN and does not count as a test.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    if len(tested) == 0:
        return adjusted
    order = tested[np.argsort(p_values[tested], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    # Going down from the largest p-value, no adjusted value may exceed the previous one.
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def bootstrap_sums(values: np.ndarray, strata: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Sums (draws,) of ``draws`` stratified bootstrap samples of ``values`` (n,).

    How often each distinct value of a stratum is drawn is multinomial, so samples need not be written out. The cost grows
    with the number of distinct values (two for right and wrong), not with the number of queries.
    """
    random = generator(seed, "bootstrap")
    sums = np.zeros(draws)
    for stratum in np.unique(strata):
        inside = values[strata == stratum]
        distinct, counts = np.unique(inside.round(DRAW_DECIMALS), return_counts=True)
        block = max(1, BLOCK_ENTRIES // len(distinct))
        for start in range(0, draws, block):
            size = min(block, draws - start)
            sums[start : start + size] += random.multinomial(len(inside), counts / len(inside), size) @ distinct
    return sums
