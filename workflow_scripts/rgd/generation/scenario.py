"""A generated scenario from end to end: what to ask a generator, when to stop, and the resulting query set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from rgd.answers.kinds import LETTER
from rgd.engines.base import Message, Request
from rgd.generation.drawing import Draw, GeneratedQuery, TaskProgress, accept, next_draws
from rgd.generation.messages import build_messages, read_example
from rgd.store.answers import AnswerSettings, Store


def wanted_per_task(queries: int, tasks: Sequence[str]) -> dict[str, int]:
    """``queries`` spread evenly over ``tasks``; the first tasks get one more if there is a remainder."""
    share, rest = divmod(queries, len(tasks))
    return {task: share + (position < rest) for position, task in enumerate(tasks)}


def requests_for(
    descriptions: Mapping[str, str], instruction: str, examples: Sequence[str], draws: Sequence[tuple[str, int]]
) -> list[Request]:
    """The request of every (task, draw number): all draws of a task share the prompt and differ only in the draw."""
    worked = [read_example(text, f"worked example {number}") for number, text in enumerate(examples, start=1)]
    messages = {
        task: tuple(Message(turn["role"], turn["content"]) for turn in build_messages(instruction, worked, description))
        for task, description in descriptions.items()
    }
    return [Request(messages[task], draw=number) for task, number in draws]


def read_draws(store: Store, settings: AnswerSettings, requests: Sequence[Request]) -> list[Draw]:
    """What the generator wrote for every request, in order, from the store."""
    rows = store.read(settings, [request.query_key for request in requests], [request.draw for request in requests])
    return [
        Draw(request.draw, text, cut_off=reason == "length")
        for request, text, reason in zip(
            requests, rows["text"].to_pylist(), rows["finish_reason"].to_pylist(), strict=True
        )
    ]


def draw_until_enough(
    wanted: Mapping[str, int],
    max_draws_per_task: int,
    benchmark_questions: frozenset[str],
    seed: int,
    ask: Callable[[Sequence[tuple[str, int]]], Sequence[Draw]],
) -> dict[str, int]:
    """Ask round by round until every task has the queries it wants, or its draws are used up.

    Args:
        wanted: task -> queries.
        max_draws_per_task: no task is drawn more often.
        benchmark_questions: normalised questions that a generated query may not repeat.
        seed: the generator's seed.
        ask: given (task, draw number) pairs, returns their draws in order.

    Returns:
        task -> draws asked.
    """
    draws: dict[str, list[Draw]] = {task: [] for task in wanted}
    kept = dict.fromkeys(wanted, 0)
    while True:
        progress = [TaskProgress(task, wanted[task], kept[task], len(draws[task])) for task in wanted]
        round_ = next_draws(progress, max_draws_per_task)
        if not round_:
            return {task: len(draws[task]) for task in wanted}
        for (task, _), draw in zip(round_, ask(round_), strict=True):
            draws[task].append(draw)
        for task in {task for task, _ in round_}:
            queries, _ = accept(task, draws[task], wanted[task], benchmark_questions, seed)
            kept[task] = len(queries)


def query_tables(
    queries: Mapping[str, Sequence[GeneratedQuery]], counts: Mapping[str, Counter[str]], answer_kind: str = LETTER
) -> tuple[pa.Table, pa.Table]:
    """The kept queries (columns of schemas.QUESTIONS and ``label``) and the draws per task and outcome.

    Args:
        queries: the kept queries of each task.
        counts: of each task, the draws by outcome.
        answer_kind: how the queries are answered, ``letter`` or ``option_text``.
    """
    kept = [query for task in queries for query in queries[task]]
    questions = pa.table(
        {
            "query_id": [query.query_id for query in kept],
            "task": [query.task for query in kept],
            "question": [query.question for query in kept],
            "options": [list(query.options) for query in kept],
            "answer_kind": [answer_kind] * len(kept),
            "label": [query.label for query in kept],
        }
    )
    rows = [(task, outcome, number) for task in counts for outcome, number in sorted(counts[task].items())]
    outcomes = pa.table(
        {
            "task": [row[0] for row in rows],
            "outcome": [row[1] for row in rows],
            "draws": [row[2] for row in rows],
        }
    )
    return questions, outcomes
