"""The commits that models' files name: listed, checked and filled in."""

import shutil
from pathlib import Path

import pytest
import yaml

from rgd.cli import main
from rgd.config import pinning
from rgd.config.pinning import COMMIT, catalogue, pin, pins
from rgd.errors import UserError
from tests import ROOT

CONFIG = ROOT / "config"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG / "model", tmp_path / "model")
    return tmp_path


def unpinned(folder: Path) -> Path:
    """A model's file with a branch for its revision."""
    file = folder / "model/one.yaml"
    file.write_text("title: One\nweights:\n  hub:\n    repo: someone/one\n    revision: main # moves\n    accept: x\n")
    return file


def test_a_branch_is_replaced_by_its_commit_and_nothing_else_changes(folder: Path) -> None:
    file = unpinned(folder)
    before = file.read_text()
    (found,) = pins(folder, ["one"])
    assert (found.repo, found.revision, found.pinned) == ("someone/one", "main", False)
    assert pin(found, lambda repo, revision: SHA if (repo, revision) == ("someone/one", "main") else "") == SHA
    assert file.read_text() == before.replace("main # moves", SHA)
    (found,) = pins(folder, ["one"])
    assert found.pinned


def test_the_command_asks_about_branches_alone(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    unpinned(folder)
    asked = []
    monkeypatch.setattr(pinning, "commit_on_the_hub", lambda repo, revision: asked.append(repo) or SHA)
    assert main(["models", "--config-dir", str(folder), "pin"]) == 0
    assert "someone/one" in asked
    assert "Qwen/Qwen3-32B" not in asked
    assert all(COMMIT.fullmatch(found.revision) for found in pins(folder))
    assert SHA in capsys.readouterr().out


def test_an_unknown_model_is_told(folder: Path) -> None:
    with pytest.raises(UserError, match=r"model/two\.yaml"):
        list(pins(folder, ["two"]))


def test_every_model_is_listed_with_what_it_needs(capsys) -> None:
    assert main(["models", "--config-dir", str(CONFIG)]) == 0
    printed = capsys.readouterr().out
    for file in (CONFIG / "model").glob("*.yaml"):
        assert file.stem in printed
    rows = {row["model"]: row for row in catalogue(CONFIG)}
    assert rows["llama-3.3-70b"]["GPUs"] == 4
    assert "Gemma Terms of Use" in str(rows["gemma-2-9b"]["accept first"])


def test_the_papers_pools_are_the_papers_models() -> None:
    """Hub ids and sizes of the published table; GLM-4-9B in the layout that needs no code of its own."""
    repos = {
        pool: {
            yaml.safe_load((CONFIG / f"model/{member}.yaml").read_text())["weights"]["hub"]["repo"]
            for member in yaml.safe_load((CONFIG / f"pool/{pool}.yaml").read_text())["members"]
        }
        for pool in ("large", "small")
    }
    assert repos["large"] == {
        "Qwen/Qwen3-32B",
        "openai/gpt-oss-120b",
        "zai-org/GLM-4-32B-0414",
        "meta-llama/Llama-3.3-70B-Instruct",
        "google/gemma-3-27b-it",
        "LGAI-EXAONE/EXAONE-4.0-32B",
    }
    assert repos["small"] == {
        "Qwen/Qwen3-8B",
        "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct",
        "google/gemma-2-9b-it",
        "zai-org/glm-4-9b-chat-hf",
        "01-ai/Yi-1.5-9B-Chat-16K",
        "deepseek-ai/deepseek-math-7b-instruct",
    }


@pytest.mark.parametrize(
    ("model", "length"), [("deepseek-math-7b", 4096), ("gemma-2-9b", 8192), ("llama-3.3-70b", 16384)]
)
def test_the_papers_lengths(model: str, length: int) -> None:
    assert yaml.safe_load((CONFIG / f"model/{model}.yaml").read_text())["max_model_len"] == length


def test_no_gpu_job_wants_more_than_the_gpus_hold() -> None:
    """Two bytes a parameter and a tenth on top fit into 0.9 of the GPUs' 80 GB (4-bit weights: half a byte)."""
    for row in catalogue(CONFIG):
        if row["GPUs"]:
            width = 0.56 if row["model"] == "gpt-oss-120b" else 2.0
            assert float(str(row["billion"])) * width * 1.1 < 72 * int(str(row["GPUs"])), row["model"]
