"""Uncertainty of accuracies and of their differences over queries."""

from dataclasses import dataclass

import numpy as np

from rgd.seeds import generator

# Bootstrap counts in memory at once: 32 MiB of int64.
BLOCK_ENTRIES = 4 * 1024 * 1024
# Values that differ by less than this count as equal.
DRAW_DECIMALS = 12


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


def bootstrap_means(values: np.ndarray, strata: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Means (draws, R) float64 of ``draws`` stratified bootstrap samples of the rows of ``values`` (n, R).

    All columns share the samples, so the difference of two columns' means is that of a paired bootstrap.
    """
    random = generator(seed, "bootstrap", "rows")
    values = np.asarray(values, dtype=np.float64)
    sums = np.zeros((draws, values.shape[1]))
    for stratum in np.unique(strata):
        inside = values[strata == stratum]
        n = len(inside)
        block = max(1, BLOCK_ENTRIES // n)
        for start in range(0, draws, block):
            size = min(block, draws - start)
            drawn = random.integers(0, n, size=(size, n), dtype=np.int32) + n * np.arange(size)[:, None]
            times = np.bincount(drawn.reshape(-1), minlength=size * n).reshape(size, n)
            sums[start : start + size] += times @ inside
    return sums / len(values)


def detectable_difference(difference_std: float, n_queries: int, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest true paired difference that ``n_queries`` detect with probability ``power``, by the normal formula.

    (z(1 - alpha / 2) + z(power)) sd / sqrt(n), where sd is the standard deviation of a query's difference
    (Cohen 1988, section 2.4).
    """
    from scipy.special import ndtri

    return float((ndtri((1 + level) / 2) + ndtri(power)) * difference_std / np.sqrt(n_queries))


def combine_p_values(p_values: np.ndarray) -> float:
    """One p-value from several, arbitrarily dependent tests of one hypothesis; NaN if all are.

    This is twice their median, at most 1 (Meinshausen, Meier and Buehlmann 2009, section 2.2); a single p-value stays as
    it is. Splits of the same questions are such tests.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    p_values = p_values[~np.isnan(p_values)]
    if len(p_values) == 0:
        return float("nan")
    return float(p_values[0]) if len(p_values) == 1 else float(min(1.0, 2.0 * np.median(p_values)))


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact two-sided McNemar test from the numbers of discordant queries (McNemar 1947, by the binomial)."""
    from scipy.stats import binom

    discordant = first_only + second_only
    if discordant == 0:
        return 1.0
    return float(min(1.0, 2.0 * binom.cdf(min(first_only, second_only), discordant, 0.5)))


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
