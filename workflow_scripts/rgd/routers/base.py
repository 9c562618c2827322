"""What a router is given and what it offers: ``fit`` on training queries, then ``rank`` the pool for new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, Self

import numpy as np

from rgd.errors import UserError
from rgd.routing.consensus import Spread, VoteWeight, normalise, usable_confidence
from rgd.routing.votes import Aggregate, vote

Family = Literal["query-only", "query-answer", "learning-free", "reference"]
# Scores that differ by less than this are the same number summed in another order.
DECIMALS = 9


class Sliced(Protocol):
    """An array too large to hold, of which slices along the first axis are read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


@dataclass(frozen=True)
class TrainingSet:
    """One replicate (seed) of the training queries of a dataset, scenario and pool.

    Attributes:
        query_ids: (n,) str.
        tasks: (n,) str.
        embeddings: (n, d) float32, L2-normalised; (n, 0) where the router's class says it fits without them.
        members: the M member keys, in the pool's order.
        answers: (n, M) int32 codes, -1 missing.
        confidence: (n, M) float32, NaN missing.
        labels: (n,) int32 codes, for routers that need them.
        answer_embeddings: (n, M, e) float32, an array or something that reads slices of one, for routers that need them.
        features: (n, f) float32, what an LLM wrote about each query, embedded; for routers whose file names features.
        options: (n,) how many options each query has, 0 where it has none; for routers that count them.
        parameters_billion: (M,) size of each member, NaN where it is not known; for routers that know sizes.
        prices: (M,) what a call to each member costs, above 0; None if all cost 1. For routers that weigh prices.
        seed: the replicate's seed.
    """

    query_ids: np.ndarray
    tasks: np.ndarray
    embeddings: np.ndarray
    members: tuple[str, ...]
    answers: np.ndarray
    confidence: np.ndarray
    labels: np.ndarray | None = None
    answer_embeddings: np.ndarray | Sliced | None = None
    features: np.ndarray | None = None
    options: np.ndarray | None = None
    parameters_billion: np.ndarray | None = None
    prices: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        n, pool = len(self.query_ids), len(self.members)
        if n == 0:
            raise UserError(
                "there is no training query: the scenario is empty after splitting or filtering; add queries."
            )
        if pool == 0 or len(set(self.members)) != pool:
            raise UserError(f"a pool needs at least one member and distinct keys, but has {list(self.members)}.")
        shapes = {
            "tasks": (np.shape(self.tasks), (n,)),
            "embeddings": (np.shape(self.embeddings)[:1], (n,)),
            "answers": (np.shape(self.answers), (n, pool)),
            "confidence": (np.shape(self.confidence), (n, pool)),
        }
        if self.labels is not None:
            shapes["labels"] = (np.shape(self.labels), (n,))
        if self.answer_embeddings is not None:
            shapes["answer_embeddings"] = (np.shape(self.answer_embeddings)[:2], (n, pool))
        if self.features is not None:
            shapes["features"] = (np.shape(self.features)[:1], (n,))
        if self.options is not None:
            shapes["options"] = (np.shape(self.options), (n,))
        if self.prices is not None:
            shapes["prices"] = (np.shape(self.prices), (pool,))
        if self.parameters_billion is not None:
            shapes["parameters_billion"] = (np.shape(self.parameters_billion), (pool,))
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f"{name} has shape {found}, but {n} queries and {pool} members need {expected}")

    def correct(self) -> np.ndarray:
        """(n, M) bool: which answers are right by the training labels.

        Raises:
            ValueError: the training set has no labels.
        """
        if self.labels is None:
            raise ValueError("this router needs training labels and was given none")
        return (self.answers == self.labels[:, None]) & (self.answers >= 0)


@dataclass(frozen=True)
class TestQueries:
    """Queries to route.

    Attributes:
        query_ids: (n,) str.
        embeddings: (n, d) float32, L2-normalised; (n, 0) where the router's class says it ranks without them.
        neighbours: (n, K) int32 indices into the training rows, nearest first.
        tasks: (n,) str.
        features: (n, f) float32, as in :class:`TrainingSet`.
        training_embeddings: (m, d) float32 of the training rows, for routers that need them.
        options: (n,) as in :class:`TrainingSet`.
    """

    __test__: ClassVar[bool] = False  # Not a pytest class, whatever its name suggests.

    query_ids: np.ndarray
    embeddings: np.ndarray
    neighbours: np.ndarray
    tasks: np.ndarray | None = None
    features: np.ndarray | None = None
    training_embeddings: np.ndarray | None = None
    options: np.ndarray | None = None

    def nearest(self, k: int, training_size: int) -> np.ndarray:
        """The (n, min(k, training_size)) nearest training rows.

        Raises:
            UserError: fewer neighbours were computed than the router asks for.
        """
        wanted = min(k, training_size)
        if self.neighbours.shape[1] < wanted:
            raise UserError(
                f"the router looks at {wanted} nearest training queries, but only {self.neighbours.shape[1]} are kept "
                "per query: raise the number of neighbours or lower the router's parameter."
            )
        return self.neighbours[:, :wanted]


