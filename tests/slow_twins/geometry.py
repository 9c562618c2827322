"""Vectors as lists: products, means, neighbours, silhouette."""

import math


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def unit(vector):
    length = math.sqrt(dot(vector, vector))
    return [x / length for x in vector] if length > 0 else list(vector)


def mean(vectors, weights=None):
    weights = weights or [1.0] * len(vectors)
    total = math.fsum(weights)
    return [math.fsum(w * v[i] for v, w in zip(vectors, weights, strict=True)) / total for i in range(len(vectors[0]))]


def nearest(query, training, k, without=None):
    """Indices of the k most similar rows, nearest first, the first of equals first."""
    ranked = sorted(
        (index for index in range(len(training)) if index != without),
        key=lambda index: (-dot(query, training[index]), index),
    )
    return ranked[:k]


def closest(vector, centroids):
    """Index of the centroid with the highest cosine, the first of equals."""
    best, best_value = None, None
    for index, centroid in enumerate(centroids):
        value = round(dot(vector, unit(centroid)), 6)
        if best_value is None or value > best_value:
            best, best_value = index, value
    return best


def cosine_silhouette(points, labels):
    """Mean silhouette from all pairwise cosine distances."""
    members = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    total = 0.0
    for index, label in enumerate(labels):
        own = [other for other in members[label] if other != index]
        if not own:
            continue
        within = sum(1 - dot(points[index], points[other]) for other in own) / len(own)
        others = min(
            sum(1 - dot(points[index], points[other]) for other in group) / len(group)
            for key, group in members.items()
            if key != label
        )
        larger = max(within, others)
        if larger > 1e-6:
            total += (others - within) / larger
    return total / len(points)


def squared_distance(a, b):
    return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def lloyd(points, weights, labels):
    """Lloyd's iterations until no point moves; one cluster that has lost its points takes the point farthest off."""
    labels = list(labels)
    part = [index for index, weight in enumerate(weights) if weight > 0]
    clusters = sorted({labels[index] for index in part})
    while True:
        before = list(labels)
        means = {}
        for cluster in clusters:
            inside = [index for index in part if before[index] == cluster]
            if inside:
                means[cluster] = mean([points[index] for index in inside], [weights[index] for index in inside])
        for index, point in enumerate(points):
            labels[index] = min(means, key=lambda cluster: (squared_distance(point, means[cluster]), cluster))
        lost = [cluster for cluster in clusters if cluster not in means]
        if lost:
            gaps = {index: squared_distance(points[index], means[labels[index]]) for index in part}
            farthest = max(part, key=lambda index: (gaps[index], -index))
            if gaps[farthest] > 1e-6:
                labels[farthest] = lost[0]
        if [labels[index] for index in part] == [before[index] for index in part]:
            return labels
