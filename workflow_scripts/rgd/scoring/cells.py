"""From routes and labels to the rows of a cell. Test labels are read only here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.answers.pool import encode, scores_of
from rgd.artifacts.columns import rows_in, texts
from rgd.routing.consensus import normalise, usable_confidence, z_scores
from rgd.routing.training import has_scores
from rgd.scoring import metrics, references
from rgd.scoring.statistics import accuracy_interval

ORACLE, RANDOM = "oracle", "random"
RANDOM_SIZES = (1, 3)


@dataclass(frozen=True)
class Scores:
    """The results of scoring: the cell, which queries were answered correctly, and how often each member was asked.

    Attributes:
        cell: schemas.CELLS, one row per seed and variant.
        outcomes: schemas.outcomes, one row per seed and test query.
        choices: schemas.CHOICES, one row per seed, variant and member.
    """

    cell: pa.Table
    outcomes: pa.Table
    choices: pa.Table


@dataclass(frozen=True)
class Benchmark:
    """The benchmark's questions with the pool's answers: n queries, M members.

    Attributes:
        query_ids: (n,) str.
        tasks: (n,) str, the strata of intervals.
        labels: (n,) int32 codes.
        answers: (n, M) int32 codes, -1 missing.
        vocabulary: code -> answer.
        prompt_tokens: (n, M) float64, NaN where unknown.
        completion_tokens: (n, M) float64, NaN where unknown.
        members: the M member keys.
        is_scored: whether the answers are scores.
    """

    query_ids: np.ndarray
    tasks: np.ndarray
    labels: np.ndarray
    answers: np.ndarray
    vocabulary: tuple[str, ...]
    prompt_tokens: np.ndarray
    completion_tokens: np.ndarray
    members: tuple[str, ...]
    is_scored: bool = False

    @property
    def correct(self) -> np.ndarray:
        """(n, M) float64: 1 where a member is right on a query and 0 where it is not, or its score."""
        if self.is_scored:
            return scores_of(self.answers, self.vocabulary)
        return metrics.is_correct(self.answers, self.labels[:, None]).astype(np.float64)

    def worth(self, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) float64: 1 or 0 for right and wrong answers to the queries at ``rows``, or their scores."""
        if self.is_scored:
            return scores_of(codes, self.vocabulary)
        return metrics.is_correct(codes, self.labels[rows]).astype(np.float64)


def read_benchmark(
    labels: pa.Table, questions: pa.Table, responses: Sequence[pa.Table], members: Sequence[str]
) -> Benchmark:
    """Join labels, tasks and the pool's responses.

    Args:
        labels: query_id and label of the benchmark.
        questions: query_id, task and answer_kind of the benchmark.
        responses: for each member query_id, answer, prompt_tokens, completion_tokens of the benchmark.
        members: the pool, in order.

    Raises:
        ValueError: the members answered different queries.
    """
    query_ids = texts(responses[0]["query_id"])
    for table in responses[1:]:
        if not table["query_id"].equals(responses[0]["query_id"]):
            raise ValueError("the members' responses have different queries or different orders")
    label = texts(labels["label"])[rows_in(texts(labels["query_id"]), query_ids)]
    task = texts(questions["task"])[rows_in(texts(questions["query_id"]), query_ids)]
    codes, vocabulary = encode([*(table["answer"] for table in responses), pa.array(label)])
    return Benchmark(
        query_ids=query_ids,
        tasks=task.astype(str),
        labels=codes[:, -1],
        answers=np.ascontiguousarray(codes[:, :-1]),
        vocabulary=vocabulary,
        prompt_tokens=np.column_stack([_numbers(table["prompt_tokens"]) for table in responses]),
        completion_tokens=np.column_stack([_numbers(table["completion_tokens"]) for table in responses]),
        members=tuple(members),
        is_scored=has_scores(questions),
    )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def score_routes(
    routes: pa.Table, benchmark: Benchmark, cell: Mapping[str, str], interval: Mapping[str, Any]
) -> Scores:
    """Score a router's routes: one row of the cell per variant and seed.

    Args:
        routes: schemas.routes.
        benchmark: the questions, labels and the pool's answers.
        cell: dataset, scenario, pool, router, family.
        interval: level, draws and seed of the bootstrap.
    """
    rows, choices, outcomes = [], [], []
    seeds = routes["seed"].to_numpy()
    variants = [name.removeprefix("answer_") for name in routes.column_names if name.startswith("answer_")]
    vocabulary, members = pa.array(benchmark.vocabulary, pa.string()), pa.array(benchmark.members, pa.string())
    for seed in dict.fromkeys(seeds.tolist()):
        part = routes.filter(seeds == seed)
        chosen = rows_in(benchmark.query_ids, texts(part["query_id"]))
        found = {}
        for variant in variants:
            codes = pc.index_in(part[f"answer_{variant}"], value_set=vocabulary).fill_null(-1).to_numpy()
            correct = benchmark.worth(codes, chosen)
            column = part[f"asked_{variant}"].combine_chunks()
            counts = column.value_lengths().to_numpy()
            asked = _shares(np.repeat(np.arange(len(part)), counts), pc.index_in(column.flatten(), value_set=members))
            given = np.zeros((len(part), len(members)))
            given[asked] = 1.0
            missing = int((codes < 0).sum())
            rows.append(_row(cell, variant, seed, correct, missing, given, benchmark, chosen, interval))
            choices += _choices(variant, seed, given, benchmark.members)
            found[variant] = correct
        outcomes.append(_outcomes(seed, part["query_id"], found))
    return Scores(pa.Table.from_pylist(rows), pa.concat_tables(outcomes), pa.Table.from_pylist(choices))


