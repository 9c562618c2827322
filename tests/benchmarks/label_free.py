"""How good latent_truth is on recorded pools, and whether it knows when it does not know.

  python -m tests.benchmarks.label_free [--splits 5] [--subpools 36] [--draws 1] [--queries 0] [--set correlated=false] [--json FILE]
It reads the recorded answers that lie beside the checkout (``../shared/data``, or RGD_TEST_DATA), and the labels to judge
by, which the router does not see. For each given pool and split: accuracy on the test questions minus that of the best
single member there. For each random sub-pool (three to eight members of one source, all training answers): how far the
chosen member is below the best, on the training answers. Calibration counts choices by their stated probability.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rgd.answers.pool import encode
from rgd.artifacts.files import read_table
from rgd.datasets.splits import rows_of_part, split
from rgd.routers import make, route
from rgd.routers.base import TestQueries, TrainingSet
from rgd.routing.neighbours import nearest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RGD_TEST_DATA", ROOT.parent / "shared" / "data"))
FEW_SHOT = [
    "gemini-1.5-pro-002",
    "Meta-Llama-3_1-70B",
    "Qwen1.5-110B",
    "Qwen1.5-72B-Chat",
    "Yi-34B",
    "Phi-3-mini-4k-instruct",
    "c4ai-command-r-v01",
    "Llama-2-70b-hf",
    "gemma-7b",
    "Mistral-7B-v0.2-hf",
]
HELM = [
    "claude-3-opus-20240229",
    "gpt-4o-2024-05-13",
    "gpt-4-0613",
    "gpt-4-1106-preview",
    "gemini-1.5-pro-preview-0409",
    "llama-3-70b",
    "text-unicorn-001",
    "palmyra-x-v3",
    "gemini-1.5-flash-preview-0514",
    "mixtral-8x22b",
]
TWELVE = {
    "large": "Meta-Llama-3.1-70B-Instruct-Turbo Mistral-Small-24B-Instruct-2501 Qwen2.5-32B-Instruct Qwen3-235B-A22B-fp8-tput "
    "Qwen3-32B gemma-2-27b-it",
    "small": "Meta-Llama-3.1-8B-Instruct-Turbo Mistral-Nemo-Instruct-2407 Phi-3.5-mini-instruct Qwen2.5-7B-Instruct Qwen3-8B "
    "gemma-2-9b-it",
}
# Source and members of each given pool.
POOLS: dict[str, tuple[str, list[str]]] = {
    "large": ("twelve", TWELVE["large"].split()),
    "small": ("twelve", TWELVE["small"].split()),
    "twelve": ("twelve", [*TWELVE["large"].split(), *TWELVE["small"].split()]),
    "helm strongest": ("helm", HELM[:6]),
    "helm weakest": ("helm", [HELM[index] for index in (4, 5, 6, 7, 8, 9)]),
    "helm distinct": ("helm", [HELM[index] for index in (4, 5, 6, 3, 8, 9)]),
    "helm ten": ("helm", HELM),
    "few-shot ten": ("few_shot", FEW_SHOT),
    "few-shot weakest": (
        "few_shot",
        ["Yi-6b-Chat", "Qwen1.5-7B-Chat", "Yi-6B", "Mistral-7B-Instruct-v0.1", "Llama-2-13b-hf", "Llama-2-7b-hf"],
    ),
}
# A choice is good where it is within this of the best member; what is stated at SURE or more counts as sure.
NEAR, SURE = 0.005, 0.9


@dataclass(frozen=True)
class Source:
    """One benchmark with its models' answers: (n, M) codes and confidence, (n,) truth, tasks and options, (n, d) vectors."""

    members: list[str]
    answers: np.ndarray
    confidence: np.ndarray
    truth: np.ndarray
    tasks: np.ndarray
    options: np.ndarray
    embeddings: np.ndarray

    def training(self, rows: np.ndarray, columns: list[int], seed: int) -> TrainingSet:
        return TrainingSet(
            query_ids=rows.astype(str),
            tasks=self.tasks[rows],
            embeddings=self.embeddings[rows],
            members=tuple(self.members[column] for column in columns),
            answers=self.answers[np.ix_(rows, columns)],
            confidence=self.confidence[np.ix_(rows, columns)],
            options=self.options[rows],
            seed=seed,
        )


