"""CASCAL as in the paper, and as released. A training query is a dictionary with task, embedding, votes and label.

`votes` is {member: (answer or None, confidence or None)}; `labels_of(task, member, k, n)` stands for k-means.
"""

import math

from tests.slow_twins import consensus
from tests.slow_twins.geometry import closest, cosine_silhouette, dot, mean, nearest, unit


def choose_labels(points, labels_of, task, member):
    """Labels of the best k in 2..5 by silhouette, one cluster if none reaches 0.05."""
    best, chosen = None, [0] * len(points)
    for k in range(2, 6):
        if k > len(points) - 1:
            continue
        labels = labels_of(task, member, k, len(points))
        if len(set(labels)) < 2:
            continue
        value = round(cosine_silhouette(points, labels), 6)
        if value >= 0.05 and (best is None or value > best):
            best, chosen = value, labels
    return chosen


def groups(labels):
    """Positions by label, in the order in which labels first appear."""
    found = {}
    for position, label in enumerate(labels):
        found.setdefault(label, []).append(position)
    return list(found.values())


def merge_closest_first(centroids):
    centroids = [(list(vector), count) for vector, count in centroids]
    while len(centroids) > 1:
        pairs = [
            (round(1 - dot(centroids[i][0], centroids[j][0]), 9), i, j)
            for i in range(len(centroids))
            for j in range(i + 1, len(centroids))
        ]
        distance, i, j = min(pairs)
        if distance > 0.15:
            break
        (a, n), (b, m) = centroids[i], centroids[j]
        centroids[i] = (unit(mean([a, b], [n, m])), n + m)
        del centroids[j]
    return [vector for vector, _ in centroids]


def merge_as_created(centroids):
    """One pass over [(vector, seeds)]: who wins has more seeds, the earlier one if as many; a loser's turn is over."""
    lost_to = {}
    for i, (vector, seeds) in enumerate(centroids):
        for j in range(i + 1, len(centroids)):
            if i in lost_to:
                break
            if j not in lost_to and round(1 - dot(vector, centroids[j][0]), 9) < 0.15:
                winner, loser = (j, i) if centroids[j][1] > seeds else (i, j)
                lost_to[loser] = winner

    def last_winner(i):
        return last_winner(lost_to[i]) if i in lost_to else i

    teams = {}
    for i in range(len(centroids)):
        teams.setdefault(last_winner(i), []).append(centroids[i])
    return [unit(mean(*map(list, zip(*team, strict=True)))) for team in teams.values()]


def by_score(scores):
    return sorted(scores, key=lambda member: (-round(scores[member], 9), member))


def mean_scores(rows, scores, members, decimals=None):
    found = {member: sum(scores[row][member] for row in rows) / len(rows) for member in members}
    return found if decimals is None else {member: round(value, decimals) for member, value in found.items()}


def survivors(clusters, scores, members, decimals=None):
    """{cluster: the cluster that stays for it}, larger ones first."""
    top = min(3, max(1, len(members) - 1))
    leading = [set(by_score(mean_scores(rows, scores, members, decimals))[:top]) for rows in clusters]
    kept, stays = [], {}
    for index in sorted(range(len(clusters)), key=lambda index: (-len(clusters[index]), index)):
        for other in kept:
            if len(leading[index] & leading[other]) / len(leading[index] | leading[other]) >= 0.95:
                stays[index] = other
                break
        else:
            kept.append(index)
            stays[index] = index
    return stays


