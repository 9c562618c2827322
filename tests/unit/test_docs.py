"""The docs say what is so: diffs that apply and do what they are shown for, messages that exist, links that lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rgd.cli.pages import FILE, commands_page
from rgd.config import load, sweep
from rgd.config.members import members
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])


def diffs() -> list[str]:
    return re.findall(r"```diff\n(.*?)```", (DOCS / "extending.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the configuration and the core to which every diff was applied."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.copytree(
        ROOT / "workflow_scripts/rgd", folder / "workflow_scripts/rgd", ignore=shutil.ignore_patterns("__pycache__")
    )
    for diff in diffs():
        subprocess.run(["git", "apply", "--whitespace=error", "-"], input=diff, text=True, cwd=folder, check=True)
    return folder


def test_the_reference_of_commands_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == commands_page(), "run python -m rgd.cli.pages"


def test_the_site_lists_every_page_once() -> None:
    trees = re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")


def test_each_thing_is_one_new_file() -> None:
    files = [re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE) for diff in diffs()]
    assert files == [
        ["config/model/my-server.yaml"],
        ["config/generator/my-generator.yaml"],
        ["config/dataset/my-questions.yaml"],
        ["config/router/knn_ten.yaml"],
        ["workflow_scripts/rgd/routers/nearby.py"],
    ]
    assert all(diff.startswith("--- /dev/null") for diff in diffs())


def test_a_model_a_generator_a_benchmark_and_a_router_are_used_by_their_names(project: Path) -> None:
    config = project / "config"
    (config / "pool/mine.yaml").write_text(
        yaml.safe_dump({"title": "Mine", "members": ["my-server", "smollm2-135m-examples"]})
    )
    (project / "my").mkdir()
    (project / "my/questions.csv").write_text("question,a,b,c,d,right,topic\nWhich?,1,2,3,4,A,trivia\n")
    experiment = {
        "title": "Mine",
        "datasets": ["my-questions"],
        "scenarios": ["real", "my-generator"],
        "pools": ["mine"],
        "routers": ["knn_ten", "topk"],
        "seeds": [0],
    }
    (config / "experiment/mine.yaml").write_text(yaml.safe_dump(experiment))
    found = load(config, "mine", data_root=str(project))
    assert members(found)["my-server"].model.engine == "openai"
    cells = {tuple(cell) for cell in sweep.router_cells(found)}
    assert cells == {
        ("my-questions", "real", "mine", "knn_ten"),
        ("my-questions", "my-generator", "mine", "knn_ten"),
        ("my-questions", "real", "mine", "topk"),
    }
    assert found.router["knn_ten"].parameters == {"k_grid": [10]}


def test_a_method_of_ones_own_fits_ranks_and_becomes_a_bundle(project: Path, tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from tests.unit.tool.tool_world import world, written\n"
        "from rgd.tool import load\n"
        "content, train, queries = world('nearby')\n"
        f"decisions = load(written(__import__('pathlib').Path({str(tmp_path / 'bundle')!r}), 'nearby')).route_vectors(queries.embeddings)\n"
        "same = np.array([[row == answer for answer in row] for row in train.answers])\n"
        "agreement = same.mean(axis=1)\n"
        "for vector, decision in zip(queries.embeddings, decisions, strict=True):\n"
        "    weights = np.exp(20.0 * (train.embeddings @ vector).astype(float))\n"
        "    scores = {key: score for key, score in zip(train.members, weights @ agreement / weights.sum(), strict=True)}\n"
        "    expected = [scores[each.member] for each in decision.ranking]\n"
        "    np.testing.assert_allclose([each.score for each in decision.ranking], expected, rtol=1e-4)\n"
        "    assert (np.diff(expected) <= 1e-4).all()\n"
        "assert len({decision.best for decision in decisions}) > 1\n"
    )
    path = f"{project / 'workflow_scripts'}:{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_message_in_the_troubleshooting_is_one_of_the_programs() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow_scripts").rglob("*.py")))
    # Messages are broken over lines in the source: what stands between two pieces of one text is left out.
    flat = re.sub(r'"\s*\n\s*f?"', "", source)
    messages = re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(messages) >= 15
    assert [message for message in messages if message not in flat] == []


def test_what_snakemake_says_of_a_target_after_config_can_be_searched_for() -> None:
    from snakemake.cli import parse_config

    with pytest.raises(ValueError, match="TARGET") as error:
        parse_config(["experiment=own", "TARGET"])
    for page in ("troubleshooting.md", "configuration.md"):
        assert f"ValueError: {error.value}" in (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
