"""SMOOTHIE-TRAIN: quality from the distances between the members' answers (arXiv 2412.04692, section 4)."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

import numpy as np

from rgd.routers.base import Count, Router, Sliced, TestQueries, TrainingSet, group_means, rank_members

# Squared distance of two unit vectors with nothing in common.
UNRELATED = 2.0
# Numbers of answer embeddings held at once: 64 MiB of float64.
BLOCK_ENTRIES = 8 * 1024 * 1024


@dataclass(kw_only=True)
class Smoothie(Router):
    """Query-only router: a member's answers are good where they lie near those of the others.

    With d_ij the mean squared distance between the answer embeddings of members i and j, the error of member i is
    e_i = mean over pairs (j, k) of the others of (d_ij + d_ik - d_jk) / 2, and its quality theta_i = dim / (2 e_i).
    The pool is ranked by e_i, lowest first: the order of theta where e_i is positive, and defined where it is not.
    In a pool of two both have e = d_12 / 2; a pool of one has nothing to compare.

    Embeddings are normalised to length 1; an answer without one is at squared distance 2 from every other.

    Args:
        mean: d_ij over the nearest training queries (``local``), those of the nearest one's ``task``, or all
            (``global``).
        neighbours: how many training queries ``local`` looks at.

    Learned:
        distances_ (groups, P) float32, mean squared distances of the P pairs of members, and for ``task`` the group of
        each training row, training_tasks_ (n,) int32. Under ``local`` each training query is a group.
    """

    needs_answer_embeddings = True
    fits_on_embeddings = False
    ranks_by_embeddings = False
    compares_answers = True
    family = "query-only"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"
    score_title = "closeness of its answers to the others' (error, negative)"

    mean: Literal["local", "task", "global"] = "local"
    neighbours: Count = 20

    def fit(self, train: TrainingSet) -> Self:
        """Measure how far apart the members' answers are; ``train.labels`` are not looked at.

        Raises:
            ValueError: the training set has no answer embeddings.
        """
        if train.answer_embeddings is None:
            raise ValueError("smoothie needs answer embeddings and was given none")
        self.remember_pool(train)
        distances = pair_distances(train.answer_embeddings)
        if self.mean == "local":
            self.distances_ = distances.astype(np.float32)
            return self
        self.training_tasks_ = np.zeros(len(distances), dtype=np.int32)
        if self.mean == "task":
            self.training_tasks_ = np.unique(train.tasks, return_inverse=True)[1].astype(np.int32)
        self.distances_ = group_means(distances, self.training_tasks_, int(self.training_tasks_.max()) + 1)
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The errors e_i around each query, negative: (n, M) float64."""
        if self.mean == "global":
            distances = np.repeat(self.distances_[:1], len(queries.query_ids), axis=0)
        elif self.mean == "task":
            nearest = queries.nearest(1, len(self.training_tasks_))[:, 0]
            distances = self.distances_[self.training_tasks_[nearest]]
        else:
            nearest = queries.nearest(self.neighbours, len(self.distances_))
            distances = self.distances_[nearest].mean(axis=1, dtype=np.float64)
        return -member_errors(distances, len(self.members_))

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by the errors e_i around each query."""
        # float32 distances carry 7 digits: errors equal to 6 decimals are tied.
        return rank_members(self.scores(queries).round(6), self.members_)


def pair_distances(embeddings: np.ndarray | Sliced) -> np.ndarray:
    """Squared distance of every pair of members' answers to each query, (n, M (M - 1) / 2) float64.

    ``embeddings`` (n, M, e) count as if normalised; pairs are in the order of ``numpy.triu_indices(M, 1)``.
    """
    n, members, dimension = embeddings.shape
    first, second = np.triu_indices(members, 1)
    distances = np.empty((n, len(first)))
    block = max(1, BLOCK_ENTRIES // (members * dimension))
    for start in range(0, n, block):
        # In float64, so that members with the same answers are at the same distance whatever their place.
        vectors = np.asarray(embeddings[start : start + block], dtype=np.float64)
        products = vectors @ vectors.transpose(0, 2, 1)
        squares = np.diagonal(products, axis1=1, axis2=2)
        present = np.isfinite(squares) & (squares > 0)
        length = np.sqrt(np.where(present, squares, 1.0))
        cosine = products[:, first, second] / (length[:, first] * length[:, second])
        compared = present[:, first] & present[:, second]
        distances[start : start + block] = UNRELATED - 2.0 * np.where(compared, cosine, 0.0)
    return np.maximum(distances, 0.0)


def member_errors(distances: np.ndarray, members: int) -> np.ndarray:
    """e (n, M) from the mean distances of all pairs of members (n, P)."""
    square = np.zeros((len(distances), members, members))
    first, second = np.triu_indices(members, 1)
    square[:, first, second] = square[:, second, first] = distances
    to_others = square.sum(axis=2)
    if members < 3:
        return to_others / 2.0
    # Of the pairs (j, k) of the others: each d_ij is in members - 2 of them, each d_jk in one.
    among_others = to_others.sum(axis=1, keepdims=True) / 2.0 - to_others
    pairs = (members - 1) * (members - 2) / 2
    return ((members - 2) * to_others - among_others) / (2.0 * pairs)


ROUTER = Smoothie
