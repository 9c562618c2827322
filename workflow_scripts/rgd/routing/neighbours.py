"""Exact nearest neighbours by cosine, shared by every router of a dataset and scenario."""

from collections.abc import Sequence

import numpy as np

# Similarities held at once: 16 MiB of float32, with 32 MiB of columns beside them while the largest are found.
BLOCK_ENTRIES = 4 * 1024 * 1024
# Similarities of float32 that agree in as many decimals are equal: their last bits depend on their place in the product.
DECIMALS = 6
# Training rows looked at together: with many more, a block would hold too few queries for a fast matrix product.
TILE = 4096


def nearest(
    queries: np.ndarray, training: np.ndarray, k: int, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` training rows most similar to each query, nearest first.

    Args:
        queries: (n, d) float32, L2-normalised.
        training: (m, d) float32, L2-normalised.
        k: how many; all m (or m - 1 with ``own``) where there are fewer.
        own: (n,) the training row that each query is, and that is not its own neighbour.

    Returns:
        indices (n, k) int32 into ``training`` and their cosine similarity (n, k) float32, rounded to ``DECIMALS``; equal
        similarities stand in the order of their index.

    Raises:
        ValueError: the dimensions differ, ``k`` is below 1, or ``training`` is empty.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    training = np.ascontiguousarray(training, dtype=np.float32)
    if queries.shape[1] != training.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions, training rows {training.shape[1]}")
    available = len(training) - int(own is not None)
    if k < 1 or len(training) == 0:
        raise ValueError(f"k must be at least 1 (is {k}) and training must not be empty ({len(training)} rows)")
    k = min(k, available)
    indices = np.empty((len(queries), k), dtype=np.int32)
    similarity = np.empty((len(queries), k), dtype=np.float32)
    if k == 0:
        return indices, similarity
    block = max(1, BLOCK_ENTRIES // min(TILE, len(training)))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        excluded = None if own is None else own[rows]
        found = [
            _largest_of_tile(queries[rows], training, k, excluded, first) for first in range(0, len(training), TILE)
        ]
        indices[rows], similarity[rows] = _merged(found, k)
    return indices, similarity


def _largest_of_tile(
    queries: np.ndarray, training: np.ndarray, k: int, own: np.ndarray | None, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of the training rows ``first`` to ``first + TILE``: at most k, among them a query's own row at -inf."""
    tile = training[first : first + TILE]
    products = _products(queries, tile)
    if own is not None:
        inside = np.flatnonzero((own >= first) & (own < first + len(tile)))
        products[inside, own[inside] - first] = -np.inf
    found, similarity = _largest(products, min(k, len(tile)))
    return found + np.int32(first), similarity


def _merged(found: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of all, where each part gave its k largest; equal ones by index."""
    if len(found) == 1:
        indices, similarity = found[0]
        return indices[:, :k], similarity[:, :k]
    candidates = np.concatenate([indices for indices, _ in found], axis=1)
    similarities = np.concatenate([similarity for _, similarity in found], axis=1)
    order = np.lexsort((candidates, -similarities), axis=1)[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(similarities, order, axis=1)


def nearest_both_ways(
    first: np.ndarray, second: np.ndarray, k: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """``nearest(first, second, k)`` and ``nearest(second, first, k)`` at the cost of one of them.

    Args:
        first: (n, d) float32, L2-normalised, not empty.
        second: (m, d) float32, L2-normalised, not empty.
        k: how many; all there are where there are fewer.
    """
    forth_rows = np.empty((len(first), min(k, len(second))), dtype=np.int32)
    forth = np.empty(forth_rows.shape, dtype=np.float32)
    back = []
    block = max(1, BLOCK_ENTRIES // len(second))
    for start in range(0, len(first), block):
        rows = slice(start, start + block)
        products = _products(first[rows], second)
        forth_rows[rows], forth[rows] = _largest(products, forth.shape[1])
        found, similarity = _largest(np.ascontiguousarray(products.T), min(k, len(products)))
        back.append((found + np.int32(start), similarity))
    return (forth_rows, forth), _merged(back, k)


def _products(queries: np.ndarray, training: np.ndarray) -> np.ndarray:
    products = queries @ training.T
    return np.round(products, DECIMALS, out=products)


def _largest(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the ``k`` largest entries of each row, largest first, equal ones by column."""
    columns = values.shape[1]
    if k < columns:
        chosen = np.argpartition(values, columns - k, axis=1)[:, columns - k :]
    else:
        chosen = np.broadcast_to(np.arange(columns), values.shape)
    kept = np.take_along_axis(values, chosen, axis=1)
    smallest = kept.min(axis=1, keepdims=True)
    # Among equals at the edge the partition takes any: take those of lowest index instead.
    tied = np.flatnonzero((values >= smallest).sum(axis=1) > k)
    if len(tied):
        chosen = chosen.copy()
        for row in tied:
            chosen[row] = np.argsort(-values[row], kind="stable")[:k]
        kept = np.take_along_axis(values, chosen, axis=1)
    order = np.lexsort((chosen, -kept), axis=1)
    return (
        np.take_along_axis(chosen, order, axis=1).astype(np.int32),
        np.take_along_axis(kept, order, axis=1),
    )
