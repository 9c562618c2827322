"""LLMRANK with given weights, number by number: what the network says, its loss, the ranking.

A network is {"hidden_weights": D lists of H, "hidden_bias": H, "output_weights": H lists of M, "output_bias": M}.
"""

import math

from tests.slow_twins.routers import rank as by_score


def outputs(network, inputs):
    """The M logits of one query."""
    hidden = []
    for unit in range(len(network["hidden_bias"])):
        total = network["hidden_bias"][unit]
        for value, weights in zip(inputs, network["hidden_weights"], strict=True):
            total += value * weights[unit]
        hidden.append(total if total > 0 else 0.0)
    said = []
    for member in range(len(network["output_bias"])):
        total = network["output_bias"][member]
        for value, weights in zip(hidden, network["output_weights"], strict=True):
            total += value * weights[member]
        said.append(total)
    return said


def logistic(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def softmax(values):
    exponentials = [math.exp(value) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def loss(logits, correct, pointwise_weight, listwise_weight, temperature):
    """Of n queries: logits and correct are n lists of M."""
    entropy, divergence = 0.0, 0.0
    for row, right in zip(logits, correct, strict=True):
        for logit, was_right in zip(row, right, strict=True):
            entropy -= math.log(logistic(logit) if was_right else logistic(-logit))
        true = softmax([float(was_right) / temperature for was_right in right])
        predicted = softmax([logistic(logit) / temperature for logit in row])
        for p, q in zip(true, predicted, strict=True):
            divergence += p * math.log(p / q)
    n, pool = len(logits), len(logits[0])
    return pointwise_weight * entropy / (n * pool) + listwise_weight * divergence / n


def rank(logits, members, overall):
    """Members by logit, then by overall accuracy, then by name."""
    return by_score(dict(zip(members, logits, strict=True)), dict(zip(members, overall, strict=True)))
