"""The incremental contract: an edit reruns what it can have changed, and nothing else.

Each case is an edit and the outputs that must be made anew, as patterns of paths under results/. A case compares whole
sets: one output too many fails as one too few does.
"""

import ast
import os
import re
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from rgd import __version__
from tests.workflow.project import MEMBERS, Project

Edit = Callable[[Project], None]

# What every change of a cell leads to: all tables but the two that are made of responses and of draws.
ACCURACY_TABLE = [r"tables/tiny/(accuracy|costs)\..*", "tables/tiny/summary.txt", r"figures/tiny/accuracy\..*"]
ACCURACY = [r"tables/tiny/(comparisons|choices)\..*", *ACCURACY_TABLE]
TASKS = [r"tables/tiny/tasks\..*"]
QUERY_FIGURE = [r"figures/tiny/queries\..*"]
REFERENCES = [r"(cells|outcomes|choices)/tiny/real/tiny/(oracle|random)\.parquet"]
LEARNED = [r"routes/.*", r"(cells|outcomes|choices)/.*/(?!oracle|random)[^/]*"]
ROUTERS = [r"routers/.*", *LEARNED]
TRANSFER = [r"tables/tiny/ranking_transfer\..*"]
CONSENSUS = [r"consensus/.*", *TRANSFER]
BEHIND_TRAINING = [r"training/.*", *CONSENSUS, *ROUTERS, *ACCURACY, *QUERY_FIGURE]
BEHIND_RESPONSES = [r"answer_embeddings/.*", *BEHIND_TRAINING, *REFERENCES, *TASKS]
BEHIND_SPLITS = ["splits/tiny.parquet", r"neighbours/.*", *BEHIND_TRAINING, *REFERENCES]
BEHIND_EMBEDDINGS = [r"neighbours/.*", *ROUTERS, *ACCURACY, *QUERY_FIGURE]
GENERATED_BRANCH = [
    r"(questions|labels|generation)/tiny/tiny-writer\.parquet",
    r"embeddings/tiny/tiny-writer\.parquet",
    r"neighbours/tiny/tiny-writer\.parquet",
    r"(asked/answers|responses)/tiny/tiny-writer/.*",
    r"answer_embeddings/tiny/tiny-writer/.*",
    r"(training|consensus|routers|routes|cells|outcomes|choices)/tiny/tiny-writer/.*",
    r"tables/tiny/ranking_transfer\..*",
    r"tables/tiny/generation\..*",
    *ACCURACY,
    *QUERY_FIGURE,
]
DRAWN_ANEW = ["asked/queries/tiny/tiny-writer.json", *GENERATED_BRANCH]


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


def lists(file: str, **more: list[object]) -> Edit:
    """Add to lists of a YAML file."""

    def edit(project: Project) -> None:
        content = yaml.safe_load((project.folder / "config" / file).read_text())
        project.edit_yaml(file, **{key: [*content.get(key, []), *items] for key, items in more.items()})

    return edit


def also(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(project: Project) -> None:
        for each in edits:
            each(project)

    return edit


def library(name: str, version: str) -> Edit:
    """As if another version of a library were installed: what is said of it stands first on the path."""

    def edit(project: Project) -> None:
        folder = project.folder / "workflow_scripts" / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    return edit


def checkout(project: Project) -> None:
    """Every file of the project is as new as after a checkout; what stands in it is the same."""
    for part in ("Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs"):
        path = project.folder / part
        for file in [path] if path.is_file() else path.rglob("*"):
            os.utime(file)


def copied(source: str, target: str, **changes: object) -> Edit:
    """A file of the configuration under another name, with changes."""

    def edit(project: Project) -> None:
        shutil.copy(project.folder / "config" / source, project.folder / "config" / target)
        project.edit_yaml(target, **changes)

    return edit


def laid_out_anew(file: str) -> Edit:
    """The same code without comments and in another layout."""

    def edit(project: Project) -> None:
        path = project.folder / file
        path.write_text(ast.unparse(ast.parse(path.read_text())).replace("\n", "\n\n"))

    return edit


def reverted(edited: Edit, *files: str) -> Edit:
    """An edit that is taken back."""

    def edit(project: Project) -> None:
        before = {file: (project.folder / file).read_bytes() for file in files}
        edited(project)
        for file, content in before.items():
            (project.folder / file).write_bytes(content)

    return edit


def append(file: str, more: str) -> Edit:
    def edit(project: Project) -> None:
        path = project.folder / file
        path.write_bytes(path.read_bytes() + more.encode())

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
    "a checkout",
    "another version of the plotting library",
}
"""Cases of the usual loop; the others are slow."""

