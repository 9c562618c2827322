"""What a router is given and what it offers: ``fit`` on training queries, then ``rank`` the pool for new ones.

:mod:`rgd.routers.contract` checks that a router keeps to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

import numpy as np
from annotated_types import Ge, Gt, Le

from rgd.errors import UserError
from rgd.routing.consensus import Spread, VoteWeight, normalise, usable_confidence
from rgd.routing.rounding import DECIMALS
from rgd.routing.votes import Aggregate, vote

Family = Literal["query-only", "few-labels", "query-answer", "learning-free", "reference"]
FEW_LABELS: Family = "few-labels"

# Types of parameters, with their ranges.
Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]


class Sliced(Protocol):
    """An array too large to hold, of which slices along the first axis are read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


@dataclass(frozen=True)
class Labelled:
    """The labels of a few training queries, for routers that ask for some.

    The arrays are read-only views.

    Attributes:
        rows: (l,) int64 training rows, ascending, none twice.
        codes: (l,) int32 the right answer of each, coded as in ``TrainingSet.labels``; one that no member gave has a code
            that equals none of the row's answers.
    """

    rows: np.ndarray
    codes: np.ndarray

    def __post_init__(self) -> None:
        _check_shapes(self, {"rows": (None,), "codes": (len(self.rows),)})
        for name in ("rows", "codes"):
            if getattr(self, name).dtype.kind not in "iu":
                raise ValueError(f"{name} is of type {getattr(self, name).dtype}, but must be of whole numbers")
        if len(self.rows) and (self.rows[0] < 0 or (np.diff(self.rows) <= 0).any()):
            raise ValueError("rows must be ascending training rows, from 0, none twice")
        object.__setattr__(self, "rows", self.rows.astype(np.int64))
        object.__setattr__(self, "codes", self.codes.astype(np.int32))
        _protect(self)


@dataclass(frozen=True)
class TrainingSet:
    """One replicate (seed) of the training queries of a dataset, scenario and pool.

    The arrays are read-only views. Of the fields that may be None, a router gets those that its class declares.

    Attributes:
        query_ids: (n,) str.
        tasks: (n,) str.
        embeddings: (n, d) float32, L2-normalised; (n, 0) where the router's class says it fits without them.
        members: the M member keys, in the pool's order.
        answers: (n, M) int32 codes, -1 missing.
        confidence: (n, M) float32, NaN missing.
        labels: (n,) int32 codes, for routers that need them.
        correctness: (n, M) float64 in [0, 1], how good each answer is, where the benchmark's answers are scores; for routers
            that need labels.
        answer_embeddings: (n, M, e) float32, an array or something that reads slices of one, for routers that need them.
        features: (n, f) float32, what an LLM wrote about each query, embedded; for routers whose file names features.
        options: (n,) how many options each query has, 0 where it has none; for routers that count them.
        parameters_billion: (M,) size of each member, NaN where it is not known; for routers that know sizes.
        prices: (M,) what a call to each member costs, above 0; None if all cost 1. For routers that weigh prices.
        labelled: labels of a few of the queries, for routers that ask for some; None if there are none.
        seed: the replicate's seed.
    """

    query_ids: np.ndarray
    tasks: np.ndarray
    embeddings: np.ndarray
    members: tuple[str, ...]
    answers: np.ndarray
    confidence: np.ndarray
    labels: np.ndarray | None = None
    correctness: np.ndarray | None = None
    answer_embeddings: np.ndarray | Sliced | None = None
    features: np.ndarray | None = None
    options: np.ndarray | None = None
    parameters_billion: np.ndarray | None = None
    prices: np.ndarray | None = None
    labelled: Labelled | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        n, pool = len(self.query_ids), len(self.members)
        if n == 0:
            raise UserError(
                "there is no training query: the scenario is empty after splitting or filtering; add queries."
            )
        if pool == 0 or len(set(self.members)) != pool:
            raise UserError(f"a pool needs at least one member and distinct keys, but has {list(self.members)}.")
        _check_shapes(
            self,
            {
                "tasks": (n,),
                "embeddings": (n, None),
                "answers": (n, pool),
                "confidence": (n, pool),
                "labels": (n,),
                "correctness": (n, pool),
                "answer_embeddings": (n, pool, None),
                "features": (n, None),
                "options": (n,),
                "prices": (pool,),
                "parameters_billion": (pool,),
            },
        )
        if self.labelled is not None and (self.labelled.rows >= n).any():
            raise ValueError(f"a label is of row {self.labelled.rows.max()}, but there are {n} training rows")
        _protect(self)

    def correct(self) -> np.ndarray:
        """(n, M): which answers are right by the training labels (bool), or how good they are (float64 in [0, 1]).

        Raises:
            ValueError: the training set has no labels.
        """
        if self.correctness is not None:
            return self.correctness
        if self.labels is None:
            raise ValueError("this router needs training labels and was given none")
        return (self.answers == self.labels[:, None]) & (self.answers >= 0)


