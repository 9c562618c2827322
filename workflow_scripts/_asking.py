"""Shared code of the scripts that ask a model about whole query sets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _models import model_of_job
from rgd.engines.base import Engine, Request
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill


def fill_query_sets(
    snakemake: Any, settings: AnswerSettings, name: str, requests_of: Callable[[str], Sequence[Request]]
) -> int:
    """Ask what the store lacks of the job's query set and of the other existing ones; return the job's number of answers.

    A query set that appears during the job is asked as well, since its own job would load the model again.

    Args:
        snakemake: the job; its resource ``also`` lists the other query sets' files.
        settings: the settings under which the model is asked.
        name: what is asked, for the progress lines.
        requests_of: gives the requests of a question file.
    """
    own = snakemake.input.questions
    others = dict.fromkeys(path for path in snakemake.resources.also.split() if path != own)
    requests = requests_of(own)

    def more() -> Sequence[Request]:
        path = next((path for path in others if Path(path).exists()), None)
        if path is None:
            return ()
        del others[path]
        return requests_of(path)

    with model_of_job(snakemake, snakemake.resources.engine, settings.content()) as engine:
        fill_as_job(snakemake, Store(snakemake.resources.store), settings, requests, engine, title=name, more=more)
    return len(requests)


def fill_as_job(
    snakemake: Any,
    store: Store,
    settings: AnswerSettings,
    requests: Sequence[Request],
    engine: Callable[[], Engine],
    **options: Any,
) -> None:
    """:func:`rgd.store.fill.fill` with what the job's resources say about committing and sharing."""
    resources = snakemake.resources
    fill(
        store,
        settings,
        requests,
        engine,
        resources.chunk_size,
        commit_seconds=resources.commit_seconds,
        grace_seconds=resources.grace_seconds,
        replicas=resources.get("replicas", 1),
        **options,
    )