CORE = "workflow_scripts/rgd"
EXTRA = "\n\nEXTRA = 1\n"
THIRD_ASK = {"plain": "ask_plain", "chat": "ask_chat", "third": "ask_plain"}

CASES: dict[str, tuple[Edit, list[str]]] = {
    # Configuration: routers and votes
    "a router's parameter": (nested("router/avengers.yaml", "parameters", n_clusters=3), router("avengers")),
    "a router's variant": (
        nested("router/knn.yaml", "variants", top2=2),
        [r"(routes|cells|outcomes|choices)/.*/knn\.parquet", *ACCURACY],
    ),
    "what a router's budgets count": (keys("router/latent_truth.yaml", price="tokens"), router("latent_truth")),
    "the price of a member that one router weighs": (
        keys("router/latent_truth.yaml", prices={MEMBERS[0]: 2.0}),
        router("latent_truth"),
    ),
    "what a plan assumes of questions not made yet": (keys("dataset/tiny.yaml", question_tokens=30), []),
    "a price that no router weighs": (keys("model/tiny-a.yaml", answers_per_minute=30.0), []),
    "replicas": (keys("model/tiny-a.yaml", replicas=3), []),
    "what is for run times": (keys("model/tiny-a.yaml", parameters_active_billion=0.00005, weight_bits=8), []),
    "a parameter of two routers": (
        also(
            nested("router/avengers.yaml", "parameters", n_clusters=3),
            nested("router/knn.yaml", "parameters", k_grid=[3]),
        ),
        [*router("avengers"), *router("knn")],
    ),
    "the consensus artifact's vote weight": (keys("config.yaml", vote_weight="z_sum"), CONSENSUS),
    "the fewest votes of a majority": (keys("config.yaml", min_votes=3), CONSENSUS),
    "the number of neighbours": (keys("config.yaml", neighbours=9), [r"neighbours/.*", *LEARNED, *ACCURACY]),
    # Configuration: the experiment
    "the interval": (
        keys("experiment/tiny.yaml", interval={"seed": 5}),
        [r"(cells|outcomes|choices)/.*", *ACCURACY],
    ),
    "the split seeds": (keys("experiment/tiny.yaml", seeds=[0, 2]), BEHIND_SPLITS),
    "the baseline": (keys("experiment/tiny.yaml", baseline="knn"), [r"tables/tiny/comparisons\..*", *ACCURACY_TABLE]),
    "a router less": (
        keys("experiment/tiny.yaml", routers=["cascal", "smoothie", "cascal_gt", "avengers", "topk", "single"]),
        ACCURACY,
    ),
    "a router more": (lists("experiment/tiny.yaml", routers=["cascal_z_sum"]), router("cascal_z_sum")),
    "an excluded cell": (
        lists("experiment/tiny.yaml", exclude=[{"scenario": "real", "router": "knn", "reason": "a test"}]),
        ACCURACY,
    ),
    "a table less": (keys("experiment/tiny.yaml", tables=["accuracy", "comparisons"]), []),
    "another experiment": (
        copied("experiment/tiny.yaml", "experiment/second.yaml", routers=["knn"], baseline="knn"),
        [],
    ),
    "a dataset more": (
        also(
            copied("dataset/tiny.yaml", "dataset/second.yaml", title="Second"),
            lists("experiment/tiny.yaml", datasets=["second"]),
        ),
        [
            r"(questions|labels|generation|embeddings|neighbours|training|consensus|routers|routes|cells|outcomes|choices)/second/.*",
            r"(descriptions|asked/queries|asked/answers|responses|answer_embeddings)/second/.*",
            r"(splits|parts|dropped)/second\.parquet",
            r"tables/tiny/generation\..*",
            *ACCURACY,
            *TASKS,
            *TRANSFER,
        ],
    ),
    # Configuration: models, generators, datasets
    "the order of a pool": (
        keys("pool/tiny.yaml", members=["tiny-b-plain", "tiny-a-chat", "tiny-a-plain", "tiny-b-chat"]),
        BEHIND_RESPONSES,
    ),
    "a member less": (keys("pool/tiny.yaml", members=MEMBERS[:3]), BEHIND_RESPONSES),
    "a member more": (
        also(
            keys(
                "model/tiny-a.yaml",
                asks={name: {"way": "likelihood", "prompt": file} for name, file in THIRD_ASK.items()},
            ),
            lists("pool/tiny.yaml", members=["tiny-a-third"]),
        ),
        [r"(asked/answers|responses)/.*/tiny-a-third\..*", *BEHIND_RESPONSES],
    ),
    "how a member's answers are read": (
        keys(
            "model/tiny-a.yaml",
            asks={
                name: {
                    "way": "likelihood",
                    "prompt": THIRD_ASK[name],
                    "reader": "official" if name == "plain" else "careful",
                }
                for name in ("plain", "chat")
            },
        ),
        [r"responses/.*/tiny-a-plain\..*", *BEHIND_RESPONSES],
    ),
    "a model asked anew": (
        keys("model/tiny-a.yaml", answers_epoch=1),
        [r"(asked/answers|responses)/.*/tiny-a-.*", *BEHIND_RESPONSES],
    ),
    "a model's longest text": (
        keys("model/tiny-b.yaml", max_model_len=512),
        [r"(asked/answers|responses)/.*/tiny-b-.*", *BEHIND_RESPONSES],
    ),
    "the embedder's longest text": (
        keys("embedder/tiny-embedder.yaml", max_model_len=64),
        [r"(answer_)?embeddings/.*", *BEHIND_EMBEDDINGS],
    ),
    "a generator's temperature": (keys("generator/tiny-writer.yaml", temperature=0.5), DRAWN_ANEW),
    "a generator's most draws": (keys("generator/tiny-writer.yaml", max_draws_per_task=81), DRAWN_ANEW),
    "the number of generated queries": (keys("dataset/tiny.yaml", generated_queries=14), DRAWN_ANEW),
    "a task's description": (
        nested("dataset/tiny.yaml", "tasks", calendar="Days, weeks and leap years."),
        ["descriptions/tiny/default.parquet", *DRAWN_ANEW],
    ),
    "the share of training questions": (keys("dataset/tiny.yaml", train_share=0.5), BEHIND_SPLITS),
    "a dataset's title": (keys("dataset/tiny.yaml", title="Little"), [*ACCURACY, *TRANSFER]),
    # Prompts
    "a prompt of an ask": (
        append("config/prompts/ask_plain.txt", "!"),
        [r"(asked/answers|responses)/.*-plain\..*", *BEHIND_RESPONSES],
    ),
    "a generator's prompt": (append("config/prompts/generate_instruction.txt", "Be brief."), DRAWN_ANEW),
    "a worked example more": (keys("generator/tiny-writer.yaml", examples=["generate_example_1"]), DRAWN_ANEW),
    # Code
    "a router's module": (append(f"{CORE}/routers/knn.py", EXTRA), router("knn")),
    "a module that a router's subclass shares": (
        append(f"{CORE}/routers/cascal.py", EXTRA),
        [r"(routers|routes|cells|outcomes|choices)/.*/cascal(_gt)?\.parquet", *ACCURACY, *QUERY_FIGURE],
    ),
    "a module that some routers share": (
        append(f"{CORE}/routing/clustering.py", EXTRA),
        [
            r"(routers|routes|cells|outcomes|choices)/.*/(latent_truth|cascal|cascal_gt|avengers)\.parquet",
            *ACCURACY,
            *QUERY_FIGURE,
        ],
    ),
    "the extraction of answers": (append(f"{CORE}/answers/extraction.py", EXTRA), [r"responses/.*", *BEHIND_RESPONSES]),
    "the parsing of generated queries": (append(f"{CORE}/generation/tagged_block.py", EXTRA), DRAWN_ANEW),
    "what a draw must be": (append(f"{CORE}/generation/drawing.py", EXTRA), DRAWN_ANEW),
    "the reading of prompts": (
        append(f"{CORE}/engines/prompts.py", EXTRA),
        [r"(asked/answers|responses)/.*", *BEHIND_RESPONSES],
    ),
    "what members are asked": (
        append(f"{CORE}/answers/requests.py", EXTRA),
        [r"(asked/answers|responses)/.*", *BEHIND_RESPONSES],
    ),
    "the pooling of embeddings": (
        append(f"{CORE}/engines/pooling.py", EXTRA),
        [r"(answer_)?embeddings/.*", *BEHIND_EMBEDDINGS],
    ),
    "the figures' style": (append(f"{CORE}/analysis/figures.py", EXTRA), [r"figures/.*"]),
    "the scoring": (append(f"{CORE}/scoring/cells.py", EXTRA), [r"(cells|outcomes|choices)/.*", *ACCURACY]),
    "the splitting": (append(f"{CORE}/datasets/splits.py", EXTRA), BEHIND_SPLITS),
    "a script": (append("workflow_scripts/task_table.py", EXTRA), TASKS),
    # The environment
    "another version of the plotting library": (library("matplotlib", "99.0"), [r"figures/.*"]),
    "another version of the library that projects queries": (library("scikit-learn", "99.0"), QUERY_FIGURE),
    "another version of the library of tables": (
        library("pandas", "99.0"),
        [*ACCURACY, *TASKS, *TRANSFER, r"tables/tiny/generation\..*"],
    ),
    "another version of the engines": (
        also(*(library(name, "99.0") for name in ("vllm", "transformers", "torch", "google-genai"))),
        [],
    ),
    # Files
    "a deleted cell": (
        delete("results/cells/tiny/real/tiny/knn.parquet"),
        [r"(cells|outcomes|choices)/tiny/real/tiny/knn\.parquet", *ACCURACY],
    ),
    "a cell that is written to by hand": (append("results/cells/tiny/real/tiny/knn.parquet", " "), ACCURACY),
    # What changes no result
    "a title": (keys("model/tiny-a.yaml", title="Another name"), []),
    "the experiment's title": (keys("experiment/tiny.yaml", title="Another name"), []),
    "how a model that scores would draw": (keys("model/tiny-a.yaml", sampling={"temperature": 0.1}), []),
    "threads and memory": (keys("model/tiny-b.yaml", threads=2, memory_mb=2000), []),
    "the engine": (keys("generator/tiny-writer.yaml", engine="transformers"), []),
    "the size of a chunk": (keys("site/workstation.yaml", chunk_size=7), []),
    "the cache": (nested("config.yaml", "paths", cache="/nowhere"), []),
    "the profile": (append("profiles/default/config.yaml", "printshellcmds: true\n"), []),
    "a comment in the configuration": (append("config/router/knn.yaml", "# a comment\n"), []),
    "the order of keys": (reversed_keys("model/tiny-a.yaml"), []),
    "a new model nobody uses": (copied("model/tiny-a.yaml", "model/tiny-z.yaml"), []),
    "a new dataset nobody uses": (copied("dataset/tiny.yaml", "dataset/tiny-z.yaml"), []),
    "blank lines at a prompt's end": (append("config/prompts/ask_plain.txt", "\n \n"), []),
    "line ends of a prompt": (text("config/prompts/ask_chat.txt", "[user]\n", "[User] \r\n"), []),
    "blank lines at the end of a generator's prompt": (append("config/prompts/generate_instruction.txt", "\n\n"), []),
    "a prompt nobody uses": (append("config/prompts/ask_reasoning.txt", "!"), []),
    "a router nobody uses": (nested("router/smoothie_task.yaml", "parameters", mean="global"), []),
    "a comment in the code": (append(f"{CORE}/answers/extraction.py", "# a comment\n"), []),
    "a docstring": (text(f"{CORE}/scoring/cells.py", '"""From routes', '"""Made from routes'), []),
    "the layout of the code": (laid_out_anew(f"{CORE}/scoring/cells.py"), []),
    "an engine's code": (append(f"{CORE}/engines/transformers.py", EXTRA), []),
    "the code that asks": (append(f"{CORE}/store/fill.py", EXTRA), []),
    "what every job runs in": (append("workflow_scripts/_job.py", EXTRA), []),
    "the commands": (append(f"{CORE}/cli/planning.py", EXTRA), []),
    "the package's version": (text(f"{CORE}/__init__.py", f'"{__version__}"', '"99.0"'), []),
    "a rule's message": (text("rules/routing.smk", '"Fitting', '"Now fitting'), []),
    "an edit taken back": (
        reverted(append(f"{CORE}/answers/extraction.py", EXTRA), f"{CORE}/answers/extraction.py"),
        [],
    ),
    "a checkout": (checkout, []),
    "a touched file": (touch("results/questions/tiny/benchmark.parquet"), []),
    "a deleted log": (delete("results/logs/splits/tiny.log"), []),
    "a store that is gone": (lambda project: shutil.rmtree(project.folder / "results/store"), []),
}


