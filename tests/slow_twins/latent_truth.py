"""The latent-truth model one query, one possible answer and one member at a time, by its story and not by its formulas."""

import math


def joint(answers, choices, logits, spread, kappa, parent, copying, points, weights):
    """{(possible answer, node): probability together with the answers} of one query.

    ``answers`` are letters 0 .. choices - 1, or None. Members answer one after the other, sources before copies.
    """
    order = sorted(range(len(answers)), key=lambda member: (depth(parent, member), member))
    found = {}
    for truth in range(choices):
        for node, (x, weight) in enumerate(zip(points, weights, strict=True)):
            chance = weight / choices
            wrong: list[int] = []
            for member in order:
                letter = answers[member]
                if letter is None:
                    continue
                p = 1.0 / (1.0 + math.exp(-(logits[member] + spread * x)))
                if letter == truth:
                    alone = p
                else:
                    alone = (1.0 - p) * (kappa / (choices - 1) + wrong.count(letter)) / (kappa + len(wrong))
                    wrong = [*wrong, letter]
                source = parent[member]
                if source >= 0 and answers[source] is not None:
                    same = 1.0 if answers[source] == letter else 0.0
                    chance *= copying[member] * same + (1.0 - copying[member]) * alone
                else:
                    chance *= alone
            found[truth, node] = chance
    return found


def depth(parent, member):
    """How many sources stand between a member and one that copies nobody."""
    return 0 if parent[member] < 0 else 1 + depth(parent, parent[member])


def truth(answers, choices, *model):
    """[probability of each possible answer], and the log-likelihood of the answers."""
    found = joint(answers, choices, *model)
    total = sum(found.values())
    sums = [sum(chance for (letter, _), chance in found.items() if letter == wanted) for wanted in range(choices)]
    return [chance / total for chance in sums], math.log(total)


def calls(confidence, threshold):
    """How many answers are heard before the first that is sure enough; all where none is."""
    found = []
    for row in confidence:
        heard = 1
        while heard < len(row) and row[heard - 1] < threshold:
            heard += 1
        found.append(heard)
    return found


def best_mixture(budget, confidence, prices, worth):
    """(price, worth) of the best mixture of any two thresholds that costs at most the budget, or of the cheapest threshold."""
    levels = sorted({0.0, *(math.nextafter(value, math.inf) for row in confidence for value in row[:-1])})
    points = []
    for level in levels:
        heard = calls(confidence, level)
        paid = sum(sum(row[:count]) for row, count in zip(prices, heard, strict=True)) / len(heard)
        points.append((paid, sum(row[count - 1] for row, count in zip(worth, heard, strict=True)) / len(heard)))
    cheapest = min(points, key=lambda point: (point[0], -point[1]))
    if cheapest[0] > budget:
        return cheapest
    dearest = max(points)
    if dearest[0] <= budget:
        return dearest
    found = []
    for low in points:
        for high in points:
            if low[0] <= budget < high[0]:
                share = (budget - low[0]) / (high[0] - low[0])
                found.append((budget, low[1] + share * (high[1] - low[1])))
    return max(found)


def group_values(value, groups, caution, least=0.0):
    """Means by group, shrunk level by level; value[panel][query], groups[level][query]; per level {group: [values]}."""
    panels, queries = range(len(value)), range(len(value[0]))
    middle = [sum(value[panel][query] for panel in panels) / len(panels) for query in queries]
    relative = [[value[panel][query] - middle[query] for query in queries] for panel in panels]
    levels = [{0: [sum(row) / len(row) for row in relative]}]
    above = [0 for _ in queries]
    for group in groups:
        level = {}
        for name in sorted(set(group)):
            inside = [query for query in queries if group[query] == name]
            upper = levels[-1][above[inside[0]]]
            found = []
            for panel in panels:
                values = [relative[panel][query] for query in inside]
                mean = sum(values) / len(values)
                if len(values) < 10:
                    found.append(upper[panel])
                    continue
                spread = sum((entry - mean) ** 2 for entry in values) / len(values)
                slack = caution * math.sqrt(spread / (len(values) - 1) + least**2)
                gap = mean - upper[panel]
                found.append(upper[panel] + math.copysign(max(abs(gap) - slack, 0.0), gap))
            level[name] = found
        levels.append(level)
        above = group
    return levels
