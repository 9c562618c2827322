"""Bundles from strangers: whatever a manifest or a file says, nothing is run, sent, read or written that the user did not name."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from rgd.artifacts.digests import digest
from rgd.artifacts.schemas import ROUTER
from rgd.cli import main
from rgd.errors import UserError
from rgd.tool import bundle, load
from rgd.tool.answering import Answering
from rgd.tool.places import EMBEDDER, EVERY, Places
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.tool_world import world, written

SECRET = "AWS_SECRET_ACCESS_KEY"
STRANGER = "http://127.0.0.1:9/v1"
OPTIONS = ("red", "green")
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    -(2**63),
    1.5,
    "",
    "x" * 200_000,
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    STRANGER,
    f"evil @ {STRANGER}",
    "--index-url=http://127.0.0.1:9",
    "-r/etc/passwd",
    "os.system",
    "__init__",
    "base",
    "$(touch /tmp/owned)",
    "\x1b[2J\u202e\x9b",
    "a\nb",
    "\ud800",
    [],
    [[]] * 3,
    {},
    {"__class__": "x"},
    {"path": "/etc"},
    {"base_url": STRANGER, "key_variable": SECRET, "model": "m"},
    {"hub": {"repo": "evil/x", "revision": "main"}},
    {"hub": {"repo": "../..", "revision": "0" * 40}},
    {"hub": {"repo": "evil/x", "revision": "0" * 40, "file": "pytorch_model.bin"}, "sha256": "0" * 64, "bytes": 9},
    {
        "wheels": {"packages": [f"evil @ {STRANGER}/evil.zip"], "files": ["a.safetensors"]},
        "sha256": "0" * 64,
        "bytes": 9,
    },
    {"wheels": {"packages": ["--pre"], "files": ["a.safetensors"]}, "sha256": "0" * 64, "bytes": 9},
    {"wheels": {"packages": ["evil"], "files": ["a.safetensors"]}, "sha256": "0" * 64, "bytes": 9},
    {"wheels": {"packages": ["evil==1"], "files": ["../a.safetensors"]}, "sha256": "0" * 64, "bytes": 9},
    {"wheels": {"packages": ["evil==1"], "files": ["a.pkl"]}, "sha256": "0" * 64, "bytes": 9},
]
# What Python, the libraries and rgd itself may read of the environment.
ALLOWED = re.compile(
    r"(RGD|HF|HUGGING|PYTORCH|TORCH|TRANSFORMERS|XDG|PIP|OMP|MKL|PYTHON|PYTEST|NO_COLOR|USE|PYDANTIC|SAFETENSORS|CUDA|LC)_\w+|"
    r"HOME|PATH|TMPDIR|TEMP|TMP|LANG|LANGUAGE|TERM|COLUMNS|LINES|TZ|USER|COLAB_\w+|VIRTUAL_ENV|SPACE_ID|DISABLE_\w+|\w*PROXY"
)


class Watched(dict[str, str]):
    """An environment that remembers the names that are read."""

    def __init__(self, content: Mapping[str, str]) -> None:
        super().__init__(content)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)


_EVENTS: list[str] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _EVENTS is None:
        return
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pickle.find_class"):
        _EVENTS.append(f"{event} {arguments}")
    if event.startswith("socket.") and event != "socket.__new__":
        _EVENTS.append(f"{event} {arguments[1:]}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        _EVENTS.append(f"write {arguments[0]}")


sys.addaudithook(_note)


@contextmanager
def nothing_happens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is started, connected to, unpickled or written, and no unknown variable is read."""
    global _EVENTS
    watched = Watched({**os.environ, SECRET: "secret", "OPENAI_API_KEY": "secret", "GEMINI_API_KEY": "secret"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", watched)
        _EVENTS = []
        try:
            yield
            events, _EVENTS = _EVENTS, None
            # The lock and the folder of the cache, before a source is tried.
            assert [event for event in events if "/cache/" not in event] == []
            assert {name for name in watched.read if not ALLOWED.fullmatch(name)} == set()
        finally:
            _EVENTS = None


def use(folder: Path, cache: Path) -> None:
    """Whatever ``rgd route --answer`` does with a bundle, without a hub."""
    with load(folder, cache=cache, use_hub=False) as routed:
        routed.route_vectors(routed.content.embeddings[:2])
        answering = Answering(routed)
        for key in routed.keys[:1]:
            with pytest.raises(UserError):
                answering.engine(key)
        with pytest.raises(UserError):
            routed.route("what?")


def paths(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value in a manifest; of lists, of the first item alone."""
    yield at
    if isinstance(content, dict):
        for key in content:
            yield from paths(content[key], (*at, key))
    elif isinstance(content, list) and content:
        yield from paths(content[0], (*at, 0))


def changed(content: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = content.copy()
    copy[at[0]] = changed(content[at[0]], at[1:], value)
    return copy


def served() -> dict[str, Any]:
    return {"engine": "openai", "weights": None, "api": {"model": "m", "base_url": STRANGER, "key_variable": SECRET}}


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the configuration of any project."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle whose models are fetched, and one whose models are on a server."""
    root = tmp_path_factory.mktemp("bundles")
    local, remote = written(root / "local"), written(root / "remote")
    content = json.loads((remote / bundle.MANIFEST).read_text())
    content["routing"]["embedder"] |= served()
    for each in content["members"]:
        each["asked"] |= served()
    (remote / bundle.MANIFEST).write_text(json.dumps(content))
    return local, remote


def described() -> list[tuple[int, tuple[Any, ...]]]:
    """Every place of the manifests of ``folders``, with the number of the folder."""
    content, _, _ = world()
    local = {"routing": content.routing, "members": content.members}
    remote = {"routing": {"embedder": served()}, "members": [{"asked": served()}]}
    of_files = ("files", bundle.ROUTER_FILE)
    further = [(), ("version",), ("rgd",), ("format",), ("files",), ("made_from",), of_files]
    further += [(*of_files, "sha256"), (*of_files, "bytes")]
    return [*((0, at) for at in [*further, *paths(local)]), *((1, at) for at in paths(remote) if at)]


@pytest.mark.parametrize(("number", "at"), described(), ids=str)
def test_no_value_of_a_manifest_does_anything(
    folders: tuple[Path, Path], number: int, at: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folders[number] / bundle.MANIFEST
    whole = file.read_text()
    told = []
    try:
        for value in HOSTILE:
            file.write_text(json.dumps(changed(json.loads(whole), at, value)))
            with nothing_happens(monkeypatch):
                try:
                    use(folders[number], tmp_path / "cache")
                except UserError as error:
                    told.append(str(error))
    finally:
        file.write_text(whole)
    assert told
    assert not any("secret" in each for each in told)


@pytest.mark.parametrize("key", ["__class__", "base_url", "key_variable", "path", "trust_remote_code", "auto_map"])
def test_no_further_key_is_read(folders: tuple[Path, Path], key: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle")
    whole = json.loads((folder / bundle.MANIFEST).read_text())
    for at in paths(whole):
        found = whole
        for step in at:
            found = found[step]
        if isinstance(found, dict) and at not in (("made_from",), ("routing", "parameters"), ("routing", "variants")):
            if at in (
                ("routing", "descriptions"),
                ("members", 0, "asked", "chat"),
                ("members", 0, "asked", "weights"),
                ("routing", "embedder", "weights"),
            ):
                continue
            (folder / bundle.MANIFEST).write_text(json.dumps(changed(whole, at, {**found, key: "x"})))
            with pytest.raises(UserError, match=r"bundle\.json"):
                load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": "rgd-bundle", "version": 1, "x": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"format": "rgd-bundle", "version": NaN}',
        '{"format": "rgd-bundle", "version": 1e999}',
        '{"format": "rgd-bundle", "version": true}',
        '{"format": "rgd-bundle", "version": ' + "9" * 6000 + "}",
        "\x00",
        '"\\ud800"',
        "[]",
        "null",
    ],
)
def test_a_text_that_is_no_manifest_is_one_message(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path / "bundle")
    (folder / bundle.MANIFEST).write_text(text)
    with pytest.raises(UserError, match=r"bundle\.json"):
        load(folder)


def test_a_linked_manifest_is_not_followed(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle")
    (folder / bundle.MANIFEST).rename(tmp_path / "elsewhere.json")
    (folder / bundle.MANIFEST).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UserError, match="link"):
        load(folder)


def signed(folder: Path) -> Path:
    file = folder / bundle.MANIFEST
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": digest(folder / name)} for name in bundle.FILES}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"files": files}))
    return folder


def row(**changes: Any) -> dict[str, Any]:
    usual = {
        "seed": 0,
        "name": "x_",
        "kind": "float64",
        "shape": [2],
        "integers": None,
        "floats": [0.0, 1.0],
        "strings": None,
    }
    return usual | changes


@pytest.mark.parametrize(
    "learned",
    [
        row(kind="object"),
        row(kind="S1000000000", integers=[1, 2]),
        row(kind="datetime64[s]", integers=[1, 2]),
        row(kind="V8", integers=[1, 2]),
        row(kind=None),
        row(name=None),
        row(seed=None),
        row(shape=None),
        row(shape=[2**62, 4]),
        row(shape=[-1]),
        row(shape=[-2, -1]),
        row(shape=[3]),
        row(floats=None),
        row(floats=[0.0, None]),
        row(kind="str", strings=["x" * 1_000_000] + ["x"] * 99, shape=[100]),
        row(name="members_", kind="str", strings=["m0", "m1"]),
        row(name="mu_"),
    ],
    ids=lambda row: "-".join(f"{key}={value}"[:30] for key, value in row.items() if value is not None),
)
def test_learned_values_that_are_no_arrays_are_refused(tmp_path: Path, learned: dict[str, Any]) -> None:
    folder = written(tmp_path / "bundle")
    rows = pq.read_table(folder / bundle.ROUTER_FILE).to_pylist()
    pq.write_table(pa.Table.from_pylist([*rows, learned], ROUTER), folder / bundle.ROUTER_FILE)
    with pytest.raises(UserError):
        load(signed(folder))


def test_a_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle")
    training = pq.read_table(folder / bundle.TRAINING_FILE)
    long = pa.DictionaryArray.from_arrays(np.zeros(training.num_rows, dtype=np.int32), ["x" * 10_000_000])
    bomb = training.set_column(2, "question", long)
    pq.write_table(bomb, folder / bundle.TRAINING_FILE, compression="zstd", store_schema=False)
    assert (folder / bundle.TRAINING_FILE).stat().st_size < 100_000
    with pytest.raises(UserError, match=bundle.TRAINING_FILE):
        load(signed(folder))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    folder = written(tmp_path / "bundle")
    vectors = bundle.read(folder).embeddings.copy()
    vectors[3, 2] = value
    save_file({bundle.TENSOR: vectors}, folder / bundle.EMBEDDINGS_FILE)
    with pytest.raises(UserError, match=bundle.EMBEDDINGS_FILE):
        load(signed(folder))


def test_a_server_and_a_key_come_from_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def usual(asked: Asked) -> Play:
        vector = [1.0, *[0.0] * 15]
        return Play(
            {"object": "list", "model": "m", "data": [{"index": 0, "object": "embedding", "embedding": vector}]}
        )

    monkeypatch.setenv(SECRET, "stranger-wants-this")
    monkeypatch.setenv("MY_KEY", "mine")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FaultyServer(usual) as stranger, FaultyServer(usual) as own:
        content, _, _ = world()
        api = {"model": "m", "base_url": f"{stranger.address}/v1", "key_variable": SECRET}
        spec = {**content.routing["embedder"], "engine": "openai", "weights": None, "api": api}
        folder = tmp_path / "bundle"
        bundle.write(folder, bundle.Content(**{**vars(content), "routing": {**content.routing, "embedder": spec}}))
        asked = ["route", "--bundle", str(folder), "what?"]
        assert main(asked) == 1
        said = capsys.readouterr().err
        assert all(word in said for word in ("--server embedder=URL", "--key embedder=VARIABLE"))
        assert main([*asked, "--server", f"embedder={own.address}/v1", "--key", "embedder=MY_KEY"]) == 0, (
            capsys.readouterr()
        )
        assert main([*asked, "--server", f"{own.address}/v1", "--key", "MY_KEY"]) == 0
        assert stranger.asked == []
        assert len(own.asked) == 2
        assert all("mine" in str(each.headers) and "stranger" not in str(each.headers) for each in own.asked)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({"servers": {"m9": STRANGER}}, "m9.*embedder, m0"),
        ({"folders": {EVERY: "x"}}, "--weights"),
        ({"servers": {EMBEDDER: "localhost:8000"}}, "localhost:8000"),
        ({"servers": {EMBEDDER: "file:///etc"}}, "file:///etc"),
        ({"keys": {EMBEDDER: "sk-abc"}}, "--key"),
    ],
)
def test_a_wrong_place_is_told(tmp_path: Path, places: dict[str, Any], words: str) -> None:
    folder = written(tmp_path / "bundle")
    with pytest.raises(UserError, match=words) as told:
        load(folder, places=Places(**places))
    assert "sk-abc" not in str(told.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"path": "/home/somebody/model"}, r"--weights embedder=DIR"),
        ({"hub": {"repo": "a/b", "revision": "main"}}, r"a/b at main\b.*--weights embedder=DIR"),
        (
            {
                "hub": {"repo": "a/b", "revision": "v1", "file": "m.safetensors", "also": ["config.json"]},
                "sha256": "0" * 64,
                "bytes": 9,
            },
            r"a/b at v1\b.*--weights embedder=DIR",
        ),
    ],
)
def test_weights_are_pinned_or_the_users(weights: dict[str, Any], words: str) -> None:
    spec = {"engine": "transformers", "weights": weights, "api": {"model": "m", "base_url": STRANGER}}
    with pytest.raises(UserError, match=words):
        Places().of(EMBEDDER, spec)
    found = Places(folders={EMBEDDER: "mine"}).of(EMBEDDER, spec)
    assert (found["weights"], found["api"]) == ({"path": "mine"}, None)


