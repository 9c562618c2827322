"""The consensus filter, query by query. A query is {member: (answer or None, confidence or None)}."""

from tests.slow_twins import consensus


def outcomes(queries, members, how, min_votes):
    """The two best members, and what becomes of each query."""
    spreads = {member: consensus.spread(queries, member) for member in members}
    total = dict.fromkeys(members, 0.0)
    for query in queries:
        for member, score in consensus.scores(query, consensus.z_of(query, spreads), how).items():
            total[member] += score
    best = sorted(members, key=lambda member: (-round(total[member] / len(queries), 9), member))[:2]
    return best, [outcome(query, best, min_votes) for query in queries]


def outcome(query, best, min_votes):
    chosen = consensus.majority_answers(query, min_votes)
    one, other = (query[member][0] for member in best)
    if one not in chosen or other not in chosen:
        return "best_not_in_majority"
    if one != other:
        return "best_give_different_answers"
    others = [member for member in query if member not in best and query[member][0] == one]
    return "kept" if len(others) <= 2 else "too_many_agree"
