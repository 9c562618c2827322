"""Fetching datasets from a server that speaks as the hub and as GitHub do: what arrives, and each way it can go wrong."""

import errno
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.datasets import hosts, hub
from rgd.datasets.mirror import MANIFEST, folder_of
from rgd.errors import UserError
from tests.data_server import NEWER, REPO, Published

COMMIT = "a" * 40


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    server = Published()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv(hosts.GITHUB_FILES, server.address)
    monkeypatch.setenv(hosts.GITHUB_API, server.address)
    monkeypatch.setattr(hosts, "TIMEOUT_S", 5)
    yield server
    server.server.shutdown()
    server.server.server_close()


def source(**changes: Any) -> dict[str, Any]:
    return {
        "repo": REPO,
        "host": "huggingface",
        "revision": COMMIT,
        "file": "test.csv",
        "remote": "data/test.csv",
    } | changes


def fetch(root: Path, *tasks: str, allow_moving: bool = False, **changes: Any) -> list[str]:
    told: list[str] = []
    hub.fetch(source(**changes), tasks or ("t",), root, allow_moving=allow_moving, report=told.append)
    return told


def names(root: Path) -> list[str]:
    home = root / "hub" / REPO
    return sorted(
        path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file() and ".lock" not in path.name
    )


@pytest.mark.parametrize("host", ["huggingface", "github"])
@pytest.mark.parametrize("large", [False, True])
def test_a_file_arrives_under_the_mirrors_name(tmp_path: Path, published: Published, host: str, large: bool) -> None:
    published.files[COMMIT, "data/test.csv"] = b"a,b\n1,2\n"
    published.large = {"data/test.csv"} if large else set()
    told = fetch(tmp_path, host=host)
    assert (tmp_path / "hub" / REPO / "test.csv").read_bytes() == b"a,b\n1,2\n"
    assert names(tmp_path) == [MANIFEST, "test.csv"]
    assert "1 file, 8 bytes" in told[0]
    assert told[-1].endswith("test.csv: 8 bytes")
    entry = json.loads((tmp_path / "hub" / REPO / MANIFEST).read_text())["files"]["test.csv"]
    assert entry == {
        "revision": COMMIT,
        "bytes": 8,
        "sha256": hashlib.sha256(b"a,b\n1,2\n").hexdigest(),
        "remote": ["data/test.csv"],
    }
    assert folder_of(source(host=host), ["t"], [tmp_path]) == tmp_path / "hub" / REPO


def test_what_is_there_is_not_asked_for_again(tmp_path: Path, published: Published) -> None:
    published.files[COMMIT, "data/test.csv"] = b"old"
    published.files[NEWER, "data/test.csv"] = b"newer"
    fetch(tmp_path)
    published.asked.clear()
    assert "test.csv: already present" in fetch(tmp_path)[0]
    assert published.asked == []
    fetch(tmp_path, revision=NEWER)
    assert (tmp_path / "hub" / REPO / "test.csv").read_bytes() == b"newer"
    (tmp_path / "hub" / REPO / "test.csv").write_bytes(b"cut")
    fetch(tmp_path, revision=NEWER)
    assert (tmp_path / "hub" / REPO / "test.csv").read_bytes() == b"newer"


def test_the_users_own_file_stays(tmp_path: Path, published: Published) -> None:
    own = tmp_path / "hub" / REPO / "test.csv"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert str(own) in fetch(tmp_path)[0]
    assert own.read_text() == "mine"
    assert published.asked == []


def test_a_file_for_each_task_and_part(tmp_path: Path, published: Published) -> None:
    for task in ("a", "b"):
        for part in ("train", "test"):
            published.files[COMMIT, f"{task}/{part}-0.csv"] = f"{task},{part}".encode()
    fetch(tmp_path, "a", "b", file="{task}/{part}.csv", remote="{task}/{part}-0.csv")
    assert names(tmp_path) == [MANIFEST, "a/test.csv", "a/train.csv", "b/test.csv", "b/train.csv"]
    assert (tmp_path / "hub" / REPO / "b/test.csv").read_text() == "b,test"


def test_pieces_and_other_formats_become_one_parquet_file(tmp_path: Path, published: Published) -> None:
    published.files[COMMIT, "x-0.parquet"] = parquet(id=[1, 2], options=[["a"], ["b", "c"]])
    published.files[COMMIT, "x-1.parquet"] = parquet(id=[3], options=[["d"]])
    fetch(tmp_path, file="x.parquet", remote=["x-0.parquet", "x-1.parquet"])
    table = pq.read_table(tmp_path / "hub" / REPO / "x.parquet")
    assert table.to_pydict() == {"id": [1, 2, 3], "options": [["a"], ["b", "c"], ["d"]]}
    published.files[COMMIT, "all.jsonl"] = b'{"id": "u", "options": ["a", "b"]}\n{"id": "v", "options": []}\n'
    fetch(tmp_path, file="y.parquet", remote="all.jsonl")
    table = pq.read_table(tmp_path / "hub" / REPO / "y.parquet")
    assert table.to_pydict() == {"id": ["u", "v"], "options": [["a", "b"], []]}


