"""Oracle, and random members by going through every ordered draw."""

from itertools import permutations


def oracle(answers, label):
    return float(any(answer is not None and answer == label for answer in answers))


def random_vote(answers, label, size):
    """Probability that the first `size` of a random order of the pool vote for the label; ties go to the first."""
    right, orders = 0, 0
    for drawn in permutations(answers, min(size, len(answers))):
        orders += 1
        counts = {}
        for answer in drawn:
            if answer is not None:
                counts[answer] = counts.get(answer, 0) + 1
        if counts:
            most = max(counts.values())
            winner = next(answer for answer in drawn if answer is not None and counts[answer] == most)
            right += winner == label
    return right / orders
