"""The incremental contract: an edit reruns what it can have changed, and nothing else.

Each case is an edit and the outputs that must be made anew, as patterns of paths under results/. A case compares whole
sets: one output too many fails as one too few does.
"""

import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.workflow.project import Project

Edit = Callable[[Project], None]

# What every change of a cell leads to: all tables but the two that are made of responses and of draws.
ACCURACY_TABLE = [r"tables/tiny/(accuracy|costs)\..*", "tables/tiny/summary.txt", r"figures/tiny/accuracy\..*"]
ACCURACY = [r"tables/tiny/(comparisons|choices)\..*", *ACCURACY_TABLE]
QUERY_FIGURE = [r"figures/tiny/queries\..*"]
REFERENCES = [r"(cells|outcomes|choices)/tiny/real/tiny/(oracle|random)\.parquet"]
ROUTERS = [r"routers/.*", r"routes/.*", r"(cells|outcomes|choices)/.*/(?!oracle|random)[^/]*"]
BEHIND_CONSENSUS = [r"consensus/.*", *ROUTERS, *ACCURACY, *QUERY_FIGURE]
BEHIND_RESPONSES = [r"answer_embeddings/.*", *BEHIND_CONSENSUS, *REFERENCES, r"tables/tiny/tasks\..*"]
GENERATED_BRANCH = [
    r"(questions|labels|generation)/tiny/tiny-writer\.parquet",
    r"embeddings/tiny/tiny-writer\.parquet",
    r"neighbours/tiny/tiny-writer\.parquet",
    r"(answered|responses)/tiny/tiny-writer/.*",
    r"answer_embeddings/tiny/tiny-writer/.*",
    r"(consensus|routers|routes|cells|outcomes|choices)/tiny/tiny-writer/.*",
    r"tables/tiny/generation\..*",
    *ACCURACY,
    *QUERY_FIGURE,
]


def router(name: str) -> list[str]:
    return [rf"(routers|routes|cells|outcomes|choices)/.*/{name}\.parquet", *ACCURACY]


def text(file: str, old: str, new: str) -> Edit:
    return lambda project: project.edit_text(file, old, new)


def keys(file: str, **changes: object) -> Edit:
    return lambda project: project.edit_yaml(file, **changes)


def nested(file: str, section: str, **changes: object) -> Edit:
    def edit(project: Project) -> None:
        content = yaml.safe_load((project.folder / "config" / file).read_text())
        project.edit_yaml(file, **{section: content.get(section, {}) | changes})

    return edit


def append(file: str, more: str) -> Edit:
    def edit(project: Project) -> None:
        path = project.folder / file
        path.write_text(path.read_text() + more)

    return edit


def reversed_keys(file: str) -> Edit:
    def edit(project: Project) -> None:
        path = project.folder / "config" / file
        content = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(dict(reversed(content.items())), sort_keys=False))

    return edit


def touch(file: str) -> Edit:
    return lambda project: os.utime(project.folder / file)


def delete(file: str) -> Edit:
    return lambda project: (project.folder / file).unlink()


USUAL = {
    "a router's parameter",
    "the split seeds",
    "a model asked anew",
    "a prompt of an ask",
    "a router's module",
    "the extraction of answers",
    "the parsing of generated queries",
    "a deleted cell",
    "threads and memory",
    "a comment in the code",
    "a docstring",
    "the order of keys",
}
"""Cases of the usual loop; the others are slow."""

CORE = "workflow_scripts/rgd"
EXTRA = "\n\nEXTRA = 1\n"