def reruns(project: Project, edit: Edit) -> tuple[set[str], set[str]]:
    """What would be made anew after ``edit``, and all outputs that there are then."""
    edit(project)
    states = project.states()
    return {path for path, is_pending in states.items() if is_pending}, set(states)


Found = tuple[set[str], set[str]]


@pytest.fixture(scope="module")
def edited(
    finished: Project, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[Found]]:
    """What each selected case would rerun, and its outputs, each in a copy of its own, two at a time."""
    wanted = {item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")}
    folder = tmp_path_factory.mktemp("edits")

    def look(number: int, case: str) -> Found:
        copy = finished.copy(folder / str(number))
        found = reruns(copy, CASES[case][0])
        shutil.rmtree(copy.folder)
        return found

    with ThreadPoolExecutor(max_workers=2) as workers:
        return {case: workers.submit(look, number, case) for number, case in enumerate(CASES) if case in wanted}


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
def test_an_edit_reruns_exactly_what_it_can_change(edited: Mapping[str, Future[Found]], case: str) -> None:
    pending, outputs = edited[case].result()
    assert pending == matching(outputs, CASES[case][1])


def test_a_copy_without_an_edit_has_nothing_to_do(finished: Project, tmp_path: Path) -> None:
    assert finished.copy(tmp_path / "copy").pending() == set()


def test_a_parameter_on_the_command_line_does_what_the_file_does(finished: Project) -> None:
    states = finished.states("--config", 'overrides=["router.avengers.n_clusters=3"]')
    assert {path for path, is_pending in states.items() if is_pending} == matching(set(states), router("avengers"))


@pytest.mark.slow
def test_a_second_experiment_makes_its_own_tables_and_nothing_that_it_shares(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    copied(
        "experiment/tiny.yaml",
        "experiment/second.yaml",
        routers=["knn", "cascal"],
        baseline="knn",
        tables=["accuracy"],
        figures=[],
    )(project)
    states = project.states("--config", "experiment=second")
    pending = {path for path, is_pending in states.items() if is_pending}
    assert pending == matching(set(states), [r"tables/second/(accuracy|comparisons)\..*", "tables/second/summary.txt"])
    assert matching(set(states), [r"cells/tiny/(real|tiny-writer)/tiny/(knn|cascal)\.parquet"]) < set(states) - pending


FINGERPRINT = "workflow_scripts/rgd/artifacts/fingerprint.py"
WRONG: dict[str, tuple[Edit, str]] = {
    "that is constant": (
        text(FINGERPRINT, "**self.files}.items()))[:16]", "**self.files}.items()))[:0]"),
        "a router's module",
    ),
    "that sees comments": (
        text(FINGERPRINT, '_hash(f"{label}={text}" for label, text in parts)', "hashlib.sha256(content).hexdigest()"),
        "a comment in the code",
    ),
    "that sees docstrings": (text(FINGERPRINT, "        if _is_bare_text(node):", "        if False:"), "a docstring"),
    "that does not follow plugins": (text(FINGERPRINT, ", root), *plugins]", ", root)]"), "a router's module"),
    "that counts no libraries": (
        text(FINGERPRINT, "in source.libraries}", "in ()}"),
        "another version of the plotting library",
    ),
}
"""Fingerprints, and the case of the matrix that each must fail."""


@pytest.mark.slow
@pytest.mark.parametrize("fingerprint", WRONG)
def test_a_wrong_fingerprint_fails_the_matrix(finished: Project, tmp_path: Path, fingerprint: str) -> None:
    spoil, case = WRONG[fingerprint]
    project = finished.copy(tmp_path / "copy")
    spoil(project)
    done = project.run("--touch")
    assert done.returncode == 0, done.stderr
    assert project.pending() == set(), "the results are not as if made with this fingerprint"
    pending, outputs = reruns(project, CASES[case][0])
    assert pending != matching(outputs, CASES[case][1])


def contents(project: Project) -> dict[str, bytes]:
    """The bytes of every artifact; times are in the provenance alone."""
    root = project.folder / "results"
    kinds = ("questions", "responses", "routers", "routes", "cells", "outcomes", "choices", "consensus", "tables")
    files = [file for kind in kinds for file in (root / kind).rglob("*") if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files if not file.name.endswith(".json")}


@pytest.mark.slow
def test_an_edit_changes_the_bytes_of_its_cells_alone_and_taken_back_gives_the_same_again(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy(tmp_path / "copy")
    before = contents(project)
    file = project.folder / "config/router/avengers.yaml"
    said = file.read_text()
    CASES["a router's parameter"][0](project)
    for _ in range(2):
        done = project.run()
        assert done.returncode == 0, done.stderr
    edited = contents(project)
    changed = {name for name in before if edited[name] != before[name]}
    assert edited.keys() == before.keys()
    assert matching(set(before), [r"routers/.*/avengers\.parquet"]) <= changed
    assert changed <= matching(
        set(before), [r"(routers|routes|cells|outcomes|choices)/.*/avengers\.parquet", r"tables/.*"]
    )
    file.write_text(said)
    done = project.run()
    assert done.returncode == 0, done.stderr
    assert contents(project) == before


def kept_only_if(condition: str) -> Edit:
    """Drop draws that are no longer good enough."""
    return text(
        f"{CORE}/generation/drawing.py",
        "        elif question in seen:",
        f"        elif not ({condition}) or question in seen:",
    )


DECIDE_WHAT_IS_ASKED: dict[str, Edit] = {
    "a stricter acceptance of draws": kept_only_if("draw.number % 2"),
    "another reading of prompts": text(
        f"{CORE}/engines/prompts.py", "Message(role.lower(), content.strip())", "Message(role.lower(), content)"
    ),
    "other requests": text(
        f"{CORE}/answers/requests.py",
        """render(prompt, question, options)
        for""",
        """render(prompt, question.upper(), options)
        for""",
    ),
}
"""Edits of code that change what has to be asked, or which of the stored answers are used."""


@pytest.mark.slow
@pytest.mark.parametrize("edit", DECIDE_WHAT_IS_ASKED)
def test_an_incremental_run_ends_as_a_fresh_one_from_the_same_store(
    finished: Project, tmp_path: Path, edit: str
) -> None:
    incremental = finished.copy(tmp_path / "incremental")
    DECIDE_WHAT_IS_ASKED[edit](incremental)
    done = incremental.run()
    assert done.returncode == 0, done.stderr
    assert incremental.pending() == set()
    fresh = incremental.copy(tmp_path / "fresh")
    for path in (fresh.folder / "results").iterdir():
        if path.name != "store":
            shutil.rmtree(path)
    shutil.rmtree(fresh.folder / ".snakemake")
    done = fresh.run()
    assert done.returncode == 0, done.stderr
    assert contents(fresh) == contents(incremental)
    assert contents(incremental) != contents(finished)
