"""Consensus and votes. A query is {member: (answer or None, confidence or None)}."""

import math


def spread(queries, member, robust=False):
    """Centre and spread of a member's confidence over the queries it answered; None where it has none."""
    values = []
    for query in queries:
        answer, confidence = query[member]
        if answer is not None and confidence is not None and math.isfinite(confidence):
            values.append(confidence)
    if not values:
        return None
    if robust:
        centre = median(values)
        width = 1.4826 * median([abs(value - centre) for value in values])
        if width <= 1e-12 * max(1.0, abs(centre)):
            width = deviation(values)
    else:
        centre = math.fsum(values) / len(values)
        width = deviation(values)
    if width <= 1e-12 * max(1.0, abs(centre)):
        return None
    return centre, width


def deviation(values):
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def z_of(query, spreads):
    """{member: z or None} of one query."""
    result = {}
    for member, (answer, confidence) in query.items():
        known = spreads[member] is not None and answer is not None
        if known and confidence is not None and math.isfinite(confidence):
            centre, width = spreads[member]
            result[member] = (confidence - centre) / width
        else:
            result[member] = None
    return result


def scores(query, z, how):
    """{member: consensus score} of one query."""
    answers = {member: answer for member, (answer, _) in query.items()}
    givers = [member for member in answers if answers[member] is not None]
    nobody_confident = all(z[member] is None for member in givers)
    weights = {}
    for member in givers:
        value = 0.0 if z[member] is None else z[member]
        if how == "z_sum":
            weights[member] = 1.0 if nobody_confident else value
        else:
            weights[member] = min(0.99, max(0.01, 1 / (1 + math.exp(-max(-700.0, min(700.0, value))))))
    sums = {}
    for member in givers:
        sums[answers[member]] = sums.get(answers[member], 0.0) + weights[member]
    if how == "posterior":
        unseen = max(0, 20 - len(sums))
        total = sum(math.exp(value) for value in sums.values()) + unseen
        sums = {answer: math.exp(value) / total for answer, value in sums.items()}
    lowest = min([0.0, *sums.values()])
    return {member: lowest if answers[member] is None else sums[answers[member]] for member in answers}


def majority_answers(query, min_votes):
    """The set of majority answers of one query."""
    votes = {}
    for answer, _ in query.values():
        if answer is not None:
            votes[answer] = votes.get(answer, 0) + 1
    most = max(votes.values(), default=0)
    return {answer for answer, count in votes.items() if count == most and count >= min_votes}


def vote(query, z, asked, how, weight="logistic"):
    """The answer of the asked members (best first), None where none of them gave one."""
    part = {member: query[member] for member in asked}
    support = scores(part, {member: z[member] for member in asked}, weight) if how == "consensus" else None
    best, best_key = None, None
    for place, member in enumerate(asked):
        answer = part[member][0]
        if answer is None:
            continue
        givers = [other for other in asked if part[other][0] == answer]
        backing = support[member] if how == "consensus" else len(givers)
        total = sum(0.0 if z[other] is None else z[other] for other in givers)
        key = (round(backing, 9), round(total, 9), -place)
        if best_key is None or key > best_key:
            best, best_key = answer, key
    return best
