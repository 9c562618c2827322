"""What a few labels are worth to latent_truth on recorded pools: those it asks for, as many random ones, and labels alone.

  python -m tests.benchmarks.few_labels [--splits 5] [--subpools 36] [--draws 3] [--labels 20 50 100 200] [--json FILE]
It reads the recorded answers as :mod:`tests.benchmarks.label_free` does. For each given pool and split: accuracy on the test
questions minus that of the best single member there, and regret, which is how far the first member is below the best on the
training answers. Labelled routers (kNN, AVENGERS, LLMRANK by the query alone) and the best member by labels learn from as many
random labels. For each random sub-pool: regret alone, unless ``--beside`` is given. A random sub-pool has 4,000 training and
3,000 test questions.
"""

import argparse
import copy
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rgd.datasets.splits import rows_of_part, split
from rgd.routers import make, route
from rgd.routers.base import Labelled, Router, TestQueries, TrainingSet
from rgd.routing.neighbours import nearest
from rgd.seeds import derive_seed
from tests.benchmarks.label_free import POOLS, Source, columns_of, source, subpools

# Labelled routers: method and parameters.
BESIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "knn": ("knn", {}),
    "avengers": ("avengers", {}),
    "llmrank_query_only": ("llmrank", {"use_features": False}),
    "labels alone": ("topk", {}),
}
NEIGHBOURS, TRAINING, TEST = 64, 4000, 3000


@dataclass(frozen=True)
class Case:
    """A pool of ``at`` with training and test rows."""

    name: str
    at: Source
    columns: list[int]
    train: np.ndarray
    test: np.ndarray
    seed: int

    @property
    def right(self) -> np.ndarray:
        return self.at.answers[:, self.columns] == self.at.truth[:, None]

    def queries(self, train: np.ndarray) -> TestQueries:
        """The test queries with their nearest rows of ``train``."""
        at, ids = self.at, np.arange(len(self.at.truth)).astype(str)
        around, _ = nearest(at.embeddings[self.test], at.embeddings[train], min(NEIGHBOURS, len(train)))
        return TestQueries(ids[self.test], at.embeddings[self.test], around, options=at.options[self.test])

    def top1(self, router: Router, queries: TestQueries) -> float:
        """Points of test accuracy of one call above the best single member."""
        where = np.ix_(self.test, self.columns)
        answers = route(router, queries, self.at.answers[where], self.at.confidence[where]).answers["top1"]
        right = answers == self.at.truth[self.test]
        return 100 * float(right.mean() - self.right[self.test].mean(axis=0).max())

    def regret(self, member: int) -> float:
        known = self.right[self.train].mean(axis=0)
        return 100 * float(known.max() - known[member])


def given(splits: int, pools: list[str]) -> Iterator[Case]:
    for name in pools:
        at = source(POOLS[name][0])
        ids = np.arange(len(at.truth)).astype(str)
        parts = split(ids, at.tasks, list(range(splits)), 0.6, 0)
        trains, tests = (rows_of_part(parts, ids, part) for part in ("train", "test"))
        for seed in range(splits):
            yield Case(name, at, columns_of(at, POOLS[name][1]), trains[seed], tests[seed], seed)


def random_ones(count: int, first: int) -> Iterator[Case]:
    for place, (name, columns, number) in enumerate(subpools(first + count)):
        if place >= first:
            at = source(name)
            every = np.random.default_rng(number).permutation(len(at.truth))
            train, test = np.sort(every[:TRAINING]), np.sort(every[TRAINING : TRAINING + TEST])
            yield Case(f"sub-pool of {name}", at, columns, train, test, number)


class Prepared:
    """latent_truth fitted without labels, from which fits with labels start."""

    def __init__(self, train: TrainingSet) -> None:
        self.train = train
        self.router = make("latent_truth", {"budgets": {}, "largest_panel": 1}, {"top1": 1})
        self.router.remember_pool(train)
        self.seen = self.router._read(train)

    def fit(self, labelled: Labelled | None) -> Any:
        router = copy.deepcopy(self.router)
        # What the answers tell without labels is the same for all.
        router._read = lambda train: self.seen
        return router.fit(replace(self.train, labelled=labelled))

    def wants(self, count: int, seed: int) -> np.ndarray:
        router = copy.copy(self.router)
        router._read = lambda train: self.seen
        return router.wants(replace(self.train, seed=seed), count)