@pytest.mark.parametrize("host", ["huggingface", "github"])
@pytest.mark.parametrize("revision", [None, "main"])
def test_what_is_not_pinned_is_refused_or_told(
    tmp_path: Path, published: Published, host: str, revision: str | None
) -> None:
    published.files[NEWER, "data/test.csv"] = b"newest"
    with pytest.raises(UserError, match=rf"{REPO}: source\.revision = {revision}.*--allow-moving"):
        fetch(tmp_path, host=host, revision=revision)
    told = fetch(tmp_path, host=host, revision=revision, allow_moving=True)
    assert NEWER in told[0]
    assert (tmp_path / "hub" / REPO / "test.csv").read_bytes() == b"newest"
    fetch(tmp_path, host=host, revision=revision)


@pytest.mark.parametrize("host", ["huggingface", "github"])
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "", "401.*HF_TOKEN"),
        (403, "GatedRepo", "403.*HF_TOKEN"),
        (404, "EntryNotFound", r"404.*source\.repo, source\.revision or source\.remote"),
        (404, "RevisionNotFound", "404"),
        (429, "", "429"),
        (500, "", "500"),
    ],
)
def test_a_refusal_is_one_message(
    tmp_path: Path, published: Published, host: str, status: int, code: str, message: str
) -> None:
    published.refuses["data/test.csv"] = (status, code)
    with pytest.raises(UserError, match=message) as caught:
        fetch(tmp_path, host=host)
    assert f"data/test.csv of {REPO}" in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("host", ["huggingface", "github"])
def test_no_network_is_one_message(
    tmp_path: Path, published: Published, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HF_ENDPOINT", hosts.GITHUB_FILES):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 .*HTTPS_PROXY.*rgd data fetch"):
        fetch(tmp_path, host=host)


@pytest.mark.parametrize("host", ["huggingface", "github"])
def test_credentials_in_a_mirrors_address_are_not_shown(
    tmp_path: Path, published: Published, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HF_ENDPOINT", hosts.GITHUB_FILES):
        monkeypatch.setenv(variable, "http://user:hunter2@127.0.0.1:9")
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9") as caught:
        fetch(tmp_path, host=host)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("large", [False, True])
def test_a_damaged_file_is_not_kept(tmp_path: Path, published: Published, large: bool) -> None:
    published.files[COMMIT, "data/test.csv"] = b"right"
    published.damages["data/test.csv"] = b"wrong"
    published.large = {"data/test.csv"} if large else set()
    with pytest.raises(UserError, match=rf"data/test\.csv of {REPO} .*5 bytes.*5 bytes"):
        fetch(tmp_path)
    assert names(tmp_path) == []
    published.damages.clear()
    fetch(tmp_path)
    assert names(tmp_path) == [MANIFEST, "test.csv"]


def test_an_interruption_leaves_what_is_whole_and_goes_on(
    tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in ("a", "b"):
        published.files[COMMIT, f"{task}.csv"] = task.encode()
    download = hosts.HuggingFace.download

    def interrupted(self: hosts.HuggingFace, piece: hosts.Piece, commit: str, folder: Path) -> Path:
        if piece.name == "b.csv":
            raise KeyboardInterrupt
        return download(self, piece, commit, folder)

    monkeypatch.setattr(hosts.HuggingFace, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, "a", "b", file="{task}.csv", remote=None)
    assert names(tmp_path) == [MANIFEST, "a.csv"]
    monkeypatch.setattr(hosts.HuggingFace, "download", download)
    published.asked.clear()
    fetch(tmp_path, "a", "b", file="{task}.csv", remote=None)
    assert names(tmp_path) == [MANIFEST, "a.csv", "b.csv"]
    assert not any("a.csv" in path for path in published.asked)


def test_too_little_room_is_told_before_anything_is_fetched(
    tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.files[COMMIT, "data/test.csv"] = b"12345"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4))
    with pytest.raises(UserError, match=rf"{REPO} .*5 bytes.*4 bytes"):
        fetch(tmp_path)
    assert not any(path.startswith("GET") for path in published.asked)


@pytest.mark.parametrize("host", ["huggingface", "github"])
def test_a_disk_that_fills_up_is_one_message(
    tmp_path: Path, published: Published, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.files[COMMIT, "data/test.csv"] = b"12345"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hosts.HOSTS[host], "download", full)
    with pytest.raises(UserError, match=rf"{REPO}: No space left on device.*--data-root"):
        fetch(tmp_path, host=host)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, published: Published) -> None:
    (tmp_path / "hub").write_text("a file")
    with pytest.raises(UserError, match=rf"hub/{REPO}: .*--data-root"):
        fetch(tmp_path)
