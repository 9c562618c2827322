"""Which draws to ask a generator for, and which of them become queries.

Draw i of a task has a seed of its own and draws are judged in order, so that the queries of a smaller set are the first
queries of a larger one, however many draws were asked at a time.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from rgd.errors import UserError
from rgd.generation.tagged_block import LETTERS, Rejection, parse
from rgd.generation.text import normalise_question
from rgd.seeds import generator

KEPT = "kept"
SURPLUS = "surplus"
REPEATS_QUERY = "repeats_query"
REPEATS_BENCHMARK = "repeats_benchmark"

DRAWS_PER_BLOCK = 4


@dataclass(frozen=True)
class TaskProgress:
    """A task's progress: queries wanted and kept, draws asked so far."""

    task: str
    wanted: int
    kept: int = 0
    drawn: int = 0


@dataclass(frozen=True)
class Draw:
    """What the generator wrote in draw ``number`` of a task, and whether its token limit stopped it."""

    number: int
    text: str
    cut_off: bool = False


@dataclass(frozen=True)
class GeneratedQuery:
    """A query that was kept; ``label`` is the letter of the writer's own answer after the options were shuffled."""

    query_id: str
    task: str
    question: str
    options: tuple[str, ...]
    label: str


def next_draws(
    progress: Sequence[TaskProgress], max_draws_per_task: int, draws_per_block: int = DRAWS_PER_BLOCK
) -> list[tuple[str, int]]:
    """The next round: (task, draw number) for all tasks that lack queries, whole blocks at a time; empty when done.

    A round asks for a task's missing queries, divided by the share of its draws kept so far. It at most doubles the
    draws of the task, so that one unlucky round does not use up all that the cap allows.

    Args:
        progress: one entry per task.
        max_draws_per_task: no draw beyond this number, even when queries are still missing.
        draws_per_block: rounds end at a multiple of this, or at the cap, so that the last missing queries are not
            asked for one at a time.

    Raises:
        UserError: the cap is below the number of queries wanted.
    """
    draws: list[tuple[str, int]] = []
    for state in progress:
        if max_draws_per_task < state.wanted:
            raise UserError(
                f"max_draws_per_task is {max_draws_per_task}, but {state.wanted} queries are wanted for task "
                f"{state.task!r}. Raise max_draws_per_task (try twice the queries per task)."
            )
        lacking = state.wanted - state.kept
        if lacking <= 0:
            continue
        share_kept = max(state.kept, 1) / state.drawn if state.drawn else 1.0
        asked = min(math.ceil(lacking / share_kept), max(state.drawn, lacking))
        end = math.ceil((state.drawn + asked) / draws_per_block) * draws_per_block
        draws += [(state.task, number) for number in range(state.drawn, min(end, max_draws_per_task))]
    return draws


def accept(
    task: str, draws: Sequence[Draw], wanted: int, benchmark_questions: Set[str], seed: int
) -> tuple[list[GeneratedQuery], Counter[str]]:
    """Judge the draws of one task in the order of their numbers, up to the ``wanted``-th query kept.

    Texts that are not a block, questions that repeat a kept query of the task, and questions of the benchmark are
    dropped. The options are shuffled, because models rarely give the last option as the answer.

    Args:
        task: the task's name.
        draws: in any order; numbers must differ.
        wanted: queries to keep.
        benchmark_questions: normalised (:func:`rgd.generation.text.normalise_question`).
        seed: the generator's seed, from which the order of the options is derived.

    Returns:
        The kept queries, in draw order, and the number of draws per outcome: ``kept``, ``surplus`` (not judged),
        ``repeats_query``, ``repeats_benchmark`` or a reason of :mod:`rgd.generation.tagged_block`.
    """
    kept: list[GeneratedQuery] = []
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for draw in sorted(draws, key=lambda draw: draw.number):
        if len(kept) >= wanted:
            counts[SURPLUS] += 1
            continue
        parsed = parse(draw.text, cut_off=draw.cut_off)
        if isinstance(parsed, Rejection):
            counts[parsed.reason] += 1
            continue
        question = normalise_question(parsed.question)
        if question in benchmark_questions:
            counts[REPEATS_BENCHMARK] += 1
        elif question in seen:
            counts[REPEATS_QUERY] += 1
        else:
            counts[KEPT] += 1
            seen.add(question)
            order = generator(seed, "options", task, draw.number).permutation(len(parsed.options))
            options = tuple(parsed.options[place] for place in order)
            label = LETTERS[options.index(parsed.options[LETTERS.index(parsed.answer)])]
            kept.append(GeneratedQuery(f"{task}-{draw.number:05d}", task, parsed.question, options, label))
    return kept, counts


def shortfall_message(counts: Mapping[str, Mapping[str, int]], wanted: Mapping[str, int]) -> str | None:
    """One line on the tasks that got fewer queries than wanted, or None.

    Args:
        counts: task -> outcome -> draws, after the last round.
        wanted: task -> queries wanted.

    Raises:
        UserError: a task has no query at all.
    """
    for task in wanted:
        if not counts[task].get(KEPT):
            outcomes = ", ".join(f"{name} {number}" for name, number in sorted(counts[task].items())) or "no draw"
            raise UserError(
                f"the generator wrote no usable query for task {task!r} ({outcomes}). Change the task's description or "
                "the generator's prompts, raise max_tokens if draws are truncated, or raise max_draws_per_task."
            )
    short = [f"{task} {counts[task][KEPT]} of {wanted[task]}" for task in wanted if counts[task][KEPT] < wanted[task]]
    return f"fewer queries than wanted within max_draws_per_task: {'; '.join(short)}" if short else None