@cache
def source(name: str) -> Source:
    """``helm`` (tasks are subjects, which are the vectors too), ``few_shot`` or ``twelve`` (MMLU-Pro)."""
    recorded = DATA / "recorded"
    if name == "helm":
        questions = read_table(recorded / "helm_mmlu/questions.parquet").to_pandas()
        files = {path.stem: path for path in sorted((recorded / "helm_mmlu/all").glob("*.parquet"))}
        tasks, label = questions["subject"].to_numpy(str), questions["answer"]
        vectors = np.eye(len(np.unique(tasks)), dtype=np.float32)[np.unique(tasks, return_inverse=True)[1]]
    else:
        questions = read_table(DATA / "hub/TIGER-Lab/MMLU-Pro/test.parquet").to_pandas()
        folders = ["few_shot"] if name == "few_shot" else ["large", "small"]
        files = {
            path.stem: path for part in folders for path in sorted((recorded / "mmlu_pro" / part).glob("*.parquet"))
        }
        tasks, label = questions["category"].to_numpy(str), questions["answer"]
        found = read_table(recorded / "mmlu_pro/embeddings-all-MiniLM-L6-v2.parquet").to_pandas()
        found = found.set_index("question_id").loc[questions["question_id"]]
        vectors = np.stack(found["embedding"].tolist()).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tables = [
        read_table(path).to_pandas().set_index("question_id").reindex(questions["question_id"])
        for path in files.values()
    ]
    codes, _ = encode(
        [
            *([None if value is None or value != value else value for value in table["answer"]] for table in tables),
            label.tolist(),
        ]
    )
    unknown = np.full(len(questions), np.nan)
    confidence = [table.get("mean_token_probability", unknown) for table in tables]
    return Source(
        list(files),
        np.ascontiguousarray(codes[:, :-1]),
        np.column_stack(confidence).astype(np.float32),
        codes[:, -1],
        tasks,
        np.array([len(options) for options in questions["options"]]),
        vectors,
    )


def columns_of(at: Source, members: list[str]) -> list[int]:
    return [at.members.index(member) for member in members]


def stated(router: Any, regret: float) -> dict[str, float]:
    """What the router says of its first member, where it says anything, and how far that one is below the best."""
    found = {"regret": regret}
    if hasattr(router, "best_probability_"):
        first = int(router.rankings_[-1, 0])
        found["probability"] = float(router.best_probability_[first])
        found["expected"] = float(router.expected_regret_[first])
    return found


