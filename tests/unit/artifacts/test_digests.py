"""Digests of the user's files: right after every change, and without reading a file twice."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from rgd.artifacts import digests
from rgd.artifacts.digests import file_digest, files_digest
from rgd.errors import UserError


def sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    found: list[Path] = []
    read = digests.digest

    def counted(path: Path) -> str:
        found.append(path)
        return read(path)

    monkeypatch.setattr(digests, "digest", counted)
    digests._digest.cache_clear()
    return found


def old(path: Path, content: bytes, seconds: float = 100.0) -> Path:
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))
    return path


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all files had been written long ago."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**12)


def test_an_unchanged_file_is_read_once(tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    file, kept = old(tmp_path / "a", b"one"), tmp_path / "kept"
    for _ in range(3):
        digests._digest.cache_clear()
        assert file_digest(file, kept) == sha(b"one")
    assert len(reads) == 1


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path, reads: list[Path]) -> None:
    file, kept = tmp_path / "a", tmp_path / "kept"
    file.write_bytes(b"one")
    file_digest(file, kept)
    digests._digest.cache_clear()
    file_digest(file, kept)
    assert len(reads) == 2


def test_a_change_is_seen_also_if_size_and_time_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    file, kept = old(tmp_path / "a", b"one"), tmp_path / "kept"
    assert file_digest(file, kept) == sha(b"one")
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    old(file, b"two")
    assert file_digest(file, kept) == sha(b"two")
    replaced = old(tmp_path / "b", b"six")
    replaced.rename(file)
    assert file_digest(file, kept) == sha(b"six")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": [1], "sha256": 5}', '{"sha256": "x"}'])
def test_a_damaged_memory_is_not_believed(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    file, kept = old(tmp_path / "a", b"one"), tmp_path / "kept"
    file_digest(file, kept)
    for remembered in kept.iterdir():
        remembered.write_text(content)
    digests._digest.cache_clear()
    assert file_digest(file, kept) == sha(b"one")


def test_a_memory_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert file_digest(old(tmp_path / "a", b"one"), tmp_path / "kept") == sha(b"one")


def test_names_count_beside_contents(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"same")
    one = files_digest(tmp_path, ["a", "b"], tmp_path / "kept")
    assert one == files_digest(tmp_path, ["b", "a"], tmp_path / "kept")
    assert one != files_digest(tmp_path, ["a", "c"], tmp_path / "kept")


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=str(tmp_path / name)):
        file_digest(tmp_path / name, tmp_path / "kept")
