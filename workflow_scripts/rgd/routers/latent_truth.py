"""Latent truth: whom to ask, how to weigh the answers, and when to stop asking, learned without labels.

docs/latent_truth.md has the derivation, the sources, what was measured, and where it fails.
"""

import copy
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Self

import numpy as np

from rgd.routers.base import (
    Clusters,
    Count,
    Doubt,
    NotNegative,
    Positive,
    Responses,
    Router,
    TestQueries,
    TrainingSet,
    group_means,
    rank_members,
)
from rgd.routing.clustering import cluster_means, kmeans_labels, unit
from rgd.routing.consensus import usable_confidence, z_scores
from rgd.routing.latent_truth import panels
from rgd.routing.latent_truth.confidence import calibrate, group_offsets, log_odds
from rgd.routing.latent_truth.fit import (
    agreement_patterns,
    expected_abilities,
    expected_agreement,
    other_reading,
    pair_agreement,
    readings,
)
from rgd.routing.latent_truth.labelling import (
    FURTHER,
    LITTLE_REGRET,
    doubted,
    drawing_rates,
    drawn,
    evidence,
    learn,
    preferred,
)
from rgd.routing.latent_truth.model import MEAN_ABILITY, Pool, credences, first_givers, infer, possible_answers
from rgd.routing.latent_truth.standing import Standing, others_within_reach, parameter_moves, rereadings, standing
from rgd.routing.rounding import DECIMALS
from rgd.seeds import derive_seed

# A test query less similar to its cluster than all but this share of the cluster's own is like none of them.
FAR_SHARE = 0.01
MOST_CLUSTERS = 8
# How far a member's estimated accuracy in one group may be off the mark beside what the number of queries explains.
GROUP_DEVIATION = 0.025
# Standard deviations on either side of an estimate that make an interval of 0.95.
INTERVAL = 1.96
# From when on a diagnostic is remarked on.
MOST_UNANIMOUS, MOST_UNSETTLED, MOST_FAR, MOST_SHIFT, LEAST_SURE, LEAST_GAP = 0.9, 0.5, 0.1, 0.5, 0.6, 3.0
# With fewer training queries and fewer labels the stated probabilities are too high (docs/latent_truth.md).
LEAST_QUERIES, LEAST_LABELS = 200, 30
# What a guess says of labels.
LABELS = ("labels_used", "labels_needed")


@dataclass(frozen=True)
class _Reading:
    """What n training queries tell without labels and groups.

    Attributes:
        choices, givers: (n,) and (n, M) as rgd.routing.latent_truth.model.infer takes them.
        z, logits: (n, M) confidence, and log-odds by it.
        pool, truth: the model, and the truth (n, M + 1) by it.
        stand: who is the best, if the parameters are those of the model.
        parameters: (M, M) what few queries leave open of the accuracies because they leave it open of the parameters.
    """

    choices: np.ndarray
    givers: np.ndarray
    z: np.ndarray
    pool: Pool
    logits: np.ndarray
    truth: np.ndarray
    stand: Standing
    parameters: np.ndarray


