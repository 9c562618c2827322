"""How often models are loaded in an experiment of several datasets: what a log's line `loaded MODEL in N s` counts."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.workflow.project import MEMBERS, Project, make, write

GENERATED_SETS = 2


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    """The small project with a second dataset: two query sets of each, the benchmark's and the writer's."""
    made = make(tmp_path / "project", models)
    config = made.folder / "config"
    dataset = yaml.safe_load((config / "dataset/tiny.yaml").read_text())
    write(config / "dataset/other.yaml", **dataset | {"title": "Other", "seed": 1})
    made.edit_yaml("experiment/tiny.yaml", datasets=["tiny", "other"], tables=["accuracy"], figures=[])
    return made


def loads(project: Project, rule: str) -> Counter[str]:
    """How often each member, or other last part of the path, was loaded by the jobs of ``rule``."""
    found: Counter[str] = Counter()
    for log in (project.folder / "results/logs" / rule).rglob("*.log"):
        found[log.stem] += sum(line.startswith("loaded ") for line in log.read_text().splitlines())
    return found


def answered(project: Project) -> None:
    done = project.run("answers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((project.folder / "results/responses").glob("*/*/*.parquet"))) == 2 * 2 * len(MEMBERS)


def test_with_all_queries_there_each_member_is_loaded_once(project: Project) -> None:
    done = project.run("questions")
    assert done.returncode == 0, done.stdout + done.stderr
    answered(project)
    assert loads(project, "ask_answers") == dict.fromkeys(MEMBERS, 1)
    assert loads(project, "ask_queries") == {"tiny-writer": GENERATED_SETS}


@pytest.mark.slow
def test_in_one_run_a_member_is_loaded_again_only_for_queries_that_came_too_late(project: Project) -> None:
    answered(project)
    found = loads(project, "ask_answers")
    assert set(found) == set(MEMBERS)
    assert max(found.values()) <= 1 + GENERATED_SETS
