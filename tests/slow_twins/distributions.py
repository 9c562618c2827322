"""Distances between two samples of vectors, pair by pair."""

from itertools import combinations, permutations
from math import exp, sqrt
from statistics import median


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def mmd2(first, second, bandwidth):
    """The unbiased estimate of Gretton et al. 2012, lemma 6, as its three sums."""

    def kernel(a, b):
        return exp(-squared(a, b) / (2 * bandwidth**2))

    m, n = len(first), len(second)
    within_first = sum(kernel(first[i], first[j]) for i in range(m) for j in range(m) if i != j)
    within_second = sum(kernel(second[i], second[j]) for i in range(n) for j in range(n) if i != j)
    across = sum(kernel(a, b) for a in first for b in second)
    return within_first / (m * (m - 1)) + within_second / (n * (n - 1)) - 2 * across / (m * n)


def median_distance(points):
    return median(sqrt(squared(a, b)) for a, b in combinations(points, 2) if squared(a, b) > 0)


def exact_p(first, second, bandwidth):
    """Share of all ways to deal the rows to the samples that give at least the observed discrepancy."""
    points, m = [*first, *second], len(first)
    observed = mmd2(first, second, bandwidth)
    deals = {frozenset(order[:m]) for order in permutations(range(len(points)))}
    values = [
        mmd2([points[i] for i in deal], [points[i] for i in range(len(points)) if i not in deal], bandwidth)
        for deal in deals
    ]
    return sum(value >= observed - 1e-9 for value in values) / len(values)
