"""Questions with their options as trees of tokens, in which texts share their common beginnings, and batches of trees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rgd.engines.likelihood import Branches


@dataclass(frozen=True)
class Tree:
    """Several questions as one tree of n tokens, in the order of a walk that visits a token before those that follow it.

    Attributes:
        ids: (n,) int64, the tokens.
        positions: (n,) int64, a token's depth.
        ends: (n,) int64, the place after the last token that follows: token j follows i, or is i, if i <= j < ends[i].
        predictors: (t,) int64, the place of the token that predicts each scored token.
        targets: (t,) int64, the scored tokens.
        owners: (t,) int64, the option, counted over all questions of the tree.
        options: number of options.
    """

    ids: np.ndarray
    positions: np.ndarray
    ends: np.ndarray
    predictors: np.ndarray
    targets: np.ndarray
    owners: np.ndarray
    options: int


@dataclass(frozen=True)
class Forest:
    """b trees of at most n tokens as one input of a model, padded on the left; the tokens that predict come last.

    Attributes:
        ids: (b, n) int64.
        positions: (b, n) int64.
        starts: (b, n) int64, a token's place in its tree; padding has places of its own.
        ends: (b, n) int64, as in :class:`Tree`.
        kept: how many columns at the end hold all predictors.
        rows: (t,) int64, the row of each scored token, of all trees.
        columns: (t,) int64, the column of its predictor, counted among the kept ones.
    """

    ids: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    kept: int
    rows: np.ndarray
    columns: np.ndarray


def grow(batch: Sequence[Branches], known: int = 0) -> Tree:
    """Merge every question with each of its options into one tree, in which texts share their common beginnings.

    A token attends to those it follows, and its position is its depth, so each option is computed as if it were alone,
    while a shared worked example, question or first digits of an option are computed once. The last token of an option
    predicts nothing that is scored, so it is left out.

    Args:
        batch: the questions.
        known: how many first tokens, which all texts share, are left out as well; fewer than each prefix has.
    """
    texts = [(item.prefix + branch)[known:] for item in batch for branch in item.branches]
    counts = [count for item in batch for count in item.scored]
    ids: list[int] = []
    positions: list[int] = []
    ends: list[int] = []
    scored: list[tuple[int, int, int]] = []
    # In this order a text shares no more with an earlier one than with the last one: the tokens on whose path we are.
    path: list[int] = []
    before: list[int] = []
    for owner in sorted(range(len(texts)), key=lambda index: texts[index][:-1]):
        text, count = texts[owner], counts[owner]
        shared = common_length(before, text[:-1])
        for node in path[shared:]:
            ends[node] = len(ids)
        del path[shared:]
        before = text[:-1]
        path += range(len(ids), len(ids) + len(before) - shared)
        ids += before[shared:]
        positions += range(known + shared, known + len(before))
        ends += [0] * (len(before) - shared)
        scored += zip(path[len(path) - count :], text[len(text) - count :], [owner] * count, strict=True)
    for node in path:
        ends[node] = len(ids)
    predictors, targets, owners = np.array(scored, np.int64).reshape(-1, 3).T
    walked = np.array([ids, positions, ends], np.int64)
    return Tree(walked[0], walked[1], walked[2], predictors, targets, owners, len(texts))


def plant(trees: Sequence[Tree]) -> Forest:
    """Put trees beside each other."""
    b, n = len(trees), max(len(tree.ids) for tree in trees)
    ids, positions, starts, ends = (np.zeros((b, n), np.int64) for _ in range(4))
    predicting = [np.unique(tree.predictors, return_inverse=True) for tree in trees]
    kept = max(len(places) for places, _ in predicting)
    rows, columns = [], []
    for row, (tree, (places, where)) in enumerate(zip(trees, predicting, strict=True)):
        size = len(tree.ids)
        others = np.delete(np.arange(size), places)
        order = np.concatenate([others, places])
        # Padding follows nothing and nothing follows it: each attends to itself, for a row without any is not a number.
        starts[row, : n - size] = np.arange(size, n)
        ends[row, : n - size] = np.arange(size, n) + 1
        starts[row, n - size :] = order
        for target, source in ((ids, tree.ids), (positions, tree.positions), (ends, tree.ends)):
            target[row, n - size :] = source[order]
        rows.append(np.full(len(where), row))
        columns.append(kept - len(places) + where)
    return Forest(ids, positions, starts, ends, kept, np.concatenate(rows), np.concatenate(columns))


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens two texts share."""
    return next(
        (index for index, (first, second) in enumerate(zip(one, other, strict=False)) if first != second),
        min(len(one), len(other)),
    )
