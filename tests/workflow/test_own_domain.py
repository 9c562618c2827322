"""Tasks of which there are only examples: a model describes them, another writes queries, and a router comes out."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from rgd.tool import load
from tests.workflow import tiny_writer
from tests.workflow.project import Project, make, write
from tests.workflow.test_scenarios import TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.ci]

EXAMPLES = {
    "sums": [f"What is {number} plus {number + 3}?" for number in range(20, 26)],
    "signs": [f"Which sign says that road {number} ends?" for number in range(6)],
}
BUNDLE = "bundles/shop/tiny-writer/tiny/latent_truth"


@pytest.fixture(scope="module")
def project(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    tiny_writer.make(models / "narrator", TEXTS)
    project = make(tmp_path_factory.mktemp("own") / "project", models)
    config = project.folder / "config"
    model = yaml.safe_load((config / "model/tiny-writer.yaml").read_text())
    narrator = model | {"title": "Narrator", "weights": {"path": str(models / "narrator")}}
    write(config / "model/tiny-narrator.yaml", **narrator)
    prompts = {"default": "describe_task", "short": "describe_shorter", "shortest": "describe_in_a_sentence"}
    write(
        config / "descriptor/tiny-narrator.yaml",
        title="Tiny narrator",
        model="tiny-narrator",
        engine="vllm",
        prompts=prompts,
        max_tokens=60,
    )
    write(
        config / "dataset/shop.yaml",
        title="Shop",
        adapter="described",
        tasks=dict.fromkeys(EXAMPLES, ""),
        examples=EXAMPLES,
        descriptor="tiny-narrator",
        reserved_per_task=5,
        embedder="tiny-embedder",
        generated_queries=8,
    )
    project.edit_yaml(
        "experiment/tiny.yaml",
        datasets=["shop"],
        scenarios=["tiny-writer"],
        routers=["latent_truth", "cascal"],
        baseline="cascal",
        seeds=[0],
        tables=["diagnostics", "generation"],
        figures=[],
        bundles=["latent_truth"],
    )
    done = project.run(timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_a_model_describes_the_tasks_and_the_bundle_knows_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = pq.read_table(project.folder / "results/descriptions/shop/default.parquet").to_pylist()
    assert [row["task"] for row in described] == list(EXAMPLES)
    assert all(row["description"].startswith("These are questions about") for row in described)
    written = pq.read_table(project.folder / "results/questions/shop/tiny-writer.parquet").to_pylist()
    assert {row["task"] for row in written} == set(EXAMPLES)
    # In the project's folder its own files say in which folder the embedder's weights are.
    monkeypatch.chdir(project.folder)
    with load(project.folder / "results" / BUNDLE) as router:
        assert router.variants[:2] == ("top1", "top3")
        assert router.route("What is 9 plus 4?").task in EXAMPLES


def test_another_example_describes_and_writes_anew(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "copy")
    assert copy.pending() == set()
    changed = EXAMPLES | {"sums": ["What is seven plus eight?", *EXAMPLES["sums"][1:]]}
    copy.edit_yaml("dataset/shop.yaml", examples=changed)
    pending = copy.pending()
    assert {
        "asked/descriptions/shop/default.json",
        "asked/queries/shop/tiny-writer.json",
        f"{BUNDLE}/bundle.json",
    } <= pending
    assert not any(path.startswith("weights/") for path in pending)
