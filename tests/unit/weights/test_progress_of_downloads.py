"""A download says how many megabytes have come, whatever the source."""

import time
from pathlib import Path

import pytest

from rgd.config.schema.models import Weights
from rgd.progress.logs import counted
from rgd.weights import sources
from rgd.weights.sources import MEGABYTE, Unreachable, fetch

SIZE = 12 * MEGABYTE


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Weights:
    monkeypatch.setattr(sources, "SECONDS_BETWEEN_REPORTS", 0.01)
    monkeypatch.setattr(sources, "_check", lambda *_: None)
    hub = {"repo": "a/b", "revision": "0" * 40, "file": "c.safetensors"}
    return Weights.model_validate({"format": "safetensors", "bytes": SIZE, "sha256": "0" * 64, "hub": hub})


def test_the_megabytes_that_have_come_are_told(
    tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, lines = tmp_path / "new", []

    def get() -> Path:
        (folder / "below").mkdir(parents=True)
        for part in range(6):
            (folder / f"below/{part}").write_bytes(bytes(SIZE // 6))
            time.sleep(0.05)
        # Unpacked beside what was fetched.
        (folder / "main").write_bytes(bytes(SIZE))
        time.sleep(0.1)
        return folder / "main"

    monkeypatch.setattr(sources, "_sources", lambda *_: [("a source", get)])
    fetch(weights, "c", folder, True, lines.append)
    counts = [count for count in map(counted, lines) if count is not None]
    assert len(counts) > 3
    assert {(count.title, count.total, count.unit) for count in counts} == {("c", 12, "MB")}
    assert [count.done for count in counts] == sorted(count.done for count in counts)
    assert counts[-1].done == 12
    assert all(count.rate is not None for count in counts)


def test_nothing_is_told_after_a_source_that_fails(
    tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    def absent() -> Path:
        raise Unreachable("no network")

    monkeypatch.setattr(sources, "_sources", lambda *_: [("a source", absent), ("another", lambda: tmp_path / "main")])
    fetch(weights, "c", tmp_path / "new", True, lines.append)
    before = len(lines)
    time.sleep(0.1)
    assert len(lines) == before
