"""The further jobs that share what a model with replicas is asked.

The first replica is the job that asks without replicas too: its name, its record and what depends on it are the same, so a
change of ``replicas`` reruns nothing. It ends only when the store has all its answers, whoever asked for them. Nothing needs
the further jobs, so that targets name them, as long as the first one has something to ask.
"""

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from rgd.config import generated, slices, sweep
from rgd.config.products import unique
from rgd.routing.reduced import BENCHMARK
from rgd.store.answers import AnswerSettings
from rgd.workflow import paths
from rgd.workflow.study import Study

FIRST = "1"
"""The number of the first replica, which its job's name and record lack."""
QUERIES = ("queries",)
ANSWERS = (*QUERIES, "answers")
EVERYTHING = (*ANSWERS, "features", "referee")
"""What is asked for the questions, for their answers, and for all results."""


class Asking(NamedTuple):
    """What the first replica of a model asks in one job.

    Attributes:
        model: the model.
        keys: the keys of the job's record: what is asked, dataset and so on.
        settings: gives the settings under which it asks, as rgd.store.answers.AnswerSettings.
    """

    model: str
    keys: tuple[str, ...]
    settings: Callable[[], dict[str, Any]]


def number(wildcards: Any) -> str:
    """Which replica a job is."""
    return str(getattr(wildcards, "replica", FIRST))


def records(study: Study, kinds: Collection[str] = EVERYTHING) -> list[str]:
    """The records of the further jobs of an experiment: those to be done, and those done before.

    Args:
        study: the experiment.
        kinds: what is asked.
    """
    found = []
    for asking in _all(study):
        count = study.replicas(asking.model)
        if count == 1 or asking.keys[0] not in kinds:
            continue
        further = [paths.asked(*asking.keys, str(replica)) for replica in range(2, count + 1)]
        results = study.config.paths.results
        is_done = _is_done(Path(paths.located(paths.asked(*asking.keys), results)), asking)
        found += [path for path in further if not is_done or Path(paths.located(path, results)).exists()]
    return found


def _is_done(record: Path, asking: Asking) -> bool:
    """Whether the first replica has asked everything under the present settings."""
    try:
        settings = json.loads(record.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(settings == AnswerSettings.from_mapping(asking.settings()).key)


def _all(study: Study) -> Iterator[Asking]:
    """Everything that models are asked in jobs that further ones can share."""
    config, folder = study.config, study.folder
    for dataset, drawn in study.drawn:
        generator = study.generator_name(SimpleNamespace(drawn=drawn))
        yield Asking(
            config.generator[generator].model,
            ("queries", dataset, drawn),
            partial(slices.generation, config, folder, generator),
        )
    for (dataset, query_set), pools in study.asked.items():
        kind = config.dataset[dataset].kind
        for member in study.members_of(pools):
            if member in study.members:
                yield Asking(
                    study.members[member].model_name,
                    ("answers", dataset, query_set, member),
                    partial(slices.answering, config, folder, member, kind),
                )
    for dataset, query_set, featurizer in _described(study):
        yield Asking(
            config.featurizer[featurizer].model,
            ("features", dataset, query_set, featurizer),
            partial(slices.featurizing, config, folder, featurizer),
        )
    for dataset, query_set in study.judged:
        for member in study.referees:
            yield Asking(
                study.members[member].model_name,
                ("referee", dataset, query_set, member),
                partial(slices.answering, config, folder, member),
            )


def _described(study: Study) -> Iterator[tuple[str, str, str]]:
    """Dataset, query set and featurizer of all features that a cell needs."""
    config = study.config
    needed = (
        (cell.dataset, query_set, str(config.router[cell.router].features))
        for cell in study.cells
        if config.router[cell.router].features is not None
        for query_set in (BENCHMARK, generated.whole(config, sweep.query_set(cell.scenario)))
    )
    return iter(unique(needed))