def routed(name: str, splits: int, queries: int, parameters: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Each split of a given pool: points above the best single member, calls, seconds."""
    at = source(POOLS[name][0])
    columns = columns_of(at, POOLS[name][1])
    ids = np.arange(len(at.truth)).astype(str)
    parts = split(ids, at.tasks, list(range(splits)), 0.6, 0)
    trains, tests = (rows_of_part(parts, ids, part) for part in ("train", "test"))
    for seed in range(splits):
        train, test = trains[seed], tests[seed]
        if queries:
            random = np.random.default_rng(seed)
            train = np.sort(random.permutation(train)[:queries])
            test = np.sort(random.permutation(test)[:queries])
        started = time.process_time()
        router = make("latent_truth", parameters)
        router = router.fit(at.training(train, columns, seed))
        fitted = time.process_time() - started
        around, _ = nearest(at.embeddings[test], at.embeddings[train], 1)
        asked_about = TestQueries(ids[test], at.embeddings[test], around, at.tasks[test], options=at.options[test])
        started = time.process_time()
        routes = route(router, asked_about, at.answers[np.ix_(test, columns)], at.confidence[np.ix_(test, columns)])
        spent = time.process_time() - started
        right = at.answers[:, columns] == at.truth[:, None]
        single = float(right[test].mean(axis=0).max())
        known = right[train].mean(axis=0)
        found = {"best": 100 * single, "fit_s": fitted, "route_s": spent}
        found |= stated(router, float(known.max() - known[int(router.rankings_[-1, 0])]))
        for variant, codes in routes.answers.items():
            found[variant] = 100 * (float((codes == at.truth[test]).mean()) - single)
            found[f"calls {variant}"] = float((routes.asked[variant] >= 0).sum(axis=1).mean())
        yield found


def subpools(count: int) -> Iterator[tuple[str, list[int], int]]:
    """Source, columns and number of each random sub-pool, a third of each source; the same in every run."""
    for number in range(count):
        name = ("helm", "few_shot", "twelve")[number % 3]
        random = np.random.default_rng(number)
        members = len(source(name).members)
        size = int(random.integers(3, 9))
        yield name, sorted(random.permutation(members)[:size].tolist()), number


def of_subpools(count: int, draws: int, queries: int, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each draw of training questions of each random sub-pool; regret is that on all questions."""
    for name, columns, number in subpools(count):
        at = source(name)
        known = (at.answers[:, columns] == at.truth[:, None]).mean(axis=0)
        for draw in range(draws):
            every = np.random.default_rng([number, draw]).permutation(len(at.truth))
            every = np.sort(every[: queries or len(every)])
            started = time.process_time()
            router = make("latent_truth", {"budgets": {}, "largest_panel": 1, **parameters})
            router = router.fit(at.training(every, columns, 0))
            yield {
                "pool": f"{name}: " + ", ".join(at.members[column] for column in columns),
                "fit_s": time.process_time() - started,
                **stated(router, float(known.max() - known[int(router.rankings_[-1, 0])])),
            }


def main() -> None:
    """Print a line per given pool, then the sub-pools and the calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pools", nargs="*", default=list(POOLS), help="given pools; default: all; none without a name"
    )
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--subpools", type=int, default=36)
    parser.add_argument("--draws", type=int, default=1, help="of --queries training questions, for each sub-pool")
    parser.add_argument(
        "--queries", type=int, default=0, help="at most so many questions to fit and to test; 0 for all"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="the router's parameters")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    chosen = parser.parse_args()
    parameters = {name: yaml.safe_load(value) for name, value in (part.split("=", 1) for part in chosen.set)}
    rows: list[dict[str, Any]] = []
    shown = (
        "top1",
        "top3",
        "sequential3",
        "calls sequential3",
        "probability",
        "expected",
        "regret",
        "fit_s",
        "route_s",
    )
    print(f"{'':18}" + "".join(f"{name.replace('calls sequential3', 'calls'):>12}" for name in shown))
    for name in chosen.pools:
        found = list(routed(name, chosen.splits, chosen.queries, parameters))
        rows += [{"pool": name, "split": seed, **row} for seed, row in enumerate(found)]
        means = [np.mean([row.get(key, np.nan) for row in found]) for key in shown]
        worst = min(row["top1"] for row in found)
        print(f"{name:18}" + "".join(f"{mean:12.3f}" for mean in means) + f"   worst top1 {worst:.2f}", flush=True)
    small = list(of_subpools(chosen.subpools, chosen.draws, chosen.queries, parameters))
    for row in small:
        print(
            f"  {100 * row['regret']:5.2f} {row.get('probability', np.nan):.2f} {100 * row.get('expected', np.nan):5.2f}  {row['pool']}"
        )
    rows += small
    for title, part in (("given pools", rows[: len(rows) - len(small)]), ("sub-pools", small), ("all", rows)):
        summary(title, part)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


def summary(title: str, rows: list[dict[str, Any]]) -> None:
    """Mean regret and calibration."""
    if not rows:
        return
    regret = np.array([row["regret"] for row in rows])
    line = f"{title} ({len(rows)}): regret {100 * regret.mean():.2f}, over 0.5 points {int((regret > NEAR).sum())}"
    if "probability" in rows[0]:
        probability = np.array([row["probability"] for row in rows])
        expected = np.array([row["expected"] for row in rows])
        line += f", expected {100 * expected.mean():.2f}"
        for low, high in ((SURE, 1.01), (0.7, SURE), (0.5, 0.7), (0.0, 0.5)):
            inside = (probability >= low) & (probability < high)
            if inside.any():
                good = (regret[inside] <= NEAR).mean()
                line += f"; stated {low:.1f} to {min(high, 1):.1f}: {int(inside.sum())}, of which good {good:.0%}"
    print(line)


if __name__ == "__main__":
    main()
