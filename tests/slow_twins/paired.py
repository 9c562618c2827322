"""A mean paired difference over test questions of several splits, with its standard error and degrees of freedom."""

import math


def by_question(rows):
    """{question: (task, weight, weighted sum of differences)} of rows (split, question, task, difference)."""
    sizes = {}
    for split, *_ in rows:
        sizes[split] = sizes.get(split, 0) + 1
    found = {}
    for split, question, task, difference in rows:
        weight = 1 / (len(sizes) * sizes[split])
        _, before, total = found.get(question, (task, 0.0, 0.0))
        found[question] = (task, before + weight, total + weight * difference)
    return found


def strata_of(found):
    """The questions of each task; tasks of one question together, a lone one with the smallest task."""
    tasks = {}
    for question, (task, *_) in sorted(found.items()):
        tasks.setdefault(task, []).append(question)
    small = [task for task in sorted(tasks) if len(tasks[task]) == 1]
    others = sorted((task for task in tasks if len(tasks[task]) > 1), key=lambda task: (len(tasks[task]), task))
    if len(small) == 1 and others:
        small = [others[0], *small]
    joined = [question for task in small for question in tasks[task]]
    return [tasks[task] for task in sorted(tasks) if task not in small] + ([joined] if joined else [])


def paired(rows, right_or_wrong):
    """Estimate, standard error and degrees of freedom."""
    found = by_question(rows)
    weights = [weight for _, weight, _ in found.values()]
    estimate = math.fsum(total for *_, total in found.values())
    strata = strata_of(found)
    variance = 0.0
    for questions in strata:
        whole = math.fsum(found[question][1] for question in questions)
        mean = math.fsum(found[question][2] for question in questions) / whole
        for question in questions:
            _, weight, total = found[question]
            if len(questions) > 1:
                variance += (total - mean * weight) ** 2 / (1 - weight / whole)
    typical = math.fsum(weight**2 for weight in weights) / len(weights)
    means = [abs(total / weight) for _, weight, total in found.values()]
    if all(difference == 0 for *_, difference in rows):
        error = 0.0
    elif len(found) == 1:
        error = math.inf
    elif right_or_wrong:
        error = math.sqrt(max(variance, 4 * typical))
    else:
        error = math.sqrt(variance) if variance > 1e-20 else math.sqrt(4 * typical) * max(means)
    squares = math.fsum(weight**2 for weight in weights)
    effective = squares**2 / math.fsum(weight**4 for weight in weights)
    return estimate, error, max(1.0, effective * (1 - len(strata) / len(found)))
