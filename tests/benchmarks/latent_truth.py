"""What the router latent_truth gains over others, and what each of its parts brings, on recorded answers.

Run the experiment first, at least these cells, then this:
  snakemake --cores 2 --config experiment=recorded data_root=DIR
  python -m tests.benchmarks.latent_truth
Each part is left out in turn: the router is fitted anew on every split and routes its test questions. Differences are
paired by question, averaged over the splits; their intervals come from 2,000 bootstrap draws of questions. Development
was on questions with even ids, so the odd ones are the default.
"""

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rgd.answers.pool import COLUMNS, pool_answers
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import list_matrix, read_table
from rgd.routers import make, route
from rgd.routers.base import TestQueries
from rgd.routing.training import option_counts, training_sets

ROOT = Path(__file__).parents[2]
DATASET = "mmlu_pro_recorded"
POOLS = ("large_recorded", "small_recorded")
PARTS: Mapping[str, dict[str, Any]] = {
    "all parts": {},
    "errors independent given the truth": {"correlated": False},
    "no confidence": {"confidence": False},
    "the k best members, not the best k": {"largest_panel": 1},
    "no groups": {"groups": "all"},
    "tasks, no clusters": {"groups": "task"},
    "no caution about groups": {"caution": 0.0},
    "no search for copies": {"copies": False},
    "sizes not known": {"sizes": False},
}
BUDGETS = {f"calls{budget:g}": budget for budget in (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)}
DRAWS = 2000
# Of each pair the left is compared with the right; a list stands for the best of several.
OTHERS = {
    "top1": [("topk", "top1")],
    "top3": [("cascal", "top3"), ("cascal_released", "top3"), ("cascal", "top1"), ("cascal_released", "top1")],
}


class Answers:
    """The questions, labels and a pool's answers."""

    def __init__(self, results: Path, pool: str, splits: int = 5) -> None:
        cell = f"{DATASET}/real/{pool}"
        self.results, self.pool, self.cell, self.splits = results, pool, cell, splits
        training = read_table(results / f"training/{cell}.parquet", ["member"])
        self.members = list(dict.fromkeys(training["member"].to_pylist()))
        paths = [results / f"responses/{DATASET}/benchmark/{member}.parquet" for member in self.members]
        tables = [read_table(path, COLUMNS) for path in paths]
        self.ids = texts(tables[0]["query_id"])
        labels = read_table(results / f"labels/{DATASET}/benchmark.parquet")
        label = texts(labels["label"])[rows_in(texts(labels["query_id"]), self.ids)]
        answers = pool_answers(tables, label)
        self.codes, self.confidence, self.truth = answers.codes, answers.confidence, answers.labels
        self.questions = read_table(results / f"questions/{DATASET}/benchmark.parquet", ["query_id", "task", "options"])
        sizes = yaml.safe_load((ROOT / f"config/pool/{pool}.yaml").read_text())["parameters_billion"]
        self.sizes = np.array([sizes[member] for member in self.members])
        self.embeddings = results / f"embeddings/{DATASET}/benchmark.parquet"

    def routed(self, parameters: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray, Any, float]]:
        """For each split: its seed, the rows of its test questions, the routes, and the CPU seconds of the fit."""
        neighbours = read_table(
            self.results / f"neighbours/{DATASET}/real.parquet", ["seed", "query_id", "training_rows"]
        )
        sets = training_sets(
            read_table(self.results / f"training/{self.cell}.parquet"), self.questions, self.embeddings, self.members
        )
        for train in itertools.islice(sets, self.splits):
            part = neighbours.filter(neighbours["seed"].to_numpy() == train.seed)
            ids = texts(part["query_id"])
            rows = rows_in(self.ids, ids)
            options = option_counts(self.questions)
            queries = TestQueries(
                ids, vectors_of(self.embeddings, ids), list_matrix(part["training_rows"]), options=options[rows]
            )
            start = time.process_time()
            router = make("latent_truth", parameters).fit(replace(train, parameters_billion=self.sizes))
            spent = time.process_time() - start
            yield train.seed, rows, route(router, queries, self.codes[rows], self.confidence[rows]), spent

    def outcomes(self, router: str, variant: str) -> np.ndarray:
        """(questions, splits): 1 for right, 0 for wrong, NaN where the question is not tested."""
        table = read_table(self.results / f"outcomes/{self.cell}/{router}.parquet")
        rows, seeds = rows_in(self.ids, np.unique(texts(table["query_id"]))), table["seed"].to_numpy()
        place = dict(zip(self.ids[rows].tolist(), rows.tolist(), strict=True))
        found = np.full((len(self.ids), int(seeds.max()) + 1), np.nan)
        found[[place[query] for query in table["query_id"].to_pylist()], seeds] = table[f"correct_{variant}"].to_numpy()
        return found[:, : self.splits]