@dataclass(frozen=True)
class TestQueries:
    """Queries to route.

    The arrays are read-only views. Of the fields that may be None, a router gets those that its class declares.

    Attributes:
        query_ids: (n,) str.
        embeddings: (n, d) float32, L2-normalised; (n, 0) where the router's class says it ranks without them.
        neighbours: (n, K) int32 indices into the training rows, nearest first.
        tasks: (n,) str, the true tasks, for routers that need them: those that route whole tasks.
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

    def __post_init__(self) -> None:
        n = len(self.query_ids)
        _check_shapes(
            self,
            {
                "embeddings": (n, None),
                "neighbours": (n, None),
                "tasks": (n,),
                "features": (n, None),
                "training_embeddings": (None, None),
                "options": (n,),
            },
        )
        _protect(self)

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


def _check_shapes(part: Any, expected: Mapping[str, tuple[int | None, ...]]) -> None:
    """Each array that ``part`` has is of the shape expected; None stands for any length."""
    for name, shape in expected.items():
        value = getattr(part, name)
        if value is None:
            continue
        found = tuple(np.shape(value))
        if len(found) != len(shape) or any(want not in (None, has) for want, has in zip(shape, found, strict=True)):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(f"{name} has shape {found}, but must have ({wanted})")


def _protect(part: Any) -> None:
    """Make every array of the frozen ``part`` a read-only view, so that no router changes what others are given."""
    for each in fields(part):
        value = getattr(part, each.name)
        if isinstance(value, np.ndarray):
            view = value.view()
            view.flags.writeable = False
            object.__setattr__(part, each.name, view)


@dataclass(frozen=True)
class Clusters:
    """Where n queries fall among the C clusters of a router.

    Attributes:
        numbers: (n,) int, the cluster of each query; -1 where none is near.
        similarity: (n,) cosine similarity of each query to the centroid of its cluster, or of the nearest one.
        sizes: (C,) training queries in each cluster.
        tasks: (n,) the task whose clusters were looked at; None where clusters belong to no task.
    """

    numbers: np.ndarray
    similarity: np.ndarray
    sizes: np.ndarray
    tasks: np.ndarray | None = None


@dataclass(frozen=True)
class Responses:
    """What each variant answers to n test queries.

    Attributes:
        answers: per variant the (n,) int32 code answered, -1 missing.
        asked: per variant the (n, k) int32 members asked, first to last; -1 where fewer were.
    """

    answers: dict[str, np.ndarray]
    asked: dict[str, np.ndarray]


@dataclass(frozen=True)
class Doubt:
    """A reason to distrust a router or a decision.

    Attributes:
        kind: a word for programs, such as ``guess``.
        says: the reason in a sentence.
        values: the figures behind it, by name.
    """

    kind: str
    says: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The doubt as plain types, for JSON."""
        return {"kind": self.kind, "says": self.says, "values": dict(self.values)}


