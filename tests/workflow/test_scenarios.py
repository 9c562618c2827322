"""Scenarios with suffixes in the small project: which jobs they take, what they make, and what an edit reruns."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.workflow import tiny_writer
from tests.workflow.project import MEMBERS, Project, make, write

WRITER = "tiny-writer"
FILTERED = f"{WRITER}-1k-filtered-tiny"
DRAWN = [WRITER, f"{WRITER}-short", f"{WRITER}-shortest", f"{WRITER}-human", f"{WRITER}-1k"]
SCENARIOS = ["real", *DRAWN, FILTERED]
ROUTERS = ["smoothie", "knn", "topk"]
# What is run to its end: one scenario for each kind of job.
RUN = ["real", WRITER, f"{WRITER}-short", f"{WRITER}-1k", FILTERED]
RUN_MEMBERS = MEMBERS[:3]
QUERIES, MORE_QUERIES = 12, 20
TEXTS = [f"These are questions about {what}, which take {skill}." for what in "xyz" for skill in ("care", "knowledge")]


def with_suffixes(project: Project, scenarios: list[str] = SCENARIOS, routers: list[str] = ROUTERS) -> Project:
    """The small project with these scenarios and routers, and a descriptor for its dataset."""
    config = project.folder / "config"
    model = yaml.safe_load((config / "model/tiny-writer.yaml").read_text())
    path = model["weights"]["path"].removesuffix("writer")
    write(config / "model/tiny-narrator.yaml", **model | {"title": "Narrator", "weights": {"path": f"{path}narrator"}})
    write(
        config / "descriptor/tiny-narrator.yaml",
        title="Tiny narrator",
        model="tiny-narrator",
        engine="vllm",
        prompts={"default": "describe_task", "short": "describe_shorter", "shortest": "describe_in_a_sentence"},
        temperature=1.0,
        max_tokens=60,
    )
    project.edit_yaml(
        "dataset/tiny.yaml",
        descriptor="tiny-narrator",
        reserved_per_task=3,
        generated_queries=QUERIES,
        generated_sizes={"1k": MORE_QUERIES},
    )
    project.edit_yaml(
        "experiment/tiny.yaml",
        scenarios=scenarios,
        routers=routers,
        baseline=routers[-1],
        seeds=[0],
        tables=["accuracy", "generation"],
        figures=[],
    )
    return project


def test_the_jobs_of_all_suffixes_and_no_other(tmp_path: Path) -> None:
    project = with_suffixes(make(tmp_path / "project", tmp_path / "no_models"))
    made = project.pending()
    query_sets = ["benchmark", *DRAWN, FILTERED]
    asked = ["benchmark", *DRAWN]
    variants = ("default", "short", "shortest", "human")
    expected = {
        *(f"descriptions/tiny/{variant}.parquet" for variant in variants),
        *(f"asked/descriptions/tiny/{variant}.json" for variant in variants[:3]),
        *(f"asked/queries/tiny/{key}.json" for key in DRAWN),
        *(f"generation/tiny/{key}.parquet" for key in DRAWN),
        *(f"{kind}/tiny/{key}.parquet" for kind in ("questions", "labels", "embeddings") for key in query_sets),
        f"filtering/tiny/{FILTERED}.parquet",
        *(f"asked/answers/tiny/{key}/{member}.json" for key in asked for member in MEMBERS),
        *(f"responses/tiny/{key}/{member}.parquet" for key in query_sets for member in MEMBERS),
        *(f"answer_embeddings/tiny/{key}/tiny.parquet" for key in query_sets),
        *(f"neighbours/tiny/{scenario}.parquet" for scenario in SCENARIOS),
        *(f"training/tiny/{scenario}/tiny.parquet" for scenario in SCENARIOS),
        *(
            f"cells/tiny/{scenario}/tiny/{router}.parquet"
            for scenario in SCENARIOS
            for router in (*ROUTERS, "oracle", "random")
            if scenario == "real" or router in ("smoothie", "knn")
        ),
    }
    kinds = {output.split("/")[0] for output in expected}
    assert {output for output in made if output.split("/")[0] in kinds} == expected
    assert kinds <= {output.split("/")[0] for output in made}


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("experiment/tiny.yaml", {"scenarios": ["real", "tiny-writer-2k"]}, "Did you mean 1k?"),
        ("experiment/tiny.yaml", {"scenarios": ["real", "tiny-writr-short"]}, "Did you mean tiny-writer?"),
        ("dataset/tiny.yaml", {"descriptor": None}, "has descriptor = null"),
    ],
)
def test_a_scenario_that_cannot_be_made_is_one_message(
    tmp_path: Path, file: str, changes: dict[str, object], said: str
) -> None:
    project = with_suffixes(make(tmp_path / "project", tmp_path / "no_models"))
    project.edit_yaml(file, **changes)
    done = project.run("-n")
    assert done.returncode != 0
    assert "Configuration error: config/" in done.stderr or "/config/" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def scenarios(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with a descriptor, a size and a filter, run to its end with real vLLM."""
    tiny_writer.make(models / "narrator", TEXTS)
    project = with_suffixes(make(tmp_path_factory.mktemp("scenarios") / "project", models), RUN, ["knn"])
    project.edit_yaml("pool/tiny.yaml", members=RUN_MEMBERS)
    done = project.run(timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def table(project: Project, path: str) -> pa.Table:
    return pq.read_table(project.folder / f"results/{path}.parquet")


@pytest.mark.slow
def test_every_description_is_of_its_own_writer(scenarios: Project) -> None:
    tasks = yaml.safe_load((scenarios.folder / "config/dataset/tiny.yaml").read_text())["tasks"]
    for variant in ("default", "short"):
        rows = table(scenarios, f"descriptions/tiny/{variant}").to_pylist()
        assert [row["task"] for row in rows] == list(tasks)
        assert all(row["description"] and row["description"] not in tasks.values() for row in rows)


@pytest.mark.slow
def test_the_larger_set_begins_with_the_smaller_one_and_shares_its_draws(scenarios: Project) -> None:
    small, large = (table(scenarios, f"questions/tiny/{key}").to_pylist() for key in (WRITER, f"{WRITER}-1k"))
    assert (len(small), len(large)) == (QUERIES, MORE_QUERIES)
    for task in {row["task"] for row in small}:
        first = [row for row in small if row["task"] == task]
        assert [row for row in large if row["task"] == task][: len(first)] == first
    # The writer has one folder in the store, whatever the size and the descriptions; the narrator one for each prompt.
    assert len(list((scenarios.folder / "results/store").iterdir())) == 1 + 2 + len(RUN_MEMBERS)


@pytest.mark.slow
def test_nothing_is_asked_twice(scenarios: Project) -> None:
    for folder in (scenarios.folder / "results/store").iterdir():
        chunks = [pq.read_table(path, columns=["query_key", "draw"]) for path in folder.glob("*.parquet")]
        asked = pa.concat_tables(chunks).to_pylist()
        assert len(asked) == len({(row["query_key"], row["draw"]) for row in asked})


@pytest.mark.slow
def test_a_filtered_set_is_rows_of_the_whole_one_in_everything(scenarios: Project) -> None:
    whole, kept = (table(scenarios, f"questions/tiny/{key}") for key in (f"{WRITER}-1k", FILTERED))
    wanted = set(kept["query_id"].to_pylist())
    assert 0 < kept.num_rows < whole.num_rows
    paths = ["questions/tiny/{}", "labels/tiny/{}", "embeddings/tiny/{}"]
    for path in [*paths, *(f"responses/tiny/{{}}/{member}" for member in RUN_MEMBERS)]:
        rows = table(scenarios, path.format(f"{WRITER}-1k"))
        mine = pa.array([name in wanted for name in rows["query_id"].to_pylist()])
        assert table(scenarios, path.format(FILTERED)).equals(rows.filter(mine)), path
    counts = table(scenarios, f"filtering/tiny/{FILTERED}").to_pylist()
    assert sum(row["queries"] for row in counts) == whole.num_rows
    assert sum(row["queries"] for row in counts if row["outcome"] == "kept") == kept.num_rows
    assert {row["first"] for row in counts} | {row["second"] for row in counts} <= set(RUN_MEMBERS)
    assert not list((scenarios.folder / "results/asked/answers").glob(f"*/{FILTERED}"))
    training = table(scenarios, f"training/tiny/{FILTERED}/tiny")
    assert set(training["query_id"].to_pylist()) == wanted


@pytest.mark.slow
def test_no_label_is_read_by_what_writes_or_filters_queries(scenarios: Project) -> None:
    done = scenarios.run("--detailed-summary")
    assert done.returncode == 0, done.stderr
    header, *lines = (line.split("\t") for line in done.stdout.splitlines())
    output, files = header.index("output_file"), header.index("input-file(s)")
    readers = {line[output].split("/")[1] for line in lines if "results/labels/" in line[files]}
    assert readers <= {"labels", "routers", "cells", "outcomes", "choices", "tables"}


BEHIND = r"(neighbours|training|consensus|routers|routes|cells|outcomes|choices)/tiny/{}(/.*|\.parquet)"
OF_A_SET = r"(questions|labels|generation|filtering|embeddings|asked/answers|responses|answer_embeddings)/tiny/{}(/.*|\.parquet)"


def made_of(*keys: str) -> str:
    """A pattern of everything that is made of these query sets, and of the tables and figures."""
    return "|".join(
        [rf"asked/queries/tiny/{key}\.json|{BEHIND.format(key)}|{OF_A_SET.format(key)}" for key in keys]
        + [r"tables/.*|figures/.*"]
    )


EDITS = {
    "the descriptor's prompt": (
        lambda project: project.edit_text("config/prompts/describe_task.txt", "Write two", "Write about two"),
        r"(asked/descriptions|descriptions)/.*|" + made_of(*RUN[1:]),
    ),
    "the prompt of the shorter descriptions": (
        lambda project: project.edit_text("config/prompts/describe_shorter.txt", "half", "a third"),
        r"(asked/descriptions|descriptions)/tiny/short\.(json|parquet)|" + made_of(f"{WRITER}-short"),
    ),
    "the descriptor asked anew": (
        lambda project: project.edit_yaml("descriptor/tiny-narrator.yaml", answers_epoch=1),
        r"(asked/descriptions|descriptions)/.*|" + made_of(*RUN[1:]),
    ),
    "a size": (
        lambda project: project.edit_yaml("dataset/tiny.yaml", generated_sizes={"1k": 22}),
        made_of(f"{WRITER}-1k", FILTERED),
    ),
    "a person's description, which no scenario uses": (
        lambda project: project.edit_text("config/dataset/tiny.yaml", "leap years", "months"),
        "(?!)",
    ),
    "a title": (lambda project: project.edit_yaml("descriptor/tiny-narrator.yaml", title="Another"), "(?!)"),
    "the descriptor's engine": (
        lambda project: project.edit_yaml("descriptor/tiny-narrator.yaml", engine="transformers"),
        "(?!)",
    ),
}


@pytest.fixture(scope="module")
def outputs(scenarios: Project) -> set[str]:
    """Every output of the finished project, of which none is to be made again."""
    done = scenarios.run("--summary")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert not [row[0] for row in rows if row[-1] == "update pending"]
    return {row[0].removeprefix("results/") for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("case", EDITS)
def test_an_edit_reruns_exactly_what_it_can_change(
    scenarios: Project, outputs: set[str], tmp_path: Path, case: str
) -> None:
    edit, pattern = EDITS[case]
    project = scenarios.copy(tmp_path / "copy")
    edit(project)
    assert project.pending() == {output for output in outputs if re.fullmatch(pattern, output)}
