"""``rgd init model``: the file of a model of each source, and its line in a pool whose comments stay."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rgd.cli import main
from rgd.config import load
from rgd.config.schema import Model
from rgd.errors import UserError
from rgd.tool import new_model
from rgd.tool.new_model import cached_commit, from_weights, with_member
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hub that does not answer, and an empty cache."""

    def fails(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fails)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


def init(config: Path, *arguments: str, name: str = "mine") -> int:
    return main(["init", "model", name, "--config-dir", str(config), *arguments])


def model(config: Path, name: str = "mine") -> Model:
    return load(config, "quickstart").model[name]


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 2048}))
    return folder


def test_a_server(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(config, "--server", "http://localhost:8000/v1", "--served", "org/big", "--key", "MY_KEY") == 0
    found = model(config)
    assert (found.engine, found.weights) == ("openai", None)
    assert found.api is not None
    assert (found.api.model, found.api.base_url, found.api.key_variable) == (
        "org/big",
        "http://localhost:8000/v1",
        "MY_KEY",
    )
    said = capsys.readouterr().out
    assert "model/mine.yaml" in said
    assert "- mine" in said


def test_gemini(config: Path) -> None:
    assert init(config, "--gemini", "gemini-9-flash", "--title", "Nine", "--licence", "Google's terms") == 0
    found = model(config)
    assert found.api is not None
    assert (found.engine, found.api.model, found.title, found.licence) == (
        "gemini",
        "gemini-9-flash",
        "Nine",
        "Google's terms",
    )


@pytest.mark.parametrize("way", ["generate", "likelihood"])
def test_weights_in_a_folder(config: Path, weights: Path, way: str) -> None:
    given_ = ("--weights", str(weights), "--engine", "transformers", "--way", way, "--billion", "1.5")
    assert init(config, *given_, name="my.model-1") == 0
    found = model(config, "my.model-1")
    assert found.weights is not None
    assert (found.weights.path, found.max_model_len, found.parameters_billion) == (str(weights), 2048, 1.5)
    assert found.asks["default"].way == way
    assert found.sampling.max_tokens < found.max_model_len


def test_the_hub_tells_the_commit() -> None:
    source = from_weights(
        "org/name",
        "vllm",
        None,
        lambda repo, revision: COMMIT if revision == "main" else OTHER,
        lambda repo, revision: 700 if revision == COMMIT else 0,
    )
    assert source.content["weights"] == {"hub": {"repo": "org/name", "revision": COMMIT}, "bytes": 700}
    assert source.remarks == []
    tagged = from_weights("org/name", "vllm", "v1", lambda repo, revision: OTHER)
    assert tagged.content["weights"]["hub"]["revision"] == OTHER


def test_the_hub_tells_the_size_of_what_is_fetched(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"model-1.safetensors": 600, "model-2.safetensors": 300, "config.json": 5, "pytorch_model.bin": 900}
    files = [SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]
    monkeypatch.setattr(
        huggingface_hub.HfApi, "model_info", lambda *_, **__: SimpleNamespace(sha=COMMIT, siblings=files)
    )
    assert init(config, "--weights", "org/name") == 0
    found = model(config).weights
    assert found is not None
    assert found.bytes == 905
    assert "weights.bytes" not in capsys.readouterr().out


def test_the_size_of_a_folder_is_told_or_that_it_is_not_known(
    config: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(config, "--weights", str(weights)) == 0
    assert "weights.bytes" in capsys.readouterr().out
    (weights / "model.safetensors").write_bytes(b"1234567")
    assert init(config, "--weights", str(weights), name="again") == 0
    found = model(config, "again").weights
    assert found is not None
    assert found.bytes == 7
    assert init(config, "--weights", "org/name", name="far") == 0
    assert "weights.bytes" in capsys.readouterr().out


def test_the_experiments_that_ask_the_new_member_are_named(
    config: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ("--weights", str(weights))
    assert init(config, *source, "--pool", "quickstart") == 0
    said = capsys.readouterr().out
    assert "experiment=own" in said or "experiment=quickstart" in said
    assert init(config, *source, name="alone") == 0
    said = capsys.readouterr().out
    assert "experiment=paper" in said
    for file in (config / "experiment").glob("*.yaml"):
        if "quickstart" in file.read_text() and file.stem != "quickstart":
            file.unlink()
    (config / "pool/new.yaml").write_text((config / "pool/quickstart.yaml").read_text())
    assert init(config, *source, "--pool", "new", name="third") == 0
    said = capsys.readouterr().out
    assert "rgd init own" in said
    assert "experiment=" not in said


def test_a_given_commit_asks_nobody() -> None:
    def nobody(repo: str, revision: str) -> str:
        raise AssertionError("asked")

    assert from_weights("org/name", "vllm", COMMIT, nobody).content["weights"]["hub"]["revision"] == COMMIT


def test_without_the_hub_the_cache_tells_or_it_is_said(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(config, "--weights", "org/name") == 0
    found = model(config).weights
    assert found is not None
    assert found.hub is not None
    assert found.hub.revision == "main"
    assert "rgd models pin" in capsys.readouterr().out
    refs = tmp_path / "cache/models--org--name/refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    assert cached_commit("org/name", "main") == COMMIT
    assert init(config, "--weights", "org/name", name="again") == 0
    said = capsys.readouterr().out
    assert COMMIT in said
    assert "rgd models pin" not in said


@pytest.mark.parametrize("content", ["", "main", "../../etc", COMMIT[:12]])
def test_a_cache_without_a_commit_tells_nothing(content: str, tmp_path: Path) -> None:
    refs = tmp_path / "cache/models--org--name/refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(content)
    assert cached_commit("org/name", "main") is None


def test_a_pool_gets_the_member_and_keeps_its_comments(config: Path, weights: Path) -> None:
    path = config / "pool/quickstart.yaml"
    before = path.read_text()
    assert init(config, "--weights", str(weights), "--pool", "quickstart", "--way", "likelihood") == 0
    assert path.read_text() == before + "  - mine\n"
    assert load(config, "quickstart").pool["quickstart"].members[-1] == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--weights", "nothing here"],
        ["--weights", "./absent"],
        ["--weights", "/absent/folder"],
        ["--weights", "EMPTY"],
        ["--weights", "FOLDER", "--revision", "main"],
        ["--weights", "FOLDER", "--served", "x"],
        ["--weights", "FOLDER", "--pool", "absent"],
        ["--weights", "FOLDER", "--pool", "large_recorded"],
        ["--weights", "FOLDER", "--max-model-len", "2"],
        ["--server", "localhost:8000"],
        ["--server", "http://user:secret@host/v1"],
        ["--server", "http://host/v1", "--way", "likelihood", "--pool", "quickstart"],
        ["--server", "http://host/v1", "--key", "not a variable"],
        ["--server", "http://host/v1", "--engine", "vllm"],
        ["--gemini", "x", "--revision", "main"],
        ["--gemini", ""],
    ],
)
def test_a_mistake_is_one_message_and_changes_nothing(
    arguments: list[str], config: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": str(tmp_path / "empty"), "FOLDER": str(weights)}
    before = state(config)
    assert init(config, *(places.get(text, text) for text in arguments)) == 1
    said = capsys.readouterr().err
    assert said.strip()
    assert "secret" not in said
    assert "Traceback" not in said
    assert state(config) == before


@pytest.mark.parametrize("name", ["qwen3-8b", "../up", "a/b", "", "smollm2-135m-examples"])
def test_a_name_that_is_taken_or_no_name_is_refused(name: str, config: Path) -> None:
    before = state(config.parent)
    assert init(config, "--server", "http://localhost:8000/v1", name=name) == 1
    assert state(config.parent) == before


def test_a_check_that_fails_restores_the_pool(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_model, "_check", fails)
    before = state(config)
    assert init(config, "--server", "http://localhost:8000/v1", "--pool", "quickstart") == 130
    assert state(config) == before


LISTS = {
    "block": "# top\ntitle: A # title\nmembers:\n  - a # first\n  # between\n  - b # last\n# end\n",
    "block at the margin": "members:\n- a\n- b\ntitle: A\n",
    "no newline at the end": "title: A\nmembers:\n    - a\n    - b",
    "flow": "members: [a, b] # both\ntitle: A\n",
    "flow with a comma": "members: [a, b,]\ntitle: A\n",
    "flow over lines": "members: [\n  a, # one\n  b # two\n]\ntitle: A\n",
    "quoted": "members:\n  - 'a'\n  - \"b\" # ]\ntitle: A\n",
    "Windows": "title: A\r\nmembers:\r\n  - a\r\n  - b\r\n",
    "a key after": "members:\n  - a\n  - b\n\n# sizes\nparameters_billion: {}\ntitle: A\n",
}


@pytest.mark.parametrize("form", list(LISTS))
@pytest.mark.parametrize("name", ["mine", "1", "1e5", "true", "null", "2026-01-01", "gpt-4.1"])
def test_a_member_is_added_in_every_form_of_a_list(form: str, name: str) -> None:
    text = LISTS[form]
    after = with_member(text, name, "pool.yaml")
    wanted: dict[str, Any] = yaml.safe_load(text)
    wanted["members"].append(name)
    assert yaml.safe_load(after) == wanted
    # Every comment stays as it is.
    assert re.findall("#.*", after) == re.findall("#.*", text)
    assert ("\r\n" in after) == ("\r\n" in text)


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True), min_size=1, max_size=4, unique=True),
    st.sampled_from([True, False]),
    st.integers(20, 200),
)
def test_any_pool_gets_any_member(names: list[str], is_flow: bool, width: int) -> None:
    *members, name = [*names, "last"]
    text = yaml.safe_dump({"title": "A", "members": members, "z": 1}, default_flow_style=is_flow, width=width)
    if name in members:
        return
    assert yaml.safe_load(with_member(text, name, "pool.yaml")) == {"title": "A", "members": [*members, name], "z": 1}


@pytest.mark.parametrize(
    "text", ["", "members: []\n", "title: A\n", "members: a\n", "members: [a\n", "- a\n", "members:\n  - mine\n"]
)
def test_what_is_no_pool_is_one_message(text: str) -> None:
    with pytest.raises(UserError, match=r"pool\.yaml"):
        with_member(text, "mine", "pool.yaml")