class Router:
    """The interface of every routing method.

    A method with parameters is a dataclass with keyword-only fields, each with a type, which may name a range
    (``Annotated[int, Ge(1)]``) or choices (``Literal``), and a default. They are checked before the class is called;
    ``__post_init__`` checks what concerns several of them and raises ValueError.

    ``fit`` learns attributes that end in "_" (arrays, numbers, texts), which is all that is saved; ``scores`` and
    ``rank`` read nothing else but the parameters. ``variants`` says how many of the ranked members each variant asks,
    ``aggregate`` how their answers become one, ``budgets`` which further variants stop asking at a price; a router that
    weighs answers in its own way, or asks one member after the other, has its own ``respond``.

    What a class declares:
        family: query-only routers learn without labels, query-answer routers with them.
        needs_labels: ``fit`` gets the labels of the training queries.
        fits_on_embeddings, ranks_by_embeddings: ``fit`` and ``rank`` get the queries' embeddings.
        needs_answer_embeddings: ``fit`` gets the embeddings of the members' answers.
        needs_training_embeddings: ``rank`` gets the embeddings of the training queries.
        needs_test_tasks: ``rank`` gets the true task of every test query.
        asks_for_labels: ``fit`` may get the labels of a few queries, and ``wants`` names those that would tell it most.
        counts_options: ``fit`` and ``rank`` get how many options each query has.
        weighs_prices, knows_sizes: ``fit`` gets what a call to each member costs, and how large each member is.
        compares_answers: ``fit`` needs to know which answers agree, so scores cannot stand for them.
        transductive: a query's ranking depends on the other test queries, unlabelled; any other router gives a query
            the same ranking in any company.
    """

    needs_labels: ClassVar[bool] = False
    fits_on_embeddings: ClassVar[bool] = True
    ranks_by_embeddings: ClassVar[bool] = True
    needs_answer_embeddings: ClassVar[bool] = False
    needs_training_embeddings: ClassVar[bool] = False
    needs_test_tasks: ClassVar[bool] = False
    asks_for_labels: ClassVar[bool] = False
    counts_options: ClassVar[bool] = False
    weighs_prices: ClassVar[bool] = False
    knows_sizes: ClassVar[bool] = False
    transductive: ClassVar[bool] = False
    compares_answers: ClassVar[bool] = False
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

    @property
    def score_title(self) -> str:
        """What the scores are, in words."""
        return "score"

    def fit(self, train: TrainingSet) -> Self:
        """Learn from ``train``; returns the router itself."""
        raise NotImplementedError

    def wants(self, train: TrainingSet, count: int) -> np.ndarray:
        """The training queries whose labels would tell the router most, for classes that ask for labels.

        Args:
            train: what ``fit`` would get; labels that it has are not looked at.
            count: how many queries, from 0.

        Returns:
            int64 rows, the most telling first: ``count``, or fewer where fewer tell anything. A smaller count gives the first
            ones of a larger one, and the order of rows and members plays no part.
        """
        raise NotImplementedError

    def scores(self, queries: TestQueries) -> np.ndarray:
        """What each member is ranked by for every query: (n, M), higher is better, without NaN.

        A router that ranks without scores has its own :meth:`rank` and leaves this out.
        """
        raise NotImplementedError

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Member indices, best first, for every query: (n, M) int32, each row a permutation of the pool."""
        return rank_members(self.scores(queries), self.members_)

    def clusters(self, queries: TestQueries) -> Clusters | None:
        """The cluster that each query falls into; None where the router has no clusters."""
        return None

    def centroids(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The centroids (C, d) and the ranking (C, M) of each, where a query takes that of the nearest; else None."""
        return None

    def asked(self, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """For every variant, the (n, k) members it asks, best first; at most the whole pool."""
        return {name: ranking[:, :count] for name, count in self.variants.items()}

    def plans(self, queries: TestQueries, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """As :meth:`asked`, before there is an answer: a variant that stops early may ask fewer.

        It is ``asked`` of :meth:`respond` to no answers, without the work of answering.
        """
        return self.asked(ranking)

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

    def standing(self) -> str:
        """How surely the first member over all queries is the best one, in a sentence; empty if the router cannot tell."""
        return ""

    def certainty(self) -> dict[str, np.ndarray]:
        """For each member (M,), over all queries: ``best_probability``, that it is the best, and ``expected_regret``, by how
        much less accurate than the best it is expected to be; empty if the router cannot tell.
        """
        return {}

    def intervals(self, queries: TestQueries) -> np.ndarray | None:
        """The interval (n, M, 2) in which what each score estimates lies with a probability of 0.95; None if unknown."""
        return None

    def doubts(self) -> list[Doubt]:
        """What in the training queries is a reason to distrust the router."""
        return []

    def explanations(self) -> dict[str, str]:
        """Why the router asks the members that it does, in a sentence for each variant of which there is more to say."""
        return {}

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

    Raises:
        ValueError: a score is NaN, or there is not one score for each member.
    """
    if scores.shape[-1:] != (len(members),):
        raise ValueError(f"scores of shape {scores.shape} cannot rank {len(members)} members")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN, which has no place in a ranking")
    by_name = np.broadcast_to(np.argsort(np.argsort(members, kind="stable")), scores.shape)
    second = np.zeros(len(members)) if tie is None else tie
    second = np.broadcast_to(-second.round(DECIMALS), scores.shape)
    return np.lexsort((by_name, second, -scores.round(DECIMALS)), axis=-1).astype(np.int32)


def constant_ranking(ranking: np.ndarray, queries: TestQueries) -> np.ndarray:
    """The same (M,) ranking for every query, (n, M) int32."""
    return np.tile(ranking.astype(np.int32), (len(queries.query_ids), 1))


def group_means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mean of the rows of ``values`` (n, M) in each of ``count`` groups, float64 (count, M); an empty group gives 0."""
    sums = np.empty((count, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(groups, weights=values[:, column], minlength=count)
    return sums / np.maximum(np.bincount(groups, minlength=count), 1)[:, None]
