"""Is generated data any good for learning a router? Signs of failure, without labels, each with what to do about it.

Routers without labels learn from agreement, so they fail where members agree by chance or always, where no member is
ahead anywhere, and where all queries fall into one heap (arXiv 2601.09692, section 5, names the weak generators' kinds).
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles
from rgd.analysis.people import tables_by
from rgd.generation.drawing import KEPT, SURPLUS
from rgd.routers import contract
from rgd.routers.base import Router, TestQueries
from rgd.routing.clustering import cosine_silhouette
from rgd.routing.consensus import majority
from rgd.routing.neighbours import nearest
from rgd.routing.rounding import DECIMALS

LIBRARIES = ("numpy",)

FINE, LOOK = "fine", "look"
# From here on a sign is one of failure. Rules of thumb, of which every figure is shown beside its verdict.
FEWEST_QUERIES, LEAST_KEPT, MOST_MISSING = 20, 0.5, 0.1
LEAST_AGREEMENT, MOST_AGREEMENT, LEAST_RATIO = 0.1, 0.9, 2.0
LEAST_SILHOUETTE, MOST_SHARE, MOST_TIES = 0.05, 0.95, 0.25
ITSELF = ": what it says itself"


@dataclass(frozen=True)
class Trained:
    """What a pool and its routers made of a scenario's queries, of one seed.

    Attributes:
        members: M keys.
        tasks: (n,) of the training queries.
        embeddings: (n, d) of length 1.
        answers: (n, M) codes, -1 missing.
        scores: (n, M) consensus scores.
        routers: fitted ones without labels, by key.
        neighbours: how many nearest queries a router is given.
        options: (n,) how many options each query has, for routers that count them.
    """

    members: Sequence[str]
    tasks: np.ndarray
    embeddings: np.ndarray
    answers: np.ndarray
    scores: np.ndarray
    routers: Mapping[str, Router]
    neighbours: int
    options: np.ndarray | None = None


@dataclass(frozen=True)
class Finding:
    """One check: what it is about, its figure, the figure in words, the verdict, and what to do about a bad one."""

    check: str
    value: float
    shown: str
    verdict: str
    advice: str


def findings(trained: Trained, counts: pd.DataFrame) -> list[Finding]:
    """All checks of a scenario and pool.

    Args:
        trained: what was learned.
        counts: of the generator's draws (schemas.GENERATION_COUNTS).
    """
    found = [
        enough(trained.tasks),
        usable(counts),
        readable(trained.members, trained.answers),
        *agreement(trained.answers),
        told_apart(trained.members, trained.scores),
    ]
    queries = own_queries(trained)
    for name, router in trained.routers.items():
        # One that weighs answers in its own way may gain by asking the same members first everywhere.
        if type(router).respond is Router.respond and not router.use_features:
            found.append(constant(name, router, queries))
        if type(router).doubts is not Router.doubts:
            found.append(remarked(name, router))
        if all(hasattr(router, part) for part in ("centroids_", "centroid_tasks_", "scores_")):
            found += clusters(name, router, trained)
    return found


def enough(tasks: np.ndarray) -> Finding:
    """Whether every task has queries to learn from."""
    names, sizes = np.unique(tasks, return_counts=True)
    least = int(sizes.min())
    task = names[sizes.argmin()]
    return _finding(
        "queries per task",
        least,
        f"fewest of {task}: {least}; {len(tasks)} in all",
        least >= FEWEST_QUERIES,
        "Rankings of so few queries are noise. Raise generated_queries in the dataset's file; if the generator ran out of "
        "draws, raise its max_draws_per_task.",
    )


def usable(counts: pd.DataFrame) -> Finding:
    """Which share of the draws that were needed is usable."""
    total = counts.groupby("outcome")["draws"].sum()
    kept = float(total.get(KEPT, 0))
    needed = float(total.sum() - total.get(SURPLUS, 0))
    dropped = total.drop([KEPT, SURPLUS], errors="ignore").sort_values(ascending=False)
    worst = ", ".join(f"{str(name).replace('_', ' ')} {count:g}" for name, count in dropped.head(3).items() if count)
    share = kept / needed if needed else 0.0
    return _finding(
        "usable draws",
        share,
        f"kept {100 * share:.0f} % of {needed:g}" + (f"; dropped: {worst}" if worst else ""),
        share >= LEAST_KEPT,
        "The generator repeats itself or does not keep to the form. Show it worked examples (examples in its file), raise "
        "max_tokens where texts are truncated, raise its temperature where queries repeat, or take a stronger model.",
    )


def readable(members: Sequence[str], answers: np.ndarray) -> Finding:
    """Which share of a member's answers cannot be read, of the member with the most."""
    missing = (answers < 0).mean(axis=0)
    worst = int(missing.argmax())
    return _finding(
        "unreadable answers",
        float(missing[worst]),
        f"{members[worst]} {100 * missing[worst]:.0f} %; all members {100 * missing.mean():.0f} %",
        bool(missing[worst] <= MOST_MISSING),
        "A missing answer agrees with nothing, so the member looks weak. Look at its texts (the audit table), raise max_tokens, "
        "or change its prompt so that it ends in 'The answer is (X)'.",
    )


