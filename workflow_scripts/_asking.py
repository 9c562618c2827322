"""Shared code of the scripts that ask a model about whole query sets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _models import model_of_job
from rgd.engines.base import Request
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
    listed = list(dict.fromkeys([own, *snakemake.resources.also.split()]))
    count: dict[str, int] = {}
    store = Store(snakemake.resources.store)
    with model_of_job(snakemake, snakemake.resources.engine, settings.content()) as engine:
        while path := next((path for path in listed if path not in count and Path(path).exists()), None):
            requests = requests_of(path)
            title = f"{name}, {Path(path).stem}"
            # Only the job's own query set must be complete; requests in progress in another job are left to that job.
            fill(store, settings, requests, engine, snakemake.resources.chunk_size, title=title, wait=path == own)
            count[path] = len(requests)
    return count[own]
