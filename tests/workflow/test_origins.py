"""Every value in every parameter of the jobs of an experiment is said to stand where it can stand."""

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rgd.config.compose import _section
from rgd.config.origins import origin
from rgd.config.schema import Config
from rgd.planning import graph
from rgd.planning.arranged import POOL, arranged
from rgd.planning.changes import opened
from tests import ROOT

# What no file of the configuration says: constants, and what the code says of itself.
OF_NO_FILE = {
    ("bundle", "cell"),
    ("bundle", "titles/scenario"),
    ("report_page", "name"),
    ("report_page", "titles/scenario/real"),
    ("report_page", "words"),
    ("ask_queries", "way"),
    ("read_queries", "way"),
}


def values(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys that lead to every value of a tree."""
    tree = opened(tree)
    if isinstance(tree, Mapping) and (tree or not path):
        for key, value in tree.items():
            yield from values(value, (*path, str(key)))
    else:
        yield path


def stands(where: str) -> bool:
    """Whether a file exists and can have a key."""
    file, _, key = where.partition(": ")
    path = Path(file)
    if not path.is_file() or not key or path.suffix != ".yaml":
        return path.is_file()
    group = path.parent.name
    keys = {"config": [], "experiment": ["experiment"]}.get(group, [group, path.stem])
    section = _section(Config, keys)
    return section is not None and key.split(".")[0] in section.model_fields


def misplaced(experiment: str) -> list[str]:
    plan = graph.build([], [f"experiment={experiment}"])
    found = []
    for job in plan.jobs:
        for name, value in arranged(job.rule, job.wildcards, job.parameters).items():
            for path in values(value):
                where = origin(plan.config, job.rule, job.wildcards, name, path)
                keys = "/".join(path)
                is_of_no_file = any(job.rule == rule and keys.startswith(begin) for rule, begin in OF_NO_FILE)
                if name != "code" and POOL not in path and not is_of_no_file and not stands(where):
                    found.append(f"{job.rule} {name} {keys}: {where}")
    return found


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("experiment", ["quickstart", "own"])
def test_every_value_stands_in_a_file_that_can_have_its_key(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # Snakemake changes the process in which it makes a plan.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
        assert other.submit(misplaced, experiment).result(timeout=300) == []
