"""The commands `rgd data`, on datasets of a configuration of our own and a server of our own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rgd.cli import main
from rgd.config import load
from rgd.datasets import hosts
from rgd.errors import UserError
from tests import ROOT, names
from tests.data_server import REPO, Published

# Composes whole configurations: seconds a test.
pytestmark = [pytest.mark.slow, pytest.mark.ci]

CONFIG = ROOT / "config"
COMMIT = "a" * 40
COLUMNS = {"question": "q", "options": ["a", "b"], "label": "right", "label_form": "letter"}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    server = Published()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setattr(hosts, "TIMEOUT_S", 5)
    server.files[COMMIT, "mine.csv"] = b"q,a,b,right\nWhich?,x,y,B\n"
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration with a dataset on the server, mine, and an experiment of it; nothing else of the hub."""
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    for file in (folder / "experiment").glob("*.yaml"):
        if file.stem != "quickstart":
            file.unlink()
    dataset = {
        "title": "Mine",
        "adapter": "multiple_choice",
        "source": {"repo": REPO, "revision": COMMIT, "file": "mine.csv", "columns": COLUMNS},
        "tasks": {"only": "Questions."},
        "embedder": "all-minilm-l6-v2",
        "generated_queries": 1,
    }
    (folder / "dataset/mine.yaml").write_text(yaml.safe_dump(dataset))
    experiment = {
        "title": "Mine",
        "datasets": ["mine"],
        "scenarios": ["real"],
        "pools": ["quickstart"],
        "routers": ["topk"],
        "seeds": [0],
    }
    (folder / "experiment/mine.yaml").write_text(yaml.safe_dump(experiment))
    return folder


def data(config: Path, *arguments: str) -> int:
    return main(["data", *arguments, "--config-dir", str(config)])


def states(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, int | None, str]]:
    assert data(config, "list", "--json", *arguments) == 0
    rows = json.loads(capsys.readouterr().out)
    return [(row["dataset"], row["state"], row["bytes"], row["revision"]) for row in rows]


def test_the_experiments_datasets_are_fetched_and_listed(
    config: Path, tmp_path: Path, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(tmp_path / "data")
    where = ["mine", "quickstart", "--data-root", root]
    assert states(config, capsys, *where) == [
        ("mine", "missing", None, ""),
        ("quickstart", "made by the project", None, ""),
    ]
    assert data(config, "fetch", "--experiment", "mine", "--data-root", root) == 0
    assert f"{root}/hub/{REPO}/mine.csv: 25 bytes" in capsys.readouterr().out
    assert states(config, capsys, *where)[0] == ("mine", "fetched", 25, COMMIT)
    assert data(config, "list", *where) == 0
    assert f"25 bytes  {COMMIT[:12]}" in capsys.readouterr().out
    assert load(config, "mine", data_root=root).name == "mine"
    assert data(config, "fetch", "quickstart", "--data-root", root) == 0
    assert capsys.readouterr().out.startswith("quickstart: ")
    assert sorted(path.name for path in (tmp_path / "data/hub").iterdir()) == [REPO.split("/")[0]]


def test_without_a_mirror_the_workflow_fetches_what_is_pinned(config: Path, tmp_path: Path) -> None:
    cache = f"paths.cache={tmp_path / 'cache'}"
    assert load(config, "mine", [cache]).paths.data_root is None
    with pytest.raises(UserError, match=rf"{REPO} .*site\.use_hub = false.*rgd data fetch --experiment mine"):
        load(config, "mine", [cache, "site.use_hub=false"])
    with pytest.raises(UserError, match=rf"source\.revision = null.*{REPO}.*rgd data fetch"):
        load(config, "mine", [cache, "dataset.mine.source.revision=null"])
    with pytest.raises(UserError, match=rf"hub/{REPO}/mine\.csv .*data_root=.*rgd data fetch"):
        load(config, "mine", [cache], data_root=str(tmp_path))
    here = tmp_path / "cache/data/hub" / REPO / "mine.csv"
    here.parent.mkdir(parents=True)
    here.write_text("q")
    assert load(config, "mine", [cache, "site.use_hub=false"]).name == "mine"


def test_an_unknown_dataset_names_the_nearest(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data(config, "list", "mmlu_por") == 1
    said = capsys.readouterr().err
    assert names(said, "mmlu_por")
    assert names(said, "mmlu_pro")


def test_a_refusal_is_one_line(
    config: Path, tmp_path: Path, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    published.refuses["mine.csv"] = (403, "GatedRepo")
    assert data(config, "fetch", "mine", "--data-root", str(tmp_path / "data")) == 1
    said = capsys.readouterr().err
    assert said.startswith("rgd: mine.csv of someone/questions: ")
    assert said.count("\n") == 1


def test_a_dataset_of_mathematics_has_the_scenario_real_alone(config: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("q,a\n1+1?,2\n")
    columns = {"question": "q", "label": "a", "label_form": "text"}
    dataset = yaml.safe_load((config / "dataset/mine.yaml").read_text())
    source = {"file": str(own), "columns": columns}
    (config / "dataset/sums.yaml").write_text(yaml.safe_dump(dataset | {"adapter": "mathematics", "source": source}))
    changes = ["experiment.datasets=[sums]", "experiment.pools=[quickstart]"]
    with pytest.raises(UserError, match=r"quickstart.*sums"):
        load(config, "mine", changes)
    with pytest.raises(UserError, match=r"exclude: \{dataset: sums, scenario: qwen2\.5-coder-0\.5b, "):
        load(config, "mine", [*changes, "experiment.scenarios=[real,qwen2.5-coder-0.5b]"])


def test_an_absent_file_of_ones_own_is_named_before_anything_starts(config: Path, tmp_path: Path) -> None:
    dataset = yaml.safe_load((config / "dataset/mine.yaml").read_text())
    own = {"columns": COLUMNS, "file": str(tmp_path / "own.csv")}
    (config / "dataset/mine.yaml").write_text(yaml.safe_dump(dataset | {"source": own}))
    with pytest.raises(UserError, match=r"dataset/mine\.yaml: source\.file: .*own\.csv"):
        load(config, "mine")
    (config / "dataset/mine.yaml").write_text(yaml.safe_dump(dataset | {"source": own | {"file": "own.csv"}}))
    with pytest.raises(UserError, match=r"dataset/mine\.yaml: source .*data_root=DIR.*own\.csv"):
        load(config, "mine")
    with pytest.raises(UserError, match=r"dataset/mine\.yaml: .*own\.csv .*data_root="):
        load(config, "mine", data_root=str(tmp_path))
    (tmp_path / "own.csv").write_text("q")
    assert load(config, "mine", data_root=str(tmp_path)).name == "mine"