CASES: dict[str, tuple[Edit, list[str]]] = {
    # Configuration
    "a router's parameter": (nested("router/avengers.yaml", "parameters", n_clusters=3), router("avengers")),
    "a router's variant": (
        nested("router/knn.yaml", "variants", top2=2),
        [r"(routes|cells|outcomes|choices)/.*/knn\.parquet", *ACCURACY],
    ),
    "the consensus artifact's vote weight": (keys("config.yaml", vote_weight="z_sum"), BEHIND_CONSENSUS),
    "the number of neighbours": (
        keys("config.yaml", neighbours=9),
        [r"neighbours/.*", r"(routes|cells|outcomes|choices)/.*/(?!oracle|random)[^/]*", *ACCURACY],
    ),
    "the interval": (
        keys("experiment/tiny.yaml", interval={"seed": 5}),
        [r"(cells|outcomes|choices)/.*", *ACCURACY],
    ),
    "the split seeds": (
        keys("experiment/tiny.yaml", seeds=[0, 2]),
        ["splits/tiny.parquet", r"neighbours/.*", *BEHIND_CONSENSUS, *REFERENCES],
    ),
    "a router less": (
        keys("experiment/tiny.yaml", routers=["cascal", "smoothie", "cascal_gt", "avengers", "topk", "single"]),
        ACCURACY,
    ),
    "the order of a pool": (
        keys("pool/tiny.yaml", members=["tiny-b-plain", "tiny-a-chat", "tiny-a-plain", "tiny-b-chat"]),
        BEHIND_RESPONSES,
    ),
    "a model asked anew": (
        keys("model/tiny-a.yaml", answers_epoch=1),
        [r"(answered|responses)/.*/tiny-a-.*", *BEHIND_RESPONSES],
    ),
    "a generator's temperature": (
        keys("generator/tiny-writer.yaml", temperature=0.5),
        ["draws/tiny/tiny-writer.json", *GENERATED_BRANCH],
    ),
    "the number of generated queries": (
        keys("dataset/tiny.yaml", generated_queries=14),
        ["draws/tiny/tiny-writer.json", *GENERATED_BRANCH],
    ),
    # Prompts
    "a prompt of an ask": (
        append("config/prompts/ask_plain.txt", "!"),
        [r"(answered|responses)/.*-plain\..*", *BEHIND_RESPONSES],
    ),
    "a generator's prompt": (
        append("config/prompts/generate_instruction.txt", "Be brief."),
        ["draws/tiny/tiny-writer.json", *GENERATED_BRANCH],
    ),
    # Code
    "a router's module": (append(f"{CORE}/routers/knn.py", EXTRA), router("knn")),
    "a module that a router's subclass shares": (
        append(f"{CORE}/routers/cascal.py", EXTRA),
        [r"(routers|routes|cells|outcomes|choices)/.*/cascal(_gt)?\.parquet", *ACCURACY, *QUERY_FIGURE],
    ),
    "the extraction of answers": (append(f"{CORE}/answers.py", EXTRA), [r"responses/.*", *BEHIND_RESPONSES]),
    "the parsing of generated queries": (append(f"{CORE}/generation/tagged_block.py", EXTRA), GENERATED_BRANCH),
    "the figures' style": (append(f"{CORE}/analysis/figures.py", EXTRA), [r"figures/.*"]),
    "the scoring": (append(f"{CORE}/scoring.py", EXTRA), [r"(cells|outcomes|choices)/.*", *ACCURACY]),
    "a script": (append("workflow_scripts/task_table.py", EXTRA), [r"tables/tiny/tasks\..*"]),
    # Files
    "a deleted cell": (
        delete("results/cells/tiny/real/tiny/knn.parquet"),
        [r"(cells|outcomes|choices)/tiny/real/tiny/knn\.parquet", *ACCURACY],
    ),
    # What changes no result
    "a title": (keys("model/tiny-a.yaml", title="Another name"), []),
    "threads and memory": (keys("model/tiny-b.yaml", threads=2, memory_mb=2000), []),
    "the engine": (keys("generator/tiny-writer.yaml", engine="transformers"), []),
    "the size of a chunk": (keys("site/workstation.yaml", chunk_size=7), []),
    "the cache": (nested("config.yaml", "paths", cache="/nowhere"), []),
    "a comment in the configuration": (append("config/router/knn.yaml", "# a comment\n"), []),
    "the order of keys": (reversed_keys("model/tiny-a.yaml"), []),
    "a new model nobody uses": (
        lambda project: shutil.copy(
            project.folder / "config/model/tiny-a.yaml", project.folder / "config/model/tiny-z.yaml"
        ),
        [],
    ),
    "a comment in the code": (append(f"{CORE}/answers.py", "# a comment\n"), []),
    "a docstring": (text(f"{CORE}/scoring.py", '"""From routes', '"""Made from routes'), []),
    "an inference engine's code": (append(f"{CORE}/store/fill.py", "# a comment\n"), []),
    "a touched file": (touch("results/questions/tiny/benchmark.parquet"), []),
}


@pytest.fixture(scope="module")
def outputs(finished: Project) -> set[str]:
    """Every output of the project."""
    done = finished.run("--summary")
    assert done.returncode == 0, done.stderr
    return {line.split("\t")[0].removeprefix("results/") for line in done.stdout.splitlines()[1:]}


@pytest.fixture(scope="module")
def pending(finished: Project, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What each selected case would rerun, each in a copy of its own, two at a time."""
    wanted = {item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")}
    folder = tmp_path_factory.mktemp("edits")

    def reruns(number: int, case: str) -> set[str]:
        project = finished.copy(folder / str(number))
        CASES[case][0](project)
        return project.pending()

    with ThreadPoolExecutor(max_workers=2) as workers:
        started = {case: workers.submit(reruns, number, case) for number, case in enumerate(CASES) if case in wanted}
        return {case: job.result() for case, job in started.items()}


def matching(outputs: set[str], patterns: list[str]) -> set[str]:
    found = set()
    for pattern in patterns:
        matches = {output for output in outputs if re.fullmatch(pattern, output)}
        assert matches, f"no output matches {pattern}: the case is wrong"
        found |= matches
    return found


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in USUAL else [pytest.mark.slow]) for case in CASES]
)
def test_an_edit_reruns_exactly_what_it_can_change(pending: dict[str, set[str]], outputs: set[str], case: str) -> None:
    assert pending[case] == matching(outputs, CASES[case][1])


def test_a_copy_without_an_edit_has_nothing_to_do(finished: Project, tmp_path: Path) -> None:
    assert finished.copy(tmp_path / "copy").pending() == set()


def test_a_parameter_on_the_command_line_does_what_the_file_does(finished: Project, outputs: set[str]) -> None:
    pending = finished.pending("--config", 'overrides=["router.avengers.n_clusters=3"]')
    assert pending == matching(outputs, router("avengers"))
