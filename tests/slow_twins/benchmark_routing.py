"""Benchmark routing. A query is {"task", "embedding", "right": {member: bool, or a score in [0, 1]}}; a test query needs no "right".

Everything about a pair of tasks is computed from the start, from all queries that may be seen.
"""

import math

from tests.slow_twins.geometry import dot

BANDWIDTHS = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02)


def seen(training, own, hidden, labelled):
    """Indices that may be looked at for task `own` while `hidden` is routed; `labelled` are known for their own task."""
    found = []
    for index, query in enumerate(training):
        if query["task"] == own:
            if index in labelled:
                found.append(index)
        elif query["task"] != hidden:
            found.append(index)
    return found


def nearest(vector, training, allowed, k):
    return sorted(allowed, key=lambda index: (-dot(vector, training[index]["embedding"]), index))[:k]


def predicted(vector, training, allowed, k, member):
    """g: the share of the neighbours that the member got right."""
    around = nearest(vector, training, allowed, k)
    return sum(training[index]["right"][member] for index in around) / len(around) if around else 0.0


def distance(vectors, training, allowed, k):
    """u: the mean over the queries of the mean distance to their neighbours."""
    total = []
    for vector in vectors:
        around = nearest(vector, training, allowed, k)
        gaps = [1 - dot(vector, training[index]["embedding"]) for index in around]
        total.append(math.fsum(gaps) / len(gaps) if gaps else 0.0)
    return math.fsum(total) / len(total)


def smooth(at, points, width):
    """Mean of the values in points [(place, value)], weighted by a Gaussian."""
    closest = min((at - place) ** 2 for place, _ in points)
    weights = [math.exp(-((at - place) ** 2 - closest) / (2 * width**2)) for place, _ in points]
    return math.fsum(w * value for w, (_, value) in zip(weights, points, strict=True)) / math.fsum(weights)


def choose_width(places, values):
    """places {task: u}, values {task: {member: p}}: the width with the least squared error, each task left out."""
    span = max(places.values()) - min(places.values())
    if span < 1e-6:
        return 1.0
    best, best_error = None, None
    for part in BANDWIDTHS:
        errors = []
        for left_out in places:
            for member, value in values[left_out].items():
                points = [(places[task], values[task][member]) for task in places if task != left_out]
                errors.append((smooth(places[left_out], points, part * span) - value) ** 2)
        error = round(math.fsum(errors) / len(errors), 9)
        if best is None or error < best_error:
            best, best_error = part * span, error
    return best


def accuracy_of_predictor(training, task, hidden, labelled, k, member):
    """p(task, member) measured on the task's own unlabelled training queries while `hidden` is routed."""
    allowed = seen(training, task, hidden, labelled)
    hits = [
        (predicted(query["embedding"], training, allowed, k, member) > 0.5) == (query["right"][member] > 0.5)
        for index, query in enumerate(training)
        if query["task"] == task and index not in labelled
    ]
    return sum(hits) / len(hits)


def estimated_accuracy(training, queries, hidden, labelled, members, k, distance_neighbours):
    """{member: p(hidden, member)} from all other tasks."""
    places, values = {}, {}
    for task in sorted({query["task"] for query in training} - {hidden}):
        own = [q["embedding"] for i, q in enumerate(training) if q["task"] == task and i not in labelled]
        places[task] = distance(own, training, seen(training, task, hidden, labelled), distance_neighbours)
        values[task] = {m: accuracy_of_predictor(training, task, hidden, labelled, k, m) for m in members}
    at = distance(
        [query["embedding"] for query in queries],
        training,
        seen(training, hidden, hidden, labelled),
        distance_neighbours,
    )
    width = choose_width(places, values)
    return {m: smooth(at, [(places[task], values[task][m]) for task in places], width) for m in members}


def expected(training, queries, hidden, members, estimate, labelled=(), k=5, distance_neighbours=19, known=None):
    """{member: what is expected of it} on the test queries of the task `hidden`; `known` replaces p."""
    labelled = set(labelled)
    if estimate == "average":
        tasks = sorted({query["task"] for query in training} - {hidden})
        means = {m: [] for m in members}
        for task in tasks:
            own = [query for query in training if query["task"] == task]
            for m in members:
                means[m].append(sum(query["right"][m] for query in own) / len(own))
        return {m: math.fsum(means[m]) / len(tasks) for m in members}
    allowed = seen(training, hidden, hidden, labelled)
    g = {m: [predicted(query["embedding"], training, allowed, k, m) for query in queries] for m in members}
    if estimate == "s1":
        return {m: math.fsum(g[m]) / len(queries) for m in members}
    share = {m: sum(value > 0.5 for value in g[m]) / len(queries) for m in members}
    if estimate == "s2":
        return share
    p = known or estimated_accuracy(training, queries, hidden, labelled, members, k, distance_neighbours)
    return {m: share[m] * p[m] + (1 - share[m]) * (1 - p[m]) for m in members}


def rank(scores):
    return sorted(scores, key=lambda member: (-round(scores[member], 9), member))
