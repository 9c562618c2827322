"""Rankings compared pair by pair, and the majority of a few draws, by counting."""

from itertools import combinations, permutations
from math import sqrt


def tau_b(first, second):
    """Kendall's tau-b of two lists of scores: concordant and discordant pairs, corrected for ties; None if undefined."""
    concordant = discordant = tied_first = tied_second = 0
    for i, j in combinations(range(len(first)), 2):
        a, b = first[i] - first[j], second[i] - second[j]
        tied_first += a == 0
        tied_second += b == 0
        concordant += a * b > 0
        discordant += a * b < 0
    pairs = len(first) * (len(first) - 1) / 2
    scale = sqrt((pairs - tied_first) * (pairs - tied_second))
    return (concordant - discordant) / scale if scale else None


def all_taus(members):
    """Every value of tau-b between the order 0, 1, ... and another order of so many members."""
    return sorted({round(tau_b(range(members), order), 9) for order in permutations(range(members))}, reverse=True)


def majority_of_draws(draws):
    """The answer that more than half of the draws give (None is a missing one), and why there is none otherwise."""
    for answer in draws:
        if answer is not None and sum(other == answer for other in draws) * 2 > len(draws):
            return answer, "majority"
    given = sum(answer is not None for answer in draws)
    return None, "tie" if given * 2 > len(draws) else "missing"
