"""Oracle, and random members by going through every ordered draw."""

from itertools import permutations


def oracle(answers, label):
    return float(any(answer is not None and answer == label for answer in answers))


def random_vote(answers, label, size, z=None):
    """Probability that the first `size` of a random order of the pool vote for the label.

    Ties go to the higher summed z where `z` is given (None counts 0), then to the first in the order.
    """
    right, orders = 0, 0
    members = range(len(answers))
    for drawn in permutations(members, min(size, len(answers))):
        orders += 1
        backing = {}
        for member in drawn:
            if answers[member] is not None:
                votes, total = backing.get(answers[member], (0, 0.0))
                own = 0.0 if z is None or z[member] is None else z[member]
                backing[answers[member]] = (votes + 1, total + own)
        if backing:
            keys = {answer: (votes, round(total, 9)) for answer, (votes, total) in backing.items()}
            winner = next(answers[m] for m in drawn if keys.get(answers[m]) == max(keys.values()))
            right += winner == label
    return right / orders