@dataclass(frozen=True)
class Responses:
    """What each variant answers to n test queries.

    Attributes:
        answers: per variant the (n,) int32 code answered, -1 missing.
        asked: per variant the (n, k) int32 members asked, first to last; -1 where fewer were.
    """

    answers: dict[str, np.ndarray]
    asked: dict[str, np.ndarray]


class Router:
    """The interface of every routing method.

    ``fit`` learns attributes that end in "_" (arrays, numbers), which is all that is saved; ``rank`` reads nothing
    else but the constructor's parameters. ``variants`` says how many of the ranked members each variant asks,
    ``aggregate`` how their answers become one, ``budgets`` which further variants stop asking at a price; a router that
    weighs answers in its own way, or asks one member after the other, has its own ``respond``. A ``transductive`` router ranks a query in the light of the other test
    queries, unlabelled: it needs the whole batch, where any other gives a query the same ranking in any company.
    """

    needs_labels: ClassVar[bool] = False
    fits_on_embeddings: ClassVar[bool] = True
    ranks_by_embeddings: ClassVar[bool] = True
    needs_answer_embeddings: ClassVar[bool] = False
    needs_training_embeddings: ClassVar[bool] = False
    counts_options: ClassVar[bool] = False
    weighs_prices: ClassVar[bool] = False
    knows_sizes: ClassVar[bool] = False
    transductive: ClassVar[bool] = False
    family: ClassVar[Family]

    variants: Mapping[str, int] = MappingProxyType({"top1": 1})
    aggregate: Aggregate = "majority"
    budgets: Mapping[str, float] = MappingProxyType({})
    use_features: bool = False
    vote_weight: VoteWeight = "logistic"
    confidence_spread: Spread = "mean"

    members_: np.ndarray
    mu_: np.ndarray
    sigma_: np.ndarray

    def fit(self, train: TrainingSet) -> Self:
        """Learn from ``train``; returns the router itself."""
        raise NotImplementedError

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Member indices, best first, for every query: (n, M) int32."""
        raise NotImplementedError

    def asked(self, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """For every variant, the (n, k) members it asks, best first; at most the whole pool."""
        return {name: ranking[:, :count] for name, count in self.variants.items()}

    def respond(self, queries: TestQueries, ranking: np.ndarray, answers: np.ndarray, z: np.ndarray) -> Responses:
        """Let each variant's members answer. No answer of a member that is not asked may matter.

        Args:
            queries: n test queries.
            ranking: (n, M) as :meth:`rank` gives it.
            answers: (n, M) int32 codes of the whole pool's answers, -1 missing.
            z: (n, M) z-scores by the training queries' mu and sigma, NaN where there is none.
        """
        asked = self.asked(ranking)
        given = {name: vote(answers, z, members, self.aggregate, self.vote_weight) for name, members in asked.items()}
        return Responses(given, asked)

    def remarks(self) -> list[str]:
        """Sentences on what was fitted, for the log."""
        return []

    def remarks_on(self, queries: TestQueries, z: np.ndarray) -> list[str]:
        """Sentences on the test queries, for the log; ``z`` (n, M) as in :meth:`respond`."""
        return []

    def remember_pool(self, train: TrainingSet) -> None:
        """Keep the members and the mu and sigma of their confidence, which test votes are measured by."""
        self.members_ = np.array(train.members, dtype=np.str_)
        usable = usable_confidence(train.answers, train.confidence)
        self.mu_, self.sigma_ = normalise(usable, self.confidence_spread)


def rank_members(scores: np.ndarray, members: np.ndarray, tie: np.ndarray | None = None) -> np.ndarray:
    """Order the pool by score, highest first; equal scores by ``tie`` (higher first), then by member key.

    Args:
        scores: (n, M) or (M,).
        members: (M,) member keys.
        tie: (M,) second criterion.

    Returns:
        int32 member indices, of the shape of ``scores``.
    """
    by_name = np.broadcast_to(np.argsort(np.argsort(members, kind="stable")), scores.shape)
    second = np.zeros(len(members)) if tie is None else tie
    second = np.broadcast_to(-second.round(DECIMALS), scores.shape)
    return np.lexsort((by_name, second, -scores.round(DECIMALS)), axis=-1).astype(np.int32)


def constant_ranking(ranking: np.ndarray, queries: TestQueries) -> np.ndarray:
    """The same (M,) ranking for every query, (n, M) int32."""
    return np.tile(ranking.astype(np.int32), (len(queries.embeddings), 1))


def group_means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mean of the rows of ``values`` (n, M) in each of ``count`` groups, float64 (count, M); an empty group gives 0."""
    sums = np.empty((count, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(groups, weights=values[:, column], minlength=count)
    return sums / np.maximum(np.bincount(groups, minlength=count), 1)[:, None]