def test_a_projects_own_files_say_where_its_models_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    import yaml

    from tests import ROOT

    shutil.copytree(ROOT / "config", tmp_path / "config")
    file = tmp_path / "config/embedder/all-minilm-l6-v2.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"weights": {"path": "/models/mine"}}))
    spec = {"name": "all-minilm-l6-v2", "engine": "transformers", "weights": None, "api": None}
    asked = {
        "name": "gemini-2.5-flash",
        "engine": "gemini",
        "weights": None,
        "api": {"model": "dearest", "base_url": STRANGER},
    }
    monkeypatch.chdir("/")
    for place in (spec, asked):
        with pytest.raises(UserError):
            Places().of(EMBEDDER if place is spec else "m0", place)
    monkeypatch.chdir(tmp_path)
    assert Places().of(EMBEDDER, spec)["weights"] == {"path": "/models/mine"}
    api = Places().of("m0", asked)["api"]
    assert (api["model"], api["base_url"], api["key_variable"]) == ("gemini-2.5-flash", None, "GEMINI_API_KEY")
    for other in ({**spec, "name": "qwen3-embedding-8b"}, {**spec, "engine": "openai"}, {**spec, "name": None}):
        with pytest.raises(UserError):
            Places().of(EMBEDDER, other)


def test_a_stranger_cannot_put_another_tokenizer_beside_known_weights(tmp_path: Path) -> None:
    from rgd.config.schema import Weights
    from rgd.weights.cache import cache_folder

    def weights(repo: str) -> Weights:
        hub = {"repo": repo, "revision": "0" * 40, "file": "m.safetensors", "also": ["tokenizer.json"]}
        return Weights.model_validate({"hub": hub, "sha256": "1" * 64, "bytes": 9})

    folders = {
        cache_folder(weights("known/m"), tmp_path),
        cache_folder(weights("known/m"), tmp_path, is_foreign=True),
        cache_folder(weights("evil/m"), tmp_path, is_foreign=True),
    }
    assert len(folders) == 3


def test_what_a_bundle_says_does_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.unit.tool.tool_world import engines

    monkeypatch.setattr("rgd.engines.opening.opened", lambda *given: engines()[0](*given))
    content, _, _ = world()
    unsafe = "\x1b[2J\x9b31m\u202e\r"
    members = [{**each, "title": f"{each['title']}{unsafe}"} for each in content.members]
    training = content.training.set_column(2, "question", [[f"{unsafe}{n}" for n in range(content.training.num_rows)]])
    bundle.write(tmp_path / "bundle", bundle.Content(**{**vars(content), "members": members, "training": training}))
    for more in ([], ["--json"]):
        assert main(["route", "--bundle", str(tmp_path / "bundle"), f"what{unsafe}?", *more]) == 0
        assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert main(["route", "--bundle", str(tmp_path / unsafe), "what?"]) == 1
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())
