"""A bundle that routes: queries in, ranked models out, with the reasons for the ranking."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from rgd.errors import UserError
from rgd.routers import Routes, contract, make, restore, route
from rgd.routers.base import Doubt, TestQueries
from rgd.routers.contract import RouterError
from rgd.routing.neighbours import nearest
from rgd.tool.bundle import Content
from rgd.tool.places import EMBEDDER, Places
from rgd.tool.reasons import Character, Reasons, character, reasons

# Queries routed together; it bounds the block of similarities to the training queries.
BLOCK = 1024
LENGTH_TOLERANCE = 1e-3
# So many training queries are compared with all others, to know how alike training queries are: fewer where these are so
# many that comparing takes more than a second, but enough to know the least like one in a hundred.
LEAST_COMPARED, MOST_COMPARED, MOST_PRODUCTS = 100, 1000, 20_000_000_000
# A query less like the training queries than all but this share of themselves is unlike all of them.
FAR_SHARE = 0.01
TIE = 1e-9


@dataclass(frozen=True)
class Ranked:
    """A ranked member. Figures that the method does not give are None.

    Attributes:
        member: its key.
        title: its title.
        score: what it is ranked by for the query.
        interval: where what the score estimates lies with a probability of 0.95.
        best_probability: that it is the best member over all queries.
        expected_regret: by how much less accurate than the best member it is expected to be over all queries.
    """

    member: str
    title: str
    score: float | None
    interval: tuple[float, float] | None = None
    best_probability: float | None = None
    expected_regret: float | None = None


@dataclass(frozen=True)
class Neighbour:
    """A training query near a query: cosine ``similarity``, its text and its task."""

    query_id: str
    task: str
    question: str
    similarity: float


@dataclass(frozen=True)
class Cluster:
    """The cluster of a query: its number, its number of training queries, and the similarity to its centroid."""

    number: int
    queries: int
    similarity: float


@dataclass(frozen=True)
class Decision:
    """A router's decision for a query.

    Attributes:
        query: its text; empty if a vector was routed.
        ranking: the pool, best first.
        score: what the scores are, in words; empty if the method gives none.
        asked: for each variant the members that it asks, in order; a variant that stops early may ask fewer.
        task: the task of the cluster, or of the nearest training query if the method does not use tasks.
        cluster: None if the method has no clusters.
        nearest: the nearest training queries, nearest first.
        similarity: the cosine similarity of the nearest training query.
        likeness: the share of training queries whose own nearest one is no more similar than the query's; None if there
            is only one training query.
        why: all this in one or two sentences.
        doubts: reasons to distrust the router or this decision.
        panels: for each variant that asks several members, why it asks these.
    """

    query: str
    ranking: tuple[Ranked, ...]
    score: str
    asked: dict[str, tuple[str, ...]]
    task: str
    cluster: Cluster | None
    nearest: tuple[Neighbour, ...]
    similarity: float
    likeness: float | None
    why: str
    doubts: tuple[Doubt, ...]
    panels: dict[str, str]

    @property
    def best(self) -> str:
        """The key of the member ranked first."""
        return self.ranking[0].member

    def with_nearest(self, most: int) -> Self:
        """The decision with at most ``most`` of the nearest training queries."""
        return replace(self, nearest=self.nearest[:most])

    def content(self) -> dict[str, Any]:
        """The decision as plain types, for JSON."""
        # dataclasses.asdict copies every value, which takes longer than the decision itself.
        return {
            **vars(self),
            "ranking": [vars(ranked) for ranked in self.ranking],
            "cluster": None if self.cluster is None else vars(self.cluster),
            "nearest": [vars(near) for near in self.nearest],
            "doubts": [doubt.content() for doubt in self.doubts],
        }


class Bundle:
    """A router loaded from a folder that ``rgd export`` wrote.

    Args:
        content: the bundle's content.
        cache: where the weights of the embedder and the members are kept.
        threads: CPU threads of the embedder and of members that run in this process.
        use_hub: False never contacts the model hub.
        places: the servers, keys and folders of the bundle's models.
    """

    def __init__(
        self,
        content: Content,
        cache: str | Path = "~/.cache/rgd",
        threads: int = 1,
        use_hub: bool = True,
        places: Places | None = None,
    ) -> None:
        self.content, self.cache, self.threads, self.use_hub = content, cache, threads, use_hub
        self.places = places or Places()
        self.places.check([EMBEDDER, *(each["key"] for each in content.members)])
        self.stack = ExitStack()
        settings = content.routing
        router = make(settings["method"], settings["parameters"], settings["variants"] or None, settings["aggregate"])
        self.router = restore(content.learned, lambda: router)[settings["seed"]]
        self.keys = tuple(each["key"] for each in content.members)
        self.titles = tuple(each["title"] for each in content.members)
        self._check()

    @property
    def variants(self) -> tuple[str, ...]:
        """The router's variants; ``decision.asked`` has the members that each one asks."""
        queries = self.test_queries(self.content.embeddings[:1])
        return tuple(contract.plans(self.router, queries, contract.rank(self.router, queries)))

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {name: self.content.training[name].to_pylist() for name in ("query_id", "task", "question")}

    @cached_property
    def _character(self) -> Character:
        return character(self.router)

    @cached_property
    def _own_nearest(self) -> np.ndarray:
        """For some training queries, the similarity of each to the nearest other one, ascending."""
        vectors = self.content.embeddings
        count = min(len(vectors), max(LEAST_COMPARED, min(MOST_COMPARED, MOST_PRODUCTS // vectors.size)))
        rows = np.unique(np.linspace(0, len(vectors) - 1, count).astype(np.int64))
        _, similarity = nearest(vectors[rows], vectors, 1, rows)
        return np.sort(similarity, axis=None)

    def route(self, query: str, neighbours: int = 3) -> Decision:
        """Rank the pool for a query.

        Raises:
            UserError: the query is empty, or the embedder cannot be loaded.
        """
        return self.route_all([query], neighbours)[0]

    def route_all(self, queries: Sequence[str], neighbours: int = 3) -> list[Decision]:
        """Rank the pool for each query; ``neighbours`` is how many of the nearest training queries are returned."""
        return self.route_vectors(self.embed(queries), queries, neighbours)

    def route_vectors(
        self, vectors: np.ndarray, queries: Sequence[str] | None = None, neighbours: int = 3
    ) -> list[Decision]:
        """As :meth:`route_all`, for queries that are embedded already.

        Args:
            vectors: (n, d), by the bundle's embedder; they are normalised to length 1.
            queries: their texts, which the decisions repeat.
            neighbours: how many of the nearest training queries are returned.

        Raises:
            UserError: the vectors have another dimension, or one is zero or not finite.
        """
        vectors = self._unit(vectors)
        queries = [""] * len(vectors) if queries is None else list(queries)
        found: list[Decision] = []
        for start in range(0, len(vectors), BLOCK):
            rows = slice(start, start + BLOCK)
            found += self._route_block(vectors[rows], queries[rows], neighbours)
        return found

    def embed(self, queries: Sequence[str]) -> np.ndarray:
        """The vectors (n, d) float32 of queries from the bundle's embedder, which the first call loads.

        Raises:
            UserError: a query is empty, or the embedder cannot be loaded.
        """
        for number, query in enumerate(queries, start=1):
            if not isinstance(query, str) or not query.strip():
                raise UserError(f"query {number} of {len(queries)} is {query!r}. Give a text that is not empty.")
        return self._embedder.embed(list(queries))

    def close(self) -> None:
        """Free the models that were loaded; the end of the process does so as well."""
        self.stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _embedder(self) -> Any:
        from rgd.engines.opening import close_at_exit, opened

        spec = self.content.routing["embedder"]
        if spec is None:
            raise UserError(
                "this bundle has no embedder: its vectors were given with the dataset. Route vectors from the same "
                "model with route_vectors."
            )
        spec = self.places.of(EMBEDDER, spec)
        engine = self.stack.enter_context(opened(spec, self.cache, self.threads, self.use_hub))
        close_at_exit(self, self.stack)
        return engine

    def _unit(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.asarray(vectors, dtype=np.float32)
        dimension = self.content.embeddings.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != dimension:
            raise UserError(f"the vectors have the shape {vectors.shape}. Give vectors of the shape (n, {dimension}).")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise UserError("a vector is zero or not finite. Check whether its query is empty.")
        # Vectors of length 1 are used unchanged, so that queries are routed as in the workflow, to the last bit.
        return np.where(np.abs(lengths - 1.0) < LENGTH_TOLERANCE, vectors, vectors / lengths)

    def test_queries(self, vectors: np.ndarray, options: Sequence[int] | None = None) -> TestQueries:
        """Queries in the form that a router gets: (n, d) vectors of length 1 with their nearest training queries.

        Args:
            vectors: the queries' vectors.
            options: how many options each query has; by default none.
        """
        return self._queries(vectors, self.content.routing["neighbours"], options)[0]

    def respond(
        self, queries: TestQueries, answers: np.ndarray | None = None, confidence: np.ndarray | None = None
    ) -> Routes:
        """The router's response to the pool's answers, (n, M) codes and confidences; by default there are none."""
        shape = (len(queries.query_ids), len(self.keys))
        return route(
            self.router,
            queries,
            np.full(shape, -1, dtype=np.int32) if answers is None else answers,
            np.full(shape, np.nan) if confidence is None else confidence,
        )

    def _queries(
        self, vectors: np.ndarray, most: int, options: Sequence[int] | None = None
    ) -> tuple[TestQueries, np.ndarray]:
        around, similarity = nearest(vectors, self.content.embeddings, most)
        queries = TestQueries(
            query_ids=np.array([_name(vector) for vector in vectors], dtype=np.str_),
            embeddings=vectors,
            neighbours=around,
            training_embeddings=self.content.embeddings,
            options=np.zeros(len(vectors), dtype=np.int64) if options is None else np.array(options),
        )
        return queries, similarity

    def _route_block(self, vectors: np.ndarray, texts: Sequence[str], neighbours: int) -> list[Decision]:
        queries, similarity = self._queries(vectors, max(self.content.routing["neighbours"], neighbours, 1))
        ranking = contract.rank(self.router, queries)
        found = reasons(self.router, queries)
        asked = {name: members.tolist() for name, members in contract.plans(self.router, queries, ranking).items()}
        # Convert to plain lists once for each block: reading single numbers out of arrays would take most of the time.
        ranked = ranking.tolist()
        scores = None if found.scores is None else np.asarray(found.scores, dtype=np.float64).tolist()
        intervals = None if found.intervals is None else found.intervals.tolist()
        around, near = (
            queries.neighbours[:, : max(neighbours, 1)].tolist(),
            similarity[:, : max(neighbours, 1)].tolist(),
        )
        likeness = np.searchsorted(self._own_nearest, similarity[:, 0], side="right").tolist()
        decisions = []
        for row, text in enumerate(texts):
            close = tuple(self._neighbour(place, value) for place, value in zip(around[row], near[row], strict=True))
            order = tuple(
                self._ranked(member, scores and scores[row], intervals and intervals[row]) for member in ranked[row]
            )
            task = str(found.tasks[row]) if found.tasks is not None else close[0].task
            cluster = _cluster(found, row)
            asks = {
                name: tuple(self.keys[member] for member in rows[row] if member >= 0) for name, rows in asked.items()
            }
            like = likeness[row] / len(self._own_nearest) if len(self._own_nearest) else None
            decisions.append(
                Decision(
                    query=text,
                    ranking=order,
                    score=found.score,
                    asked=asks,
                    task=task,
                    cluster=cluster,
                    nearest=close[:neighbours],
                    similarity=close[0].similarity,
                    likeness=like,
                    why=_why(order, found, task, cluster, close[0]),
                    doubts=(*_doubts(found, row, close[0], like), *self._character.doubts),
                    panels=_panels(order, asks, self._character.explanations),
                )
            )
        return decisions

    def _ranked(self, member: int, scores: Sequence[float] | None, intervals: Sequence[Any] | None) -> Ranked:
        figures = {name: values[member] for name, values in self._character.certainty.items()}
        return Ranked(
            self.keys[member],
            self.titles[member],
            None if scores is None else scores[member],
            None if intervals is None else tuple(intervals[member]),
            figures.get("best_probability"),
            figures.get("expected_regret"),
        )

    def _neighbour(self, place: int, similarity: float) -> Neighbour:
        texts = self._texts
        return Neighbour(texts["query_id"][place], texts["task"][place], texts["question"][place], similarity)

    def _check(self) -> None:
        """Route one training query, to detect a bundle whose parts do not fit together before it is used."""
        members = getattr(self.router, "members_", np.array([])).tolist()
        if members != list(self.keys):
            raise UserError(
                f"the bundle's router ranks {members}, but its manifest names {list(self.keys)}. Export the router again."
            )
        try:
            self._route_block(self.content.embeddings[:1], [""], 1)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, RouterError) as error:
            raise UserError(
                f"the bundle's router cannot route with the bundle's content ({type(error).__name__}: {error}). Export the "
                "router again with this version of rgd."
            ) from error


def _name(vector: np.ndarray) -> str:
    """A query's id by its vector (d,): what a router draws for a query is the same whenever that query comes."""
    # Adding 0 makes -0 the same as 0.
    return hashlib.sha256((np.asarray(vector, dtype=np.float32).round(4) + 0.0).tobytes()).hexdigest()[:16]


def _cluster(found: Reasons, row: int) -> Cluster | None:
    if found.clusters is None or found.sizes is None or found.similarity is None:
        return None
    number = int(found.clusters[row])
    if number < 0:
        return None
    return Cluster(number, int(found.sizes[number]), float(found.similarity[row]))


def _doubts(found: Reasons, row: int, close: Neighbour, likeness: float | None) -> list[Doubt]:
    """Reasons to distrust a decision: the query is unlike all training queries, or in none of their clusters."""
    doubts = []
    if likeness is not None and likeness < FAR_SHARE:
        doubts.append(
            Doubt(
                "unlike_training",
                f"This query is unlike all training queries: the nearest one has similarity {close.similarity:.2f}, less than "
                f"{1 - FAR_SHARE:.0%} of the training queries have to one another.",
                {"similarity": close.similarity, "likeness": likeness},
            )
        )
    if found.clusters is not None and found.clusters[row] < 0 and len(found.sizes if found.sizes is not None else ()):
        doubts.append(
            Doubt(
                "no_cluster",
                "No cluster of training queries is near this query, so the ranking is that over all training queries.",
            )
        )
    return doubts


def _panels(
    order: Sequence[Ranked], asks: Mapping[str, tuple[str, ...]], explanations: Mapping[str, str]
) -> dict[str, str]:
    """Why each variant with several members asks these: the router's own words, or their place in the ranking."""
    ranking = tuple(ranked.member for ranked in order)
    found = {}
    for name, members in asks.items():
        if len(members) < 2:
            continue
        said = f"{name} asks {', '.join(members)}"
        if name in explanations:
            said = explanations[name]
        elif members == ranking[: len(members)]:
            said += f": the first {len(members)} of the ranking."
        else:
            said += ", which this method chooses together."
        found[name] = said
    return found


def _why(order: Sequence[Ranked], found: Reasons, task: str, cluster: Cluster | None, close: Neighbour) -> str:
    said = f"The nearest training query, of the task {close.task}, has similarity {close.similarity:.2f}."
    if cluster is not None:
        of_task = f" of {task}" if found.tasks is not None else ""
        said += f" The nearest cluster{of_task} has {cluster.queries} training queries (similarity {cluster.similarity:.2f})."
    elif found.clusters is not None:
        said += " No cluster of training queries is near, so the figures over all of them decide."
    first = order[0]
    if first.score is None:
        return f"{said} {first.title} is ranked first; this method gives no scores."
    sure = f" {found.standing}" if found.standing else ""
    alike = sum(each.score is not None and abs(each.score - first.score) < TIE for each in order)
    if alike > 1:
        return f"{said} By the {found.score}, {alike} members tie for first place ({first.score:.3g}); the method breaks the tie.{sure}"
    second = f", {order[1].title} {order[1].score:.3g}" if len(order) > 1 else ""
    return f"{said} By the {found.score}: {first.title} {first.score:.3g}{second}.{sure}"
