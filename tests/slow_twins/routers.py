"""SMOOTHIE, AVENGERS and kNN. A ranking is a list of members, best first."""

from tests.slow_twins.geometry import dot, mean, nearest, unit


def rank(scores, tie=None):
    """Members by score, then by `tie`, then by name."""
    return sorted(
        scores, key=lambda member: (-round(scores[member], 6), -round(tie[member], 9) if tie else 0.0, member)
    )


def squared_distance(a, b):
    if a is None or b is None:
        return 2.0
    return sum((x - y) ** 2 for x, y in zip(unit(a), unit(b), strict=True))


def smoothie(vectors, queries, members):
    """Ranking from the answers' vectors {member: vector or None} of the given training queries."""

    def distance(i, j):
        return sum(squared_distance(vectors[q][i], vectors[q][j]) for q in queries) / len(queries)

    errors = {}
    for i in members:
        others = [j for j in members if j != i]
        pairs = [(j, k) for index, j in enumerate(others) for k in others[index + 1 :]]
        if pairs:
            total = sum((distance(i, j) + distance(i, k) - distance(j, k)) / 2 for j, k in pairs)
            errors[i] = total / len(pairs)
        else:
            errors[i] = sum(distance(i, j) for j in others) / 2
    return rank({member: -errors[member] for member in members})


def accuracy(correct, queries, member):
    return sum(correct[q][member] for q in queries) / len(queries)


def avengers(embeddings, labels, correct, members, query):
    """Ranking of a query's nearest cluster, for given k-means labels."""
    clusters = {}
    for index, label in enumerate(labels):
        clusters.setdefault(label, []).append(index)
    best, best_distance = None, None
    for label in sorted(clusters):
        centre = mean([embeddings[index] for index in clusters[label]])
        distance = round(dot(centre, centre) - 2 * dot(query, centre), 6)
        if best is None or distance < best_distance:
            best, best_distance = label, distance
    overall = {member: accuracy(correct, range(len(embeddings)), member) for member in members}
    return rank({member: accuracy(correct, clusters[best], member) for member in members}, overall)


def knn_choose_k(embeddings, correct, members, grid):
    """The k whose first-ranked member is right most often, each training query left out in turn."""
    overall = {member: accuracy(correct, range(len(embeddings)), member) for member in members}
    if len(embeddings) == 1:
        return min(grid)
    best, best_hits = None, -1
    for k in sorted(grid):
        hits = 0
        for index, vector in enumerate(embeddings):
            around = nearest(vector, embeddings, k, without=index)
            first = rank({member: accuracy(correct, around, member) for member in members}, overall)[0]
            hits += correct[index][first]
        if hits > best_hits:
            best, best_hits = k, hits
    return best


def knn(embeddings, correct, members, k, query):
    around = nearest(query, embeddings, k)
    overall = {member: accuracy(correct, range(len(embeddings)), member) for member in members}
    return rank({member: accuracy(correct, around, member) for member in members}, overall)