def agreement(answers: np.ndarray) -> list[Finding]:
    """Whether members agree more than by chance, and not on everything.

    Agreement is that of Fleiss' kappa over the answers given: 0 is what members that answer at random, each as often as it
    does, would reach, and 1 is everything.
    """
    kappa, alike = chance_corrected(answers)
    has_majority = float(majority(answers, min_votes=2).any(axis=1).mean())
    return [
        _finding(
            "agreement beyond chance",
            kappa,
            f"kappa {kappa:.2f}; {100 * has_majority:.0f} % of the queries have a majority answer",
            round(kappa, DECIMALS) >= LEAST_AGREEMENT,
            "Members agree hardly more than by chance, so agreement says nothing about skill. The queries may be too hard, "
            "ill-posed or without a right option: read some, take a stronger generator, or add stronger members.",
        ),
        _finding(
            "queries on which all agree",
            alike,
            f"alike on {100 * alike:.0f} %",
            alike <= MOST_AGREEMENT,
            "The queries are too easy to tell members apart. Ask for harder ones in the tasks' descriptions, or train on a filtered "
            "scenario (GENERATOR-20k-filtered-POOL), which keeps those that members differ on.",
        ),
    ]


def chance_corrected(answers: np.ndarray) -> tuple[float, float]:
    """Pairwise agreement beyond that of shuffled answers (1 is all there could be), and the share of unanimous queries.

    What is expected by chance follows from how often each member gives each answer, so that members that always say A are
    not taken for agreeing. With nothing to compare both are 0.
    """
    n, pool = answers.shape
    codes = np.arange(answers.max(initial=-1) + 1)
    shares = np.array([[(answers[:, member] == code).mean() for code in codes] for member in range(pool)])
    pairs = [(first, second) for first in range(pool) for second in range(first)]
    if not pairs or not len(codes) or not n:
        return 0.0, 0.0
    given = answers >= 0
    observed = float(np.mean([((answers[:, a] == answers[:, b]) & given[:, a]).mean() for a, b in pairs]))
    expected = float(np.mean([shares[a] @ shares[b] for a, b in pairs]))
    alike = float(((answers == answers[:, :1]).all(axis=1) & given.all(axis=1)).mean())
    return (observed - expected) / (1 - expected) if expected < 1 - 1e-12 else 0.0, alike


def told_apart(members: Sequence[str], scores: np.ndarray) -> Finding:
    """How far the best member's mean consensus score is from the worst's, in standard errors of the paired difference."""
    means = scores.mean(axis=0).round(DECIMALS)
    best, worst = int(means.argmax()), int(means.argmin())
    ratios = np.array([_ratio(scores[:, best] - scores[:, member]) for member in range(len(means))])
    near = int((ratios.round(DECIMALS) < LEAST_RATIO).sum())
    return _finding(
        "spread of the ranking",
        float(ratios[worst]),
        f"{members[best]} is {ratios[worst]:.1f} standard errors ahead of {members[worst]}; {near} of {len(means)} members are within "
        f"{LEAST_RATIO:g} of the best",
        bool(ratios[worst].round(DECIMALS) >= LEAST_RATIO),
        "The pool's ranking could be chance. Generate more queries, or give the pool members of different strength or training.",
    )


def own_queries(trained: Trained) -> TestQueries:
    """The training queries as queries to route, each with the others as neighbours and itself as the nearest."""
    around, _ = nearest(trained.embeddings, trained.embeddings, trained.neighbours)
    return TestQueries(
        query_ids=np.arange(len(around)).astype(np.str_),
        embeddings=trained.embeddings,
        neighbours=around,
        tasks=trained.tasks,
        training_embeddings=trained.embeddings,
        options=trained.options,
    )


def constant(name: str, router: Router, queries: TestQueries) -> Finding:
    """Whether the router sends nearly everything to one member."""
    first = contract.rank(router, queries)[:, 0]
    counts = np.bincount(first, minlength=len(router.members_))
    share = float(counts.max() / len(first))
    member = str(router.members_[counts.argmax()])
    return _finding(
        f"{name}: always the same member",
        share,
        f"{member} comes first for {100 * share:.0f} % of its own training queries",
        share <= MOST_SHARE,
        f"The router is no better than {member} alone and costs an embedding more. Either this member is the best everywhere (then use "
        "it), or tasks and queries are too alike: describe the tasks more narrowly, or generate more queries.",
    )


def remarked(name: str, router: Router) -> Finding:
    """What the router itself says against its training queries."""
    said = [doubt.says for doubt in contract.doubts(router)]
    return _finding(
        f"{name}{ITSELF}",
        len(said),
        " ".join(part for part in (contract.standing(router), *said) if part)
        or "nothing in the training queries speaks against it",
        not said,
        "Its ranking and its estimates are guesses to that extent. Generate more queries, or harder ones; docs/latent_truth.md says "
        "what each remark means.",
    )