def score_reference(
    reference: str,
    benchmark: Benchmark,
    confidence: np.ndarray,
    train: Mapping[int, np.ndarray],
    test: Mapping[int, np.ndarray],
    cell: Mapping[str, str],
    interval: Mapping[str, Any],
) -> Scores:
    """The exact rows of Oracle or Random, from the pool's answers.

    Args:
        reference: ``oracle`` or ``random``.
        benchmark: the questions, labels and the pool's answers.
        confidence: (n, M) float32.
        train: the training rows of every seed; their confidences determine the z-scores of votes.
        test: the test rows of every seed.
        cell: dataset, scenario, pool, router, family.
        interval: level, draws and seed of the bootstrap.

    Raises:
        ValueError: there is no such reference.
    """
    usable = usable_confidence(benchmark.answers, confidence)
    pool = len(benchmark.members)
    rows, choices, outcomes = [], [], []
    for seed, chosen in test.items():
        answers, labels = benchmark.answers[chosen], benchmark.labels[chosen]
        if reference == ORACLE:
            variants = {ORACLE: (references.oracle(benchmark.correct[chosen]), pool)}
        elif reference == RANDOM and benchmark.is_scored:
            variants = {f"{RANDOM}1": (benchmark.correct[chosen].mean(axis=1), 1)}
        elif reference == RANDOM:
            z = z_scores(usable[chosen], *normalise(usable[train[seed]]))
            sizes = {size: min(size, pool) for size in RANDOM_SIZES}
            variants = {
                f"random{size}": (references.random_vote(answers, labels, size, z), asked)
                for size, asked in sizes.items()
            }
        else:
            raise ValueError(f"unknown reference {reference}")
        missing = int((answers < 0).all(axis=1).sum())
        for variant, (correct, asked) in variants.items():
            # Each member is asked with the same probability.
            given = np.full((len(chosen), pool), asked / pool)
            rows.append(_row(cell, variant, seed, correct, missing, given, benchmark, chosen, interval))
            choices += _choices(variant, seed, given, benchmark.members)
        found = {variant: correct for variant, (correct, _) in variants.items()}
        outcomes.append(_outcomes(seed, pa.array(benchmark.query_ids[chosen]), found))
    return Scores(pa.Table.from_pylist(rows), pa.concat_tables(outcomes), pa.Table.from_pylist(choices))


def _shares(rows: np.ndarray, members: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    if members.null_count:
        raise ValueError("the routes ask a member that is not in the pool")
    return rows, members.to_numpy()


def _outcomes(seed: int, query_ids: Any, correct: Mapping[str, np.ndarray]) -> pa.Table:
    columns = {f"correct_{variant}": values for variant, values in correct.items()}
    return pa.table({"seed": np.full(len(query_ids), seed, dtype=np.int32), "query_id": query_ids, **columns})


def _choices(variant: str, seed: int, given: np.ndarray, members: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"variant": variant, "seed": seed, "member": member, "share": share}
        for member, share in zip(members, given.mean(axis=0).tolist(), strict=True)
    ]


def _row(
    cell: Mapping[str, str],
    variant: str,
    seed: int,
    correct: np.ndarray,
    missing: int,
    given: np.ndarray,
    benchmark: Benchmark,
    chosen: np.ndarray,
    interval: Mapping[str, Any],
) -> dict[str, Any]:
    """A cell's row; ``given`` (n, M) is how often each member is asked about each query."""
    found = accuracy_interval(correct, benchmark.tasks[chosen], interval["seed"], interval["draws"], interval["level"])
    pool = benchmark.correct[chosen]
    best_single, oracle = float(pool.mean(axis=0).max()), float(pool.max(axis=1).mean())
    return {
        **cell,
        "variant": variant,
        "seed": seed,
        "n_queries": len(correct),
        "accuracy": found.estimate,
        "ci_low": found.low,
        "ci_high": found.high,
        "missing_answers": missing,
        "calls_per_query": float(given.sum(axis=1).mean()),
        "prompt_tokens_per_query": _spent(given, benchmark.prompt_tokens[chosen]),
        "completion_tokens_per_query": _spent(given, benchmark.completion_tokens[chosen]),
        "regret": oracle - found.estimate,
        "gap_closed": metrics.gap_closed(found.estimate, best_single, oracle),
    }


def _spent(given: np.ndarray, tokens: np.ndarray) -> float:
    """Mean tokens per query of the members asked; NaN if those of some asked member are unknown."""
    return float(np.where(given > 0, given * tokens, 0.0).sum(axis=1).mean())