@dataclass(kw_only=True)
class LatentTruth(Router):
    """Query-only router: a latent-truth model of the pool ranks members, picks panels, weighs answers, stops early.

    A variant with k members asks the best panel of k in the query's group and returns its most probable answer. A
    budget's variant asks one member after another until the leading answer is probable enough. The threshold is set so
    that the mean price on the training queries meets the budget. Answers are weighed by the model's estimates of the
    members that gave them, not by ``aggregate``.

    Args:
        budgets: variants that ask one member after another, with the mean price per query, in the unit of the
            training set's prices.
        correlated: whether errors are correlated given the truth; False assumes that they are independent.
        copies: whether to look for members that copy each other.
        sizes: whether to expect larger members to know more, if their sizes are known.
        confidence: whether to weigh answers by their confidence.
        groups: rank members by task and ``cluster``, by ``task``, or over ``all`` queries.
        caution: standard errors by which a group must differ from the level above to have its own ranking.
        cluster_size: training queries per cluster within a task.
        largest_panel: largest panel that is searched for; a larger one adds the best of the other members.

    Learned:
        ability_ (M,), spread_, kappa_, floor_, parent_ (M,) int, copying_ (M,) (see rgd.routing.latent_truth.model.Pool), slope_ (M,),
        task_names_ (T,), training_tasks_ (n,) int32, centroids_ (C, d) float32 unit rows, centroid_tasks_ (C,) int32,
        nearest_ (C,) lowest similarity to each centroid that is not far, offsets_ (C + 1, M) log-odds, rankings_
        (C + 1, M) int32 and the estimates_ behind them, estimated accuracies, the last row for queries far from all
        clusters, sizes_ (C,) training queries of each, panels_ (L, C + 1, M) int32, members with
        the best panel of 1, 2, ... first, in the order of the ranking, panel_worth_ (L, 4), over all queries, how probably the
        answer of the best panel of 1, 2, ... is right and any of its members' answers, and the same of as many first members,
        other_leader_ and other_gap_ (see rgd.routing.latent_truth.fit.other_reading), prices_ (M,), stopping_VARIANT_ (6,)
        (see rgd.routing.latent_truth.panels.Stopping), starts_VARIANT_ (the member that is asked first, -1 for the ranking's), accuracy_ (M,)
        estimated share of right answers, deviation_ (M,) its standard deviation, best_probability_ (M,) that each member is the
        most accurate, expected_regret_ (M,) by how much less accurate than the best each is expected to be, labels_used_,
        labels_needed_ (how many more would decide, see rgd.routing.latent_truth.labelling.Learned), with labels trust_VARIANT_
        (how many times as probable as the best member's another answer has to be for the panel to give it), diagnostic_names_, diagnostics_.
    """

    compares_answers = True
    family = "query-only"
    asks_for_labels = True
    counts_options = True
    weighs_prices = True
    knows_sizes = True
    variants = MappingProxyType({"top1": 1, "top3": 3})

    score_title = "estimated accuracy"

    budgets: Mapping[str, Positive] = field(
        default_factory=lambda: {"sequential1.5": 1.5, "sequential2": 2.0, "sequential3": 3.0}
    )
    correlated: bool = True
    copies: bool = True
    sizes: bool = True
    confidence: bool = True
    groups: Literal["all", "task", "cluster"] = "cluster"
    caution: NotNegative = 2.0
    cluster_size: Count = 250
    largest_panel: Count = 3

    def __post_init__(self) -> None:
        for name in self.budgets:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                raise ValueError(f"budgets has {name!r}: a name has letters, digits, dots, underscores and hyphens.")

    def fit(self, train: TrainingSet) -> Self:
        """Learn from the training queries' answers, and from ``train.labelled``; ``train.labels`` are not looked at."""
        self.remember_pool(train)
        answers, groups = train.answers, self._find_groups(train)
        seen = self._read(train)
        rows, right = few_labels(train)
        learned = learn(seen.givers, seen.truth, seen.stand, rows, right, seen.parameters)
        self.labels_used_, self.labels_needed_ = len(rows), learned.further
        stand = learned.posterior
        self.best_probability_, self.expected_regret_ = stand.best(), stand.regret()
        self.deviation_ = stand.deviation
        self.accuracy_ = credences(seen.givers, learned.truth).mean(axis=0)
        # The judge of members and panels is the truth as the pool and the labels see it everywhere: no group may acquit itself.
        truth = learned.truth
        self.ability_ += learned.shift
        logits = seen.logits + learned.shift
        self._learn_offsets(group_offsets(seen.givers, seen.choices, logits, seen.pool, groups, self.caution), groups)
        logits = logits + self.offsets_[self._finest(groups, len(answers))]
        finest = self._choose_panels(answers, seen.choices, logits, truth, groups)
        self.prices_ = np.ones(len(self.members_)) if train.prices is None else np.asarray(train.prices, np.float64)
        if learned.chance is not None:
            self._choose_trust(train, seen, logits, finest, learned.chance)
        self._set_thresholds(answers, seen.choices, logits, truth, finest)
        self._diagnose(answers, seen.choices, seen.z, truth)
        return self

    def wants(self, train: TrainingSet, count: int) -> np.ndarray:
        """The queries on which the members that may be the best are expected to be farthest apart, drawn at random by that."""
        router = copy.copy(self)
        router.remember_pool(train)
        seen = router._read(train)
        rates = drawing_rates(seen.givers, seen.truth, seen.stand.best())
        return drawn(rates, train.query_ids, train.seed)[:count]

    def _read(self, train: TrainingSet) -> _Reading:
        """What the answers tell without labels and groups; learns the parameters of the model."""
        answers, choices = train.answers, possible_answers(train.options, len(train.answers))
        z = self._z(answers, train.confidence)
        expected: np.ndarray | float = MEAN_ABILITY[0]
        if self.sizes and train.parameters_billion is not None:
            expected = expected_abilities(train.parameters_billion)
        found = readings(answers, choices, self.correlated, self.copies, expected)
        pool = found[0][1]
        self.other_leader_, self.other_gap_ = other_reading(found)
        self.spread_, self.kappa_, self.floor_ = pool.spread, pool.kappa, pool.floor
        self.parent_, self.copying_ = pool.parent, pool.copying
        givers = first_givers(answers)
        self.ability_, self.slope_ = pool.ability.copy(), np.zeros(len(self.members_))
        if self.confidence:
            self.ability_, self.slope_ = calibrate(givers, choices, z, pool)
        logits = log_odds(self.ability_, self.slope_, z)
        truth = infer(givers, choices, logits, pool).truth
        patterns = agreement_patterns(answers, choices)
        apart = rereadings(*patterns, pool) if self.correlated else np.zeros((0, len(self.members_)))
        stand = standing(credences(givers, truth), apart, others_within_reach(found, *patterns))
        moves = parameter_moves(*patterns, pool, self.correlated)
        return _Reading(choices, givers, z, pool, logits, truth, stand, moves.T @ moves)

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The estimated accuracies (n, M) in each query's group."""
        return self.estimates_[self._groups(queries)[0]]

    def clusters(self, queries: TestQueries) -> Clusters | None:
        """The nearest cluster of the task of each query's nearest training query; -1 where the query is far from it.

        None where ``groups`` is ``all``.
        """
        if self.groups == "all":
            return None
        groups, similarity = self._groups(queries)
        numbers = np.where(groups < len(self.centroids_), groups, -1)
        return Clusters(numbers, similarity, self.sizes_, tasks=self.task_names_[self._tasks(queries)])

    def respond(self, queries: TestQueries, ranking: np.ndarray, answers: np.ndarray, z: np.ndarray) -> Responses:
        """Ask the panels, and one member after the other; an answer counts only if its member is asked."""
        group, _ = self._groups(queries)
        choices = possible_answers(queries.options, len(answers))
        logits = log_odds(self.ability_, self.slope_, self._known(z), self.offsets_[group])
        given, asked = {}, self._panels(group)
        for name in self.variants:
            given[name], _ = self._lead(answers, choices, logits, asked[name], ranking, self._trust(name))
        runs: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        for name in self.budgets:
            start = int(getattr(self, f"starts_{name}_"))
            if start not in runs:
                order = _starting(ranking, start)
                runs[start] = order, *self._one_by_one(answers, choices, logits, order, ranking)
            order, claimed, certain = runs[start]
            heard = panels.stops(certain, self._stopping(name).thresholds(queries.query_ids))
            given[name] = claimed[np.arange(len(answers)), heard - 1]
            asked[name] = np.where(np.arange(order.shape[1]) < heard[:, None], order, -1).astype(np.int32)
        return Responses({name: codes.astype(np.int32) for name, codes in given.items()}, asked)

    def plans(self, queries: TestQueries, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """The panels, and for each budget the order in which members are asked."""
        orders = {name: _starting(ranking, int(getattr(self, f"starts_{name}_"))) for name in self.budgets}
        return self._panels(self._groups(queries)[0]) | orders

    def _panels(self, group: np.ndarray) -> dict[str, np.ndarray]:
        """For every variant the panel (n, k) of each query's ``group``."""
        return {
            name: self.panels_[min(count, len(self.panels_)) - 1][group][:, :count]
            for name, count in self.variants.items()
        }

    def standing(self) -> str:
        """How surely the first member over all queries is the best one, and what is lost in expectation if it is not."""
        if not hasattr(self, "best_probability_"):
            return ""
        first = int(self.rankings_[-1, 0])
        others = np.where(np.arange(len(self.members_)) == first, -1.0, self.best_probability_)
        second = int(others.round(DECIMALS).argmax())
        said = f"Over all queries {self.members_[first]} is the best member with probability {self.best_probability_[first]:.2f}"
        if len(self.members_) > 1:
            said += f" ({self.members_[second]}: {others[second]:.2f})"
        said += (
            f"; asking it alone is expected to cost {100 * self.expected_regret_[first]:.1f} points against the best."
        )
        return f"{said} {self._on_labels()}".rstrip()

    def explanations(self) -> dict[str, str]:
        """Why the panels have these members over all queries, and what the budgets' variants will cost."""
        # Routers of earlier versions do not know.
        if not hasattr(self, "panel_worth_"):
            return {}
        found = {
            name: self._why(name, count) for name, count in self.variants.items() if 1 < count <= len(self.panels_)
        }
        n = int(self.diagnostics_[self.diagnostic_names_.tolist().index("queries")])
        unit = " calls" if (self.prices_ == 1.0).all() else ""
        for name in self.budgets:
            rule = self._stopping(name)
            low, high = rule.interval(n, n)
            found[name] = (
                f"{name} costs {rule.price:.3g}{unit} a query on the training queries; {low:.3g} to {high:.3g} are expected on as "
                "many other queries of their kind (95 %)."
            )
        return found

    def _why(self, name: str, count: int) -> str:
        """What the panel of ``count`` members over all queries has ahead of its first member and of the ``count`` best ones."""
        worth, covered, best_worth, best_covered = (100 * self.panel_worth_[count - 1]).tolist()
        panel, best = self.panels_[count - 1, -1, :count], self.rankings_[-1, :count]
        alone = 100 * self.panel_worth_[0, 0]
        said = (
            f"{name} asks {_listed(self.members_[panel])} where no group differs: one of them is right on {covered:.0f} % of the "
            f"training queries by the estimates, and their answer on {worth:.1f} % ({self.members_[best[0]]} alone: {alone:.1f} %)."
        )
        if set(panel.tolist()) == set(best.tolist()):
            return f"{said} They are also the {count} best members."
        return (
            f"{said} The {count} best members ({_listed(self.members_[best])}) err more alike: one of them is right on "
            f"{best_covered:.0f} %, their answer on {best_worth:.1f} %."
        )

    def _on_labels(self) -> str:
        """How many labels were used, and how many more would decide; empty where the fit did not look at that."""
        if not hasattr(self, "labels_needed_"):
            return ""
        count = self.labels_used_
        used = f"This rests on {count} label{'s' if count > 1 else ''}" if count else "This rests on no label"
        if not self.labels_needed_:
            return f"{used}; more are not needed."
        more, little = "more labels" if self.labels_used_ else "labels", f"{100 * LITTLE_REGRET:g} points"
        if self.labels_needed_ < 0:
            value = dict(zip(self.diagnostic_names_.tolist(), self.diagnostics_.tolist(), strict=True))
            most = min(FURTHER[-1], int(value["queries"]) - count)
            return f"{used}; {more} of these queries (at most {most:,}) would not bring the cost under {little}."
        return f"{used}; about {self.labels_needed_} {more} would bring the cost under {little}."

    def certainty(self) -> dict[str, np.ndarray]:
        """How probably each member is the best over all queries, and what asking it alone is expected to lose."""
        if not hasattr(self, "best_probability_"):
            return {}
        return {"best_probability": self.best_probability_, "expected_regret": self.expected_regret_}

    def intervals(self, queries: TestQueries) -> np.ndarray | None:
        """The intervals (n, M, 2) of the estimated accuracies; a smaller group is known less well."""
        if not hasattr(self, "deviation_"):
            return None
        accuracy = self.estimates_
        variance = np.repeat(self.deviation_[None] ** 2, len(accuracy), axis=0)
        if self.groups != "all":
            within = accuracy[:-1] * (1.0 - accuracy[:-1]) / np.maximum(self.sizes_, 1)[:, None]
            variance[:-1] += GROUP_DEVIATION**2 + np.maximum(within, 0.0)
        width = INTERVAL * np.sqrt(variance)
        bounds = np.stack([accuracy - width, accuracy + width], axis=-1).clip(0.0, 1.0)
        return bounds[self._groups(queries)[0]]

    def doubts(self) -> list[Doubt]:
        """What in the training queries is a reason to distrust the router."""
        # Bundles of earlier versions lack some of this.
        value = {"best_probability": 1.0, "expected_regret": 0.0} | dict(
            zip(self.diagnostic_names_.tolist(), self.diagnostics_.tolist(), strict=True)
        )
        found = []
        if value["unanimous"] > MOST_UNANIMOUS:
            found.append(
                Doubt(
                    "unanimous",
                    f"On {value['unanimous']:.0%} of the training queries all members agree: they are too easy, or too "
                    "alike, to tell members apart.",
                    {"share": value["unanimous"]},
                )
            )
        if value["unsettled"] > MOST_UNSETTLED:
            found.append(
                Doubt(
                    "unsettled",
                    f"On {value['unsettled']:.0%} of the training queries no answer is more probable than not: they are "
                    "too hard, or have no right answer.",
                    {"share": value["unsettled"]},
                )
            )
        labels = int(getattr(self, "labels_used_", 0))
        if value["queries"] < LEAST_QUERIES and labels < LEAST_LABELS:
            found.append(
                Doubt(
                    "few_queries",
                    f"It learned from {value['queries']:.0f} training queries and {labels} label{'s' * (labels != 1)}. With fewer "
                    f"than {LEAST_QUERIES} queries and {LEAST_LABELS} labels the probabilities that it states are too high.",
                    {"queries": int(value["queries"]), "labels": labels},
                )
            )
        # Where different members are the first of different groups, it is no matter who leads over all of them.
        if value["best_probability"] < LEAST_SURE and len(set(self.rankings_[:, 0].tolist())) == 1:
            found.append(
                Doubt(
                    "guess",
                    "Which member is the best is a guess: the answers do not tell the first ones apart.",
                    {name: value[name] for name in ("best_probability", "expected_regret")}
                    | {name: float(getattr(self, f"{name}_")) for name in LABELS if hasattr(self, f"{name}_")},
                )
            )
        # Labels tell which reading is right.
        if getattr(self, "other_gap_", LEAST_GAP) < LEAST_GAP and not (
            getattr(self, "labels_used_", 0) and value["best_probability"] >= LEAST_SURE
        ):
            odds = "as" if self.other_gap_ <= 0.5 else f"{np.exp(-self.other_gap_):.1g} times as"
            leader = str(self.members_[self.other_leader_])
            found.append(
                Doubt(
                    "other_reading",
                    f"The answers can be read in another way, {odds} probable, in which {leader} knows "
                    "most: members that agree with each other alone may be right or wrong together.",
                    {"leader": leader, "odds": float(np.exp(-self.other_gap_))},
                )
            )
        least, most = float(self.prices_.min()), float(self.prices_.sum())
        for name, budget in self.budgets.items():
            if not panels.within(least, budget):
                said = f"The budget of {name} is {budget:g}, but the cheapest member costs {least:.4g} a call."
            elif not panels.within(budget, most):
                said = f"The budget of {name} is {budget:g}, but all members together cost {most:.4g} a query."
            else:
                continue
            found.append(Doubt("budget", said, {"variant": name, "budget": budget, "least": least, "most": most}))
        return found

    def remarks_on(self, queries: TestQueries, z: np.ndarray) -> list[str]:
        """What in the test queries is a reason to distrust the router: how far they are from the training queries."""
        groups, _ = self._groups(queries)
        far = float((groups == len(self.centroids_)).mean()) if self.groups != "all" else 0.0
        found = []
        if far > MOST_FAR:
            found.append(
                f"{far:.0%} of the test queries are like none of the training queries (as {FAR_SHARE:.0%} of these "
                "are); they are routed by what holds of all training queries."
            )
        with np.errstate(invalid="ignore"):
            shift = np.array(
                [column[np.isfinite(column)].mean() if np.isfinite(column).any() else 0.0 for column in z.T]
            )
        if np.abs(shift).max() > MOST_SHIFT:
            member = int(np.argmax(np.abs(shift).round(DECIMALS)))
            found.append(
                f"The confidence of {self.members_[member]} is {shift[member]:+.1f} standard deviations off that on the "
                "training queries: they are easier or harder than the test queries, and prices will differ."
            )
        return found

    def _z(self, answers: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        return self._known(z_scores(usable_confidence(answers, confidence), self.mu_, self.sigma_))

    def _known(self, z: np.ndarray) -> np.ndarray:
        return z if self.confidence else np.full_like(z, np.nan)

    def _pool(self) -> Pool:
        # Routers of earlier versions have no floor.
        floor = float(getattr(self, "floor_", 0.0))
        return Pool(self.ability_, float(self.spread_), float(self.kappa_), self.parent_, self.copying_, floor=floor)

    def _learn_offsets(self, offsets: Sequence[np.ndarray], groups: Sequence[np.ndarray]) -> None:
        self.offsets_ = np.zeros((len(self.centroids_) + 1, len(self.members_)))
        for part, group in zip(offsets, groups, strict=True):
            self.offsets_[:-1] += part[self._at_level(group, groups)]

    def _find_groups(self, train: TrainingSet) -> list[np.ndarray]:
        """The groups of each level, coarse to fine, and the clusters that test queries are assigned to."""
        self.task_names_, tasks = np.unique(train.tasks, return_inverse=True)
        self.training_tasks_ = tasks.astype(np.int32)
        clusters = np.zeros(len(tasks), dtype=np.int64)
        centroids: list[np.ndarray] = []
        owners: list[np.ndarray] = []
        lowest: list[float] = []
        for task, name in enumerate(self.task_names_):
            rows = np.flatnonzero(tasks == task)
            count = int(np.clip(len(rows) // self.cluster_size, 1, MOST_CLUSTERS)) if self.groups == "cluster" else 1
            points = np.ascontiguousarray(train.embeddings[rows], dtype=np.float32)
            seed = derive_seed(train.seed, "latent_truth", str(name))
            labels = kmeans_labels(points, count, seed) if count > 1 else np.zeros(len(rows), dtype=np.int32)
            means = unit(cluster_means(points, labels)).astype(np.float32)
            similarity = (points * means[labels]).sum(axis=1)
            clusters[rows] = labels + len(lowest)
            centroids.append(means)
            owners.append(np.full(len(means), task, dtype=np.int32))
            lowest += [float(np.quantile(similarity[labels == label], FAR_SHARE)) for label in range(len(means))]
        self.centroids_, self.centroid_tasks_ = np.concatenate(centroids), np.concatenate(owners)
        self.nearest_ = np.array(lowest)
        self.sizes_ = np.bincount(clusters, minlength=len(lowest)).astype(np.int32)
        if self.groups == "all":
            return []
        return [tasks] if self.groups == "task" or len(self.centroids_) == len(self.task_names_) else [tasks, clusters]

    def _at_level(self, group: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
        """For each cluster, its group at the level of ``group``."""
        finest = self._finest(groups, len(group))
        found = np.zeros(len(self.centroids_), dtype=np.int64)
        found[finest] = group
        return found

    def _finest(self, groups: Sequence[np.ndarray], n: int) -> np.ndarray:
        """The cluster of each training query; without groups, the place of queries that are in none."""
        return groups[-1] if groups else np.full(n, len(self.centroids_))

    def _tasks(self, queries: TestQueries) -> np.ndarray:
        return self.training_tasks_[queries.nearest(1, len(self.training_tasks_))[:, 0]]

    def _groups(self, queries: TestQueries) -> tuple[np.ndarray, np.ndarray]:
        """The row (n,) of ``estimates_`` that holds for each query, and its similarity (n,) to the nearest cluster.

        The cluster is the nearest one of the task of the query's nearest training query. The last row holds for a query
        far from it, and for every query where ``groups`` is ``all``.
        """
        task = self._tasks(queries)
        similarity = np.asarray(queries.embeddings, dtype=np.float32) @ self.centroids_.T
        similarity = np.where(self.centroid_tasks_ == task[:, None], similarity, -np.inf).round(6)
        nearest = np.argmax(similarity, axis=1)
        close = similarity[np.arange(len(nearest)), nearest]
        # A training query that is the farthest of its cluster is not far, however its similarity is rounded.
        far = (close < self.nearest_[nearest] - 1e-6) | (self.groups == "all")
        return np.where(far, len(self.centroids_), nearest), close

    def _choose_panels(
        self,
        answers: np.ndarray,
        choices: np.ndarray,
        logits: np.ndarray,
        truth: np.ndarray,
        groups: Sequence[np.ndarray],
    ) -> np.ndarray:
        """Rank members and choose panels in every group; gives the group of each training query."""
        members, pool = len(self.members_), self._pool()
        rows = self._finest(groups, len(answers))
        singles = [(member,) for member in range(members)]
        value = np.stack([panels.credence(truth, answers, column) for column in answers.T])
        mean = np.full(len(self.centroids_) + 1, value.mean())
        if groups:
            mean[:-1] = group_means(value.mean(axis=0)[:, None], rows, len(self.centroids_))[:, 0]
        self.estimates_ = self._by_cluster(value, groups, GROUP_DEVIATION) + mean[:, None]
        self.rankings_ = rank_members(self.estimates_, self.members_)
        best, chosen, worth = panels.grow(singles, value), [self.rankings_], []

        def judged(panel: tuple[int, ...]) -> list[float]:
            (value,) = panels.values([panel], answers, choices, logits, pool, truth)
            return [float(value.mean()), float(panels.coverage(truth, answers, panel).mean())]

        worth.append(2 * judged((int(self.rankings_[-1, 0]),)))
        for size in range(2, min(self.largest_panel, members) + 1):
            tried = panels.candidates(size, members, best)
            value = panels.values(tried, answers, choices, logits, pool, truth)
            best = panels.grow(tried, value)
            # Of equally good panels the first.
            picked = np.argmax(self._by_cluster(value, groups).round(DECIMALS), axis=1)
            inside = (np.array(tried)[picked][:, None] == self.rankings_[:, :, None]).any(axis=2)
            chosen.append(np.take_along_axis(self.rankings_, np.argsort(~inside, axis=1, kind="stable"), axis=1))
            first = tuple(sorted(self.rankings_[-1, :size].tolist()))
            worth.append(judged(tried[picked[-1]]) + judged(first))
        self.panel_worth_ = np.array(worth)
        self.panels_ = np.stack(chosen).astype(np.int32)
        return rows

    def _by_cluster(self, value: np.ndarray, groups: Sequence[np.ndarray], least: float = 0.0) -> np.ndarray:
        """The shrunk values (C + 1, P) of panels in each cluster and, last, among all queries."""
        levels = panels.group_values(value, groups, self.caution, least)
        if not groups:
            return np.repeat(levels[0], len(self.centroids_) + 1, axis=0)
        return np.concatenate([levels[-1], levels[0]])

    def _set_thresholds(
        self, answers: np.ndarray, choices: np.ndarray, logits: np.ndarray, truth: np.ndarray, rows: np.ndarray
    ) -> None:
        """For each budget, whom to ask first and how probable an answer ends the asking."""
        prices = self.prices_
        # Where all cost the same the best member is asked first; else each is tried as the first.
        starts = [-1] if np.ptp(prices / prices.max()) < 10.0**-DECIMALS else [-1, *range(len(prices))]
        runs = {}
        for start in starts if self.budgets else []:
            ranking = self.rankings_[rows]
            order = _starting(ranking, start)
            claimed, certain = self._one_by_one(answers, choices, logits, order, ranking)
            right = np.stack([panels.credence(truth, answers, column) for column in claimed.T], axis=1)
            runs[start] = certain, prices[order], right
        for name, budget in self.budgets.items():
            best: tuple[tuple[bool, float], int, panels.Stopping] | None = None
            for start, (certain, price, right) in runs.items():
                found = panels.stopping(budget, certain, price, right)
                # Within the budget the more accurate, otherwise the cheaper; of equals the first.
                fits = panels.within(found.price, budget)
                key = (fits, round(found.worth if fits else -found.price, DECIMALS))
                if best is None or key > best[0]:
                    best = key, start, found
            assert best is not None
            setattr(self, f"starts_{name}_", best[1])
            setattr(self, f"stopping_{name}_", np.array(dataclasses.astuple(best[2])))

    def _choose_trust(
        self, train: TrainingSet, seen: _Reading, logits: np.ndarray, rows: np.ndarray, chance: np.ndarray
    ) -> None:
        """For each panel, how many times as probable as the best member's another answer has to be, by the labels.

        Args:
            logits: (n, M) with what groups add.
            rows: (n,) the group of each query.
            chance: (n,) that it is labelled.
        """
        labelled, _ = few_labels(train)
        assert train.labelled is not None
        likely = doubted(seen.givers, seen.truth)
        for name, count in self.variants.items():
            if min(count, len(self.members_)) < 2:
                continue
            asked = self.panels_[min(count, len(self.panels_)) - 1][rows][:, :count]
            claimed = np.stack(
                [
                    self._lead(train.answers, seen.choices, logits, asked, self.rankings_[rows], trust)[0]
                    for trust in panels.TRUSTS
                ],
                axis=1,
            )
            givers = np.stack([panels.first_with(train.answers, column) for column in claimed.T], axis=1)
            right = (claimed[labelled] == train.labelled.codes[:, None]) & (claimed[labelled] >= 0)
            found = evidence(givers, seen.truth, likely, labelled, right, chance)
            trust = panels.TRUSTS[preferred(found, panels.TRUSTS.index(panels.PANEL_TRUST))]
            setattr(self, f"trust_{name}_", trust)

    def _trust(self, name: str) -> float:
        return float(getattr(self, f"trust_{name}_", panels.PANEL_TRUST))

    def _stopping(self, name: str) -> panels.Stopping:
        # Bundles of earlier versions have one threshold, and say nothing of who is the best.
        if not hasattr(self, f"stopping_{name}_"):
            level = float(getattr(self, f"threshold_{name}_"))
            return panels.Stopping(low=level, high=level, share=0.0, price=np.nan, spread=np.nan, worth=np.nan)
        return panels.Stopping(*getattr(self, f"stopping_{name}_").tolist())

    def _lead(
        self,
        answers: np.ndarray,
        choices: np.ndarray,
        logits: np.ndarray,
        asked: np.ndarray,
        ranking: np.ndarray,
        trust: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The leading answer of the asked members (n, k) and its probability, by their answers alone (see panels.lead)."""
        heard = np.zeros(answers.shape, dtype=bool)
        np.put_along_axis(heard, asked.astype(np.int64), True, axis=1)
        return panels.lead(np.where(heard, answers, -1), choices, logits, self._pool(), ranking, trust)

    def _one_by_one(
        self, answers: np.ndarray, choices: np.ndarray, logits: np.ndarray, order: np.ndarray, ranking: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The leading answer after each of the members in ``order`` (n, M), and its probability, both (n, M)."""
        steps = [
            self._lead(answers, choices, logits, order[:, : count + 1], ranking, panels.SEQUENCE_TRUST)
            for count in range(order.shape[1])
        ]
        return np.stack([claimed for claimed, _ in steps], axis=1), np.stack([certain for _, certain in steps], axis=1)

    def _diagnose(self, answers: np.ndarray, choices: np.ndarray, z: np.ndarray, truth: np.ndarray) -> None:
        """What tells whether the training queries can teach anything (see :meth:`remarks`)."""
        givers, given = first_givers(answers), answers >= 0
        number = given.sum(axis=1)
        votes = np.stack([(givers == member).sum(axis=1) for member in range(answers.shape[1])], axis=1)
        several = number > 1
        ranked = self.rankings_[-1]
        alike, _ = pair_agreement(givers, np.ones(len(answers)))
        excess = alike - expected_agreement(self._pool(), givers, choices, np.ones(len(answers)))
        pairs = excess[np.tril_indices(len(excess), -1)] if len(excess) > 1 else np.zeros(1)
        found = {
            "queries": float(len(answers)),
            "missing": float((~given).mean()),
            "unanimous": float((votes.max(axis=1) == number)[several].mean()) if several.any() else 0.0,
            "unsettled": float((truth[:, :-1].max(axis=1).round(DECIMALS) <= 0.5).mean()),
            "best_probability": float(self.best_probability_[ranked[0]]),
            "expected_regret": float(self.expected_regret_[ranked[0]]),
            "excess_agreement": float(pairs.max()),
            "lacking_agreement": float(pairs.min()),
            "told_apart": float((self.offsets_[:-1] != 0).mean()) if len(self.offsets_) > 1 else 0.0,
            "confident": float(np.isfinite(z).mean()),
        }
        self.diagnostic_names_ = np.array(list(found), dtype=np.str_)
        self.diagnostics_ = np.array(list(found.values()))


def few_labels(train: TrainingSet) -> tuple[np.ndarray, np.ndarray]:
    """The rows (l,) with a label, and which answers to them are right, (l, M)."""
    if train.labelled is None:
        return np.zeros(0, dtype=np.int64), np.zeros((0, len(train.members)), dtype=bool)
    rows = train.labelled.rows
    return rows, (train.answers[rows] == train.labelled.codes[:, None]) & (train.answers[rows] >= 0)


def _listed(names: np.ndarray) -> str:
    *most, last = names.tolist()
    return f"{', '.join(most)} and {last}" if most else str(last)


def _starting(ranking: np.ndarray, start: int) -> np.ndarray:
    """The rankings (n, M) with member ``start`` moved to the front; -1 leaves them."""
    if start < 0:
        return ranking
    rest = ranking[ranking != start].reshape(len(ranking), -1)
    return np.column_stack([np.full(len(ranking), start, dtype=ranking.dtype), rest])


ROUTER = LatentTruth
