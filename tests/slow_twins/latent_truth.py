"""The latent-truth model one query, one possible answer and one member at a time, by its story and not by its formulas."""

import itertools
import math


def joint(answers, choices, logits, spread, kappa, floor, parent, copying, points, weights):
    """{(possible answer, node): probability together with the answers} of one query.

    ``answers`` are letters 0 .. choices - 1, or None. Who copies is settled first: a copy says what its source says, and is then
    as if it had said nothing. A member that copies with probability 1 says nothing of its own where its source answers.
    """
    found = {}
    maybe = [
        member
        for member, source in enumerate(parent)
        if source >= 0 and copying[member] < 1.0 and None not in (answers[member], answers[source])
    ]
    double = {
        member
        for member, source in enumerate(parent)
        if source >= 0 and copying[member] >= 1.0 and None not in (answers[member], answers[source])
    }
    for copied in itertools.product((False, True), repeat=len(maybe)):
        idle, scene = set(double), 1.0
        for member, copies in zip(maybe, copied, strict=True):
            scene *= copying[member] if copies else 1.0 - copying[member]
            if copies:
                idle.add(member)
                scene *= 1.0 if answers[member] == answers[parent[member]] else 0.0
        for truth in range(choices):
            for node, (x, weight) in enumerate(zip(points, weights, strict=True)):
                chance = scene * weight / choices
                wrong: list[int] = []
                for member, letter in enumerate(answers):
                    if letter is None or member in idle:
                        continue
                    p = floor + (1.0 - floor) / (1.0 + math.exp(-(logits[member] + spread * x)))
                    if letter == truth:
                        chance *= p
                    else:
                        chance *= (1.0 - p) * (kappa / (choices - 1) + wrong.count(letter)) / (kappa + len(wrong))
                        wrong = [*wrong, letter]
                found[truth, node] = found.get((truth, node), 0.0) + chance
    return found


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