def figures(case: Case, labels: list[int], draws: int, beside: list[str], tested: bool) -> Iterator[dict[str, Any]]:
    """A row per way, number of labels and draw: regret, and points above the best single member."""
    train = case.at.training(case.train, case.columns, case.seed)
    truth = case.at.truth[case.train].astype(np.int32)
    prepared = Prepared(train)
    queries = case.queries(case.train) if tested else None

    def row(way: str, count: int, router: Any) -> dict[str, Any]:
        found = {"pool": case.name, "seed": case.seed, "way": way, "labels": count}
        found["regret"] = case.regret(int(router.rankings_[-1, 0]))
        found["expected"] = 100 * float(router.expected_regret_[router.rankings_[-1, 0]])
        found["further"] = router.labels_needed_
        return found | ({} if queries is None else {"top1": case.top1(router, queries)})

    yield row("chosen", 0, prepared.fit(None))
    for draw in range(draws):
        seed = derive_seed(case.seed, "draw", draw)
        chosen = prepared.wants(max(labels), seed)
        random = np.random.default_rng(seed).permutation(len(train.query_ids))
        for count in labels:
            for way, order in (("chosen", chosen), ("random", random)):
                rows = np.sort(order[:count])
                yield row(way, count, prepared.fit(Labelled(rows, truth[rows])))
            rows = np.sort(random[:count])
            first = int((train.answers[rows] == truth[rows, None]).mean(axis=0).argmax())
            yield {
                "pool": case.name,
                "seed": case.seed,
                "way": "labels alone",
                "labels": count,
                "regret": case.regret(first),
            }
        for count in [*labels, 500] if beside and draw == 0 else []:
            rows = np.sort(random[:count])
            part = replace(case.at.training(case.train[rows], case.columns, case.seed), labels=truth[rows])
            near = case.queries(case.train[rows])
            for way in beside:
                method, parameters = BESIDE[way]
                router = make(method, parameters, {"top1": 1})
                fitted = router.fit(part)
                found = {"pool": case.name, "seed": case.seed, "way": way, "labels": count}
                yield found | {"top1": case.top1(fitted, near)}


def table(rows: list[dict[str, Any]], figure: str) -> None:
    """Means over pools of the means over a pool's splits and draws, by way and number of labels."""
    held = [row for row in rows if figure in row]
    found: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in held:
        name = f"{row['pool']} {row['seed']}" if row["pool"].startswith("sub-pool") else row["pool"]
        found[row["way"], row["labels"]][name].append(row[figure])
    counts = sorted({labels for _, labels in found})
    print(f"{figure:34}" + "".join(f"{count:>8}" for count in counts))
    names = list(dict.fromkeys(name for pools in found.values() for name in pools))
    groups = {"given pools": [name for name in names if not name.startswith("sub-pool")]}
    groups["sub-pools"] = [name for name in names if name not in groups["given pools"]]
    groups |= {name: [name] for name in groups["given pools"]}
    for title, members in groups.items():
        for way in dict.fromkeys(way for way, _ in found):
            means = [
                [np.mean(found[way, count][name]) for name in members if name in found[way, count]] for count in counts
            ]
            if any(means):
                shown = "".join(f"{np.mean(mean):8.2f}" if mean else " " * 8 for mean in means)
                print(f"  {title:13} {way:18}{shown}")


def main() -> None:
    """Print regret, then points above the best single member, by number of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", nargs="*", choices=POOLS, default=list(POOLS), help="given pools; default: all")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--subpools", type=int, default=36)
    parser.add_argument("--first", type=int, default=0, help="number of the first sub-pool")
    parser.add_argument("--draws", type=int, default=3, help="of labels, for each split and sub-pool")
    parser.add_argument("--labels", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument(
        "--beside", nargs="*", choices=BESIDE, default=list(BESIDE), help="labelled routers, in given pools"
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for part, beside in (
        (given(chosen.splits, chosen.pools), chosen.beside),
        (random_ones(chosen.subpools, chosen.first), []),
    ):
        for case in part:
            rows += figures(case, chosen.labels, chosen.draws, beside, tested=bool(beside))
            print(f"{case.name} {case.seed}", file=sys.stderr, flush=True)
            if chosen.json:
                chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    for figure in ("regret", "expected", "top1"):
        table(rows, figure)


if __name__ == "__main__":
    main()