def right_answers(at: Answers, parameters: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, float], float]:
    """Per variant (questions, splits) as of :meth:`Answers.outcomes`; mean calls; CPU seconds of a fit."""
    right: dict[str, np.ndarray] = {}
    calls: dict[str, list[float]] = {}
    seconds = []
    for seed, rows, routes, spent in at.routed(parameters):
        seconds.append(spent)
        for name, codes in routes.answers.items():
            found = right.setdefault(name, np.full((len(at.ids), at.splits), np.nan))
            found[rows, seed] = (codes == at.truth[rows]) & (codes >= 0)
            calls.setdefault(name, []).append(float((routes.asked[name] >= 0).sum(axis=1).mean()))
    return right, {name: float(np.mean(values)) for name, values in calls.items()}, float(np.mean(seconds))


def mean(right: np.ndarray, half: np.ndarray) -> float:
    """Mean over the splits of the share of right answers."""
    return float(np.nanmean(right[half], axis=0).mean())


def difference(left: np.ndarray, right: np.ndarray, half: np.ndarray) -> str:
    """left - right in points with its 95 % interval, by question."""
    gap = (left - right)[half]
    tested = np.isfinite(gap).astype(float)
    gap = np.where(tested > 0, gap, 0.0)
    random = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        weight = np.bincount(random.integers(len(gap), size=len(gap)), minlength=len(gap))
        draws.append(((weight @ gap) / (weight @ tested)).mean())
    low, high = 100 * np.quantile(draws, [0.025, 0.975])
    return f"{100 * (gap.sum(axis=0) / tested.sum(axis=0)).mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    """Print the comparisons, the parts and the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--half", choices=("odd", "even", "both"), default="odd", help="question ids that count")
    parser.add_argument("--splits", type=int, default=5, help="how many of the experiment's splits")
    parser.add_argument("--only", choices=("others", "parts", "curve"), help="print this alone")
    chosen = parser.parse_args()
    for pool in POOLS:
        at = Answers(chosen.results, pool, chosen.splits)
        number = np.array([int(query) for query in at.ids.tolist()])
        half = np.full(len(number), True) if chosen.half == "both" else number % 2 == (chosen.half == "odd")
        if chosen.only in (None, "others"):
            others(at, half)
        if chosen.only in (None, "parts"):
            parts(at, half)
        if chosen.only in (None, "curve"):
            curve(at, half)


def others(at: Answers, half: np.ndarray) -> None:
    """Beside other routers."""
    right, calls, seconds = right_answers(at, {})
    print(f"\n{at.pool}: CPU seconds of a fit {seconds:.2f}")
    for name, found in right.items():
        print(f"  {name}: {100 * mean(found, half):.2f} with {calls[name]:.2f} calls")
    reference = {key: at.outcomes(*key) for keys in OTHERS.values() for key in keys}
    reference["majority", "all"] = at.outcomes("majority", "all")
    for key, found in reference.items():
        print(f"  {' '.join(key)}: {100 * mean(found, half):.2f}")
    for name, keys in OTHERS.items():
        best = max(keys, key=lambda key: mean(reference[key], half))
        print(f"  {name} - {' '.join(best)}: {difference(right[name], reference[best], half)}")
    compared = {"own top3": right["top3"], "majority": reference["majority", "all"]}
    best_name = max(compared, key=lambda key: mean(compared[key], half))
    print(f"  sequential2 - {best_name}: {difference(right['sequential2'], compared[best_name], half)}")
    for name in ("sequential1.5", "sequential2", "sequential3"):
        print(f"  {name} - topk top1: {difference(right[name], reference['topk', 'top1'], half)}")


def parts(at: Answers, half: np.ndarray) -> None:
    """What each part brings."""
    everything: dict[str, np.ndarray] = {}
    for name, parameters in PARTS.items():
        right, _, _ = right_answers(at, parameters)
        everything = everything or right
        cells = [
            f"{variant} {100 * mean(found, half):.2f} ({difference(found, everything[variant], half)})"
            for variant, found in right.items()
        ]
        print(f"  {at.pool}, {name}: {'; '.join(cells)}")


def curve(at: Answers, half: np.ndarray) -> None:
    """Accuracy against calls."""
    right, calls, _ = right_answers(at, {"budgets": BUDGETS})
    for name, found in right.items():
        print(f"  {at.pool}, {name}: {100 * mean(found, half):.2f} with {calls[name]:.2f} calls")


if __name__ == "__main__":
    main()