def clusters(name: str, router: Any, trained: Trained) -> list[Finding]:
    """Whether the clusters are clusters, rank members differently, and have one member ahead."""
    similarity = trained.embeddings @ router.centroids_.T
    own = router.centroid_tasks_ == router.training_tasks_[:, None]
    assigned = np.argmax(np.where(own, similarity, -np.inf).round(6), axis=1)
    silhouettes = []
    for task in range(len(router.task_names_)):
        rows = router.training_tasks_ == task
        labels = np.unique(assigned[rows], return_inverse=True)[1]
        if labels.max(initial=0) > 0:
            silhouettes.append(cosine_silhouette(trained.embeddings[rows], labels))
    mean = float(np.mean(silhouettes)) if silhouettes else 0.0
    scores = router.scores_.round(DECIMALS)
    leaders = scores == scores.max(axis=1, keepdims=True)
    tied = float((leaders.sum(axis=1) > 1)[assigned].mean())
    orders = {tuple(np.argsort(-row, kind="stable").tolist()) for row in scores}
    firsts = {int(row.argmax()) for row in scores}
    count, tasks = len(scores), len(router.task_names_)
    return [
        _finding(
            f"{name}: clusters that are clusters",
            mean,
            f"silhouette {mean:.2f}; {len(silhouettes)} of {tasks} tasks have more than one cluster",
            mean >= LEAST_SILHOUETTE,
            "Queries of a task lie in one heap, so that no niche is found. Describe several kinds of questions in each task, "
            "divide tasks, or generate more queries.",
        ),
        _finding(
            f"{name}: clusters that rank otherwise",
            len(orders) / count,
            f"rankings in {count} clusters: {len(orders)}; members that come first in some: {len(firsts)}",
            len(firsts) > 1 or count == 1,
            "The same member leads everywhere, so there is nothing to route. Add members with other strengths, or narrower tasks.",
        ),
        _finding(
            f"{name}: ties at the top",
            tied,
            f"several members lead alike for {100 * tied:.0f} % of the training queries",
            tied <= MOST_TIES,
            "There the member's name decides who is asked. Generate more queries, so that clusters grow, or ask for harder ones.",
        ),
    ]


def table(found: Mapping[tuple[str, str, str], Sequence[Finding]]) -> pd.DataFrame:
    """The findings by dataset, scenario and pool as rows."""
    return pd.DataFrame(
        [
            {"dataset": dataset, "scenario": scenario, "pool": pool, **vars(finding)}
            for (dataset, scenario, pool), rows in found.items()
            for finding in rows
        ],
        columns=["dataset", "scenario", "pool", "check", "value", "shown", "verdict", "advice"],
    )


def for_people(frame: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, scenario and pool; what to do stands where there is something to look at."""
    shown = {"check": "check", "verdict": "verdict", "shown": "found", "advice": "what to do"}
    keys = ("dataset", "scenario", "pool")
    return tables_by(keys, frame, titles, lambda part: part[[*shown]].rename(columns=shown).reset_index(drop=True))


def in_lines(frame: pd.DataFrame, width: int = 100) -> str:
    """The checks one below the other, as text of at most ``width`` columns, and the sentence of :func:`summary`."""
    lines: list[str] = []
    for title, table in for_people(frame).items():
        lines += [title, ""]
        for check, verdict, found, advice in table.itertuples(index=False, name=None):
            said = " ".join(part for part in (f"{check}: {found}", advice and f"-> {advice}") if part)
            lines += textwrap.wrap(f"{verdict:<5} {said}", width, subsequent_indent=" " * 6)
        lines.append("")
    return "\n".join([*lines, *textwrap.wrap(summary(frame), width)]) + "\n"


def to_be_told(frame: pd.DataFrame) -> pd.DataFrame:
    """The checks that tell a person whether to trust a router: what it says itself, and what there is to look at."""
    return frame[frame["check"].str.endswith(ITSELF) | (frame["verdict"] == LOOK)]


def summary(frame: pd.DataFrame) -> str:
    """A sentence about how many checks there is something to look at in."""
    bad = int((frame["verdict"] == LOOK).sum())
    return (
        f"{bad} of {len(frame)} checks found something to look at. No label is looked at here: that all is fine does not say that the "
        "router is good, which a few questions with answers would tell."
    )


def _finding(check: str, value: float, shown: str, is_fine: bool, advice: str) -> Finding:
    return Finding(check, float(value), shown, FINE if is_fine else LOOK, "" if is_fine else advice)


def _ratio(difference: np.ndarray) -> float:
    """The mean of paired differences in its standard errors; infinite where they never vary, 0 where there are none."""
    mean = float(difference.mean())
    error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else float("inf")
    if round(error, DECIMALS) == 0:
        return float("inf") if round(mean, DECIMALS) else 0.0
    return mean / error