def fit(training, members, labels_of, how="logistic", use_labels=False, released=False):
    """{task: [(centroid, {member: mean score}), ...]} and the scores over all queries."""
    decimals = 3 if released else None
    spreads = {m: consensus.spread([q["votes"] for q in training], m, robust=released) for m in members}
    scores, strong, weight = [], [], []
    for query in training:
        z = consensus.z_of(query["votes"], spreads)
        majority = consensus.majority_answers(query["votes"], 1 if released else 2)
        answers = {member: query["votes"][member][0] for member in members}
        share = sum(answers[member] in majority for member in members) / len(members)
        if use_labels:
            right = {member: answers[member] is not None and answers[member] == query["label"] for member in members}
            scores.append({member: float(right[member]) for member in members})
            strong.append(right)
        else:
            scores.append(consensus.scores(query["votes"], z, how))
            counts = not released or share >= 0.5
            strong.append({member: counts and answers[member] in majority for member in members})
        weight.append(share if released else 1.0)
    model = {}
    for task in sorted({query["task"] for query in training}):
        rows = [index for index, query in enumerate(training) if query["task"] == task]
        vectors = [training[row]["embedding"] for row in rows]
        centroids = []
        for member in members:
            mine = [row for row in rows if strong[row][member]]
            if not mine:
                continue
            points = [training[row]["embedding"] for row in mine]
            for group in groups(choose_labels(points, labels_of, task, member)):
                centre = mean([points[g] for g in group], [weight[mine[g]] for g in group])
                centroids.append((unit(centre), len(group)))
        if centroids:
            merged = merge_as_created(centroids) if released else merge_closest_first(centroids)
        else:
            merged = [unit(mean(vectors))]
        near = [closest(vector, merged) for vector in vectors]
        occupied = sorted(set(near))
        clusters = [[row for row, n in zip(rows, near, strict=True) if n == c] for c in occupied]
        stays = survivors(clusters, scores, members, decimals)
        kept = sorted(set(stays.values()))
        if released:
            final = [[row for c in range(len(clusters)) if stays[c] == k for row in clusters[c]] for k in kept]
        else:
            left = [merged[occupied[k]] for k in kept]
            near = [closest(vector, left) for vector in vectors]
            final = [[row for row, n in zip(rows, near, strict=True) if n == c] for c in range(len(kept))]
        model[task] = [
            (unit(mean([training[row]["embedding"] for row in group])), mean_scores(group, scores, members, decimals))
            for group in final
        ]
    return model, mean_scores(range(len(training)), scores, members, 4 if released else None)


def rank(model, training, query):
    """The paper's inference: task of the nearest training query, ranking of its nearest centroid."""
    task = training[nearest(query, [q["embedding"] for q in training], 1)[0]]["task"]
    clusters = model[task]
    return by_score(clusters[closest(query, [centroid for centroid, _ in clusters])][1])


def softmax(values):
    top = max(values)
    exponentials = [math.exp(value - top) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def sharpen(scores):
    members = list(scores)
    return dict(zip(members, softmax([scores[member] / 0.1 for member in members]), strict=True))


def share_of_sum(scores):
    total = sum(scores.values())
    return {member: value / total for member, value in scores.items()} if total > 0 else scores


def rank_released(model, overall, query):
    """The released inference: task of the nearest mean of centroids, a mixture of its three nearest centroids."""
    return by_score(scores_released(model, overall, query))


def scores_released(model, overall, query):
    tasks = sorted(model)
    task = tasks[closest(query, [mean([centroid for centroid, _ in model[task]]) for task in tasks])]
    ranked = sorted(
        ((round(dot(query, centroid), 6), -index) for index, (centroid, _) in enumerate(model[task])), reverse=True
    )[:3]
    weights = softmax([-(1 - similarity) / 0.1 for similarity, _ in ranked])
    mixed = dict.fromkeys(overall, 0.0)
    for weight, (_, index) in zip(weights, ranked, strict=True):
        scores = model[task][-index][1]
        if sum(scores.values()) <= 0:
            continue
        for member, value in sharpen(scores).items():
            mixed[member] += weight * value
    distance = 1 - ranked[0][0]
    far = min(1.0, max(0.0, (distance - 0.5) / 0.2))
    near, world = share_of_sum(mixed), share_of_sum(overall)
    return {member: (1 - far) * near[member] + far * world[member] for member in overall}
