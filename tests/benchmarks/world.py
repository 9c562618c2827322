"""Synthetic artifacts of a size: embeddings with tasks and niches, members with skills by niche."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, write_table
from rgd.datasets.splits import TEST, TRAIN
from tests.benchmarks.layout import Layout
from tests.benchmarks.sizes import Size

NICHES, LETTERS = 4, 10
# Within a niche queries differ in a few directions more than in others, as texts do.
LATENT = 64
ROWS = 1024


def write_world(size: Size, folder: Path, answers_too: bool) -> None:
    """Write what routers are fitted on and scored with, as the workflow's own rules write it."""
    random = np.random.default_rng(0)
    at = Layout(folder)
    n = size.train + size.test
    task, part = tasks_and_parts(size, random)
    niche = task * NICHES + random.integers(0, NICHES, n)
    ids = np.array([f"q{row:06d}" for row in range(n)], dtype=object)
    names = np.array([f"task {number:02d}" for number in range(len(size.tasks))], dtype=object)[task]
    write_table(
        at.questions,
        pa.table(
            {
                "query_id": ids,
                "task": names,
                "question": ids,
                "options": pa.array([[]] * n, schemas.STRINGS),
                "answer_kind": ["letter"] * n,
            }
        ),
        schemas.QUESTIONS,
    )
    split = {"query_id": ids, "seed": np.zeros(n, dtype=np.int32), "part": np.where(part, TRAIN, TEST).astype(object)}
    write_table(at.splits, pa.table(split), schemas.SPLITS)
    vectors = query_vectors(task, niche, size.dimension, random)
    write_table(
        at.embeddings,
        pa.table({"query_id": ids, "embedding": from_matrix(vectors)}),
        schemas.embeddings(size.dimension),
    )
    del vectors
    label = random.integers(0, LETTERS, n)
    skill = random.uniform(0.25, 0.45, size.members) + 0.4 * (random.random((niche.max() + 1, size.members)) < 0.3)
    right = random.random((n, size.members)) < skill[niche]
    # Half of the wrong answers fall for the same distractor.
    distractor = (label + 1 + random.integers(0, LETTERS - 1, n)) % LETTERS
    wrong = np.where(random.random(right.shape) < 0.5, distractor[:, None], random.integers(0, LETTERS, right.shape))
    answers = np.where(right, label[:, None], wrong)
    letters = np.array([chr(ord("A") + code) for code in range(LETTERS)], dtype=object)
    write_table(at.labels, pa.table({"query_id": ids, "label": letters[label]}), schemas.LABELS)
    confidence = (random.normal(size=right.shape) + right - 2.0).astype(np.float32)
    for member, key in enumerate(at.members(size.members)):
        columns = {
            "query_id": ids,
            "text": letters[answers[:, member]],
            "answer": letters[answers[:, member]],
            "extraction_rule": ["answer is"] * n,
            "confidence": confidence[:, member],
            "confidence_kind": ["mean log-probability"] * n,
            "prompt_tokens": np.full(n, 150, dtype=np.int32),
            "completion_tokens": np.full(n, 300, dtype=np.int32),
            "finish_reason": ["stop"] * n,
        }
        write_table(at.responses(key), pa.table(columns), schemas.RESPONSES)
    if answers_too:
        write_answer_vectors(size, at, ids, answers, random)


def tasks_and_parts(size: Size, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Task (n,) of each query and whether it is for training, both in the tasks' shares as near as whole numbers go."""
    rows = []
    for count in (size.train, size.test):
        ends = np.round(np.cumsum(size.tasks) / sum(size.tasks) * count).astype(int)
        rows.append(np.repeat(np.arange(len(size.tasks)), np.diff(ends, prepend=0)))
    order = random.permutation(size.train + size.test)
    return np.concatenate(rows)[order], order < size.train


def query_vectors(task: np.ndarray, niche: np.ndarray, dimension: int, random: np.random.Generator) -> np.ndarray:
    """Unit vectors (n, d) float32: cosine about 0.35 within a task and about 0.55 within a niche."""
    of_task, of_niche = (
        random.normal(size=(labels.max() + 1, dimension)).astype(np.float32) for labels in (task, niche)
    )
    scale = (np.arange(1, LATENT + 1, dtype=np.float32) ** -0.5)[:, None]
    basis = scale / np.sqrt((scale**2).sum()) * random.normal(size=(LATENT, dimension)).astype(np.float32)
    vectors = np.empty((len(task), dimension), dtype=np.float32)
    for start in range(0, len(task), ROWS):
        block = slice(start, start + ROWS)
        here = 0.6 * of_task[task[block]] + 0.45 * of_niche[niche[block]]
        here += 0.5 * random.standard_normal((len(here), LATENT), dtype=np.float32) @ basis
        here += 0.45 * random.standard_normal(here.shape, dtype=np.float32)
        vectors[block] = here / np.linalg.norm(here, axis=1, keepdims=True)
    return vectors


def write_answer_vectors(
    size: Size, at: Layout, ids: np.ndarray, answers: np.ndarray, random: np.random.Generator
) -> None:
    """A vector for each answer, near those of the same letter."""
    n = len(ids)
    of_letter = random.normal(size=(LETTERS, size.answer_dimension)).astype(np.float32)
    vectors = np.empty((size.members * n, size.answer_dimension), dtype=np.float32)
    for start in range(0, len(vectors), ROWS):
        here = of_letter[answers.reshape(-1)[start : start + ROWS]]
        here = here + random.standard_normal(here.shape, dtype=np.float32)
        vectors[start : start + ROWS] = here / np.linalg.norm(here, axis=1, keepdims=True)
    columns = {
        "query_id": np.repeat(ids, size.members),
        "member": np.tile(np.array(at.members(size.members), dtype=object), n),
        "embedding": from_matrix(vectors),
    }
    write_table(at.answer_embeddings, pa.table(columns), schemas.answer_embeddings(size.answer_dimension))
