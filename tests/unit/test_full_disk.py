"""A disk that is full at any moment: every writer and every job ends with one message, and leaves nothing half-written."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pytest

from rgd import cli
from rgd.analysis import figures, writing
from rgd.artifacts.disk import is_full, room
from rgd.artifacts.files import replacing, write_json, write_table
from rgd.artifacts.provenance import write_provenance
from rgd.datasets.given_labels import Asked, write_given
from rgd.errors import UserError
from rgd.store.answers import Store
from rgd.tool import bundle
from rgd.tool.decision_log import DecisionLog
from rgd.tool.new_files import write_new
from rgd.tool.routing import Bundle
from rgd.tool.semantic_router import write_artifact
from tests import ROOT
from tests.file_systems import fill, mounted
from tests.store_world import SETTINGS, answer, questions
from tests.unit.tool.tool_world import DIMENSION, world

SCRIPTS = ROOT / "workflow_scripts"
RANDOM = np.random.default_rng(0)
NOISE = "".join(map(chr, RANDOM.integers(97, 123, 200_000)))
NUMBERS = pa.table({"number": RANDOM.random(20_000)})


def figure(folder: Path) -> None:
    with figures.style() as pyplot:
        drawn, axis = pyplot.subplots()
        axis.plot(NUMBERS["number"].to_numpy()[:3000])
        figures.save(drawn, folder / "figure.svg")


def page(folder: Path) -> None:
    with replacing(folder / "page.html") as temporary:
        temporary.write_text(NOISE, encoding="utf-8")


def provenance(folder: Path) -> None:
    (folder / "x.parquet").touch()
    write_provenance(
        folder, rule="r", inputs=[], outputs=[str(folder / "x.parquet")], parameters={"code": "{}", "text": NOISE}
    )


WRITERS: dict[str, Callable[[Path], object]] = {
    "table": lambda folder: write_table(folder / "a" / "table.parquet", NUMBERS, NUMBERS.schema),
    "json": lambda folder: write_json(folder / "content.json", {"text": NOISE}),
    "provenance": provenance,
    "tables in four forms": lambda folder: writing.write_all(NUMBERS.slice(0, 3000).to_pandas(), folder / "t.parquet"),
    "figure": figure,
    "page": page,
    "labels": lambda folder: write_given(
        folder / "labels" / "real.csv", {"q": "A"}, [Asked("q", NOISE, ("one", "two"), "letter")]
    ),
    "drafts": lambda folder: write_new(
        {folder / "own" / name: NOISE[:50_000] for name in ("one.yaml", "two.yaml")}, lambda: None, "rename"
    ),
    "bundle": lambda folder: bundle.write(folder / "bundle", world()[0]),
    "artifact for vLLM Semantic Router": lambda folder: write_artifact(folder, Bundle(world("avengers")[0])),
    "store": lambda folder: Store(folder / "store").commit(
        SETTINGS,
        questions(20),
        [answer(one, NOISE[place * 9000 :][:9000]) for place, one in enumerate(questions(20))],
        {},
    ),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with mounted("tmpfs", tmp_path_factory.mktemp("full") / "disk", 2 * 1024) as folder:
        yield folder


@pytest.mark.parametrize("kilobytes", [0, 4, 24])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_on_a_full_disk_says_so_and_leaves_only_whole_files(
    disk: Path, tmp_path: Path, writer: str, kilobytes: int
) -> None:
    write, folder = WRITERS[writer], disk / f"{len(writer)}-{kilobytes}"
    folder.mkdir()
    ballast = fill(disk, kilobytes)
    try:
        with pytest.raises(UserError, match=str(folder)) as caught:
            write(folder)
        assert is_full(caught.value)
        left = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    finally:
        ballast.unlink()
        empty(disk)
    write(tmp_path)
    sizes = {path.relative_to(tmp_path): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert left.items() <= sizes.items()


JOB = """
import sys
from pathlib import Path
from types import SimpleNamespace
import pyarrow as pa
from _job import running
from rgd.artifacts import disk, files

folder, log, what = sys.argv[1:]
from tests.file_systems import fill
is_before = what.startswith("before ")
if is_before:
    fill(Path(folder), 0)
job = SimpleNamespace(
    log=[log], scriptdir={scripts!r}, rule="make", resources=SimpleNamespace(store=folder), params={{}}, input=[], output=[]
)
with running(job):
    if "silent" not in what:
        print("begins")
    if not is_before:
        fill(Path(folder), int(what.split()[-1]))
    text = "0123456789abcdef" * 8192
    if "print" in what:
        print(text)
    if "table" in what:
        table = pa.table({{"x": list(range(200000))}})
        files.write_table(folder + "/t.parquet", table, table.schema)
    if "plain" in what:
        with open(folder + "/plain.txt", "w") as file:
            file.write(text)
    if "unforeseen" in what:
        print(text)
        raise LookupError("unforeseen")
"""


@pytest.mark.parametrize("what", ["before print", "print 0", "print 24", "table 0", "table 24", "plain 0", "plain 24"])
@pytest.mark.parametrize("log_on", ["the full disk", "another"])
def test_a_job_on_a_full_disk_ends_with_one_message(disk: Path, tmp_path: Path, what: str, log_on: str) -> None:
    on_full = log_on == "the full disk"
    log = (disk if on_full else tmp_path) / "log.txt"
    done, logged = job(disk, log, what)
    told = on_full or "print" not in what
    assert done.returncode == (1 if told else 0), done.stderr[-2000:]
    messages = [line for line in done.stderr.splitlines() if line.startswith("make: ")]
    assert len(messages) == int(told)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if told:
        assert "No space left" in messages[0]
        assert str(disk) in messages[0]
        assert "MB in" in messages[0]
    if told and what != "before print":
        assert logged.splitlines()[-1] == messages[0]


def test_an_unforeseen_error_on_a_full_disk_keeps_its_traceback(disk: Path, tmp_path: Path) -> None:
    done, _ = job(disk, disk / "log.txt", "unforeseen 0")
    assert done.returncode == 1
    assert "LookupError: unforeseen" in done.stderr


@pytest.mark.parametrize(
    ("what", "log_on"), [("print 24", "full"), ("table 0", "full"), ("silent table 0", "full"), ("table 0", "another")]
)
def test_a_watched_job_on_a_full_disk_says_why_in_its_log(disk: Path, tmp_path: Path, what: str, log_on: str) -> None:
    watched = tmp_path / "watched"
    with watched.open("w") as stderr:
        log = (disk if log_on == "full" else tmp_path) / "log.txt"
        state = watched.stat()
        done, logged = job(disk, log, what, stderr=stderr, RGD_WATCHED=f"{state.st_dev}:{state.st_ino}")
    assert done.returncode == 1
    assert "No space left" in logged.splitlines()[-1]
    assert logged.count("make: ") == 1


def test_a_command_whose_output_has_no_room_says_so_in_one_line(tmp_path: Path) -> None:
    bundle.write(tmp_path / "bundle", world()[0])
    (tmp_path / "log").touch()
    command = [sys.executable, "-m", "rgd.cli", "watch", "--bundle", tmp_path / "bundle", "--log", tmp_path / "log"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_a_command_on_a_full_disk_tells_the_room_there_and_leaves_no_file(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.write(tmp_path / "bundle", world()[0])
    content = bundle.read(tmp_path / "bundle")
    away = RANDOM.normal(size=(80, DIMENSION)) - 3 * content.embeddings.mean(axis=0)
    away = np.float32(away / np.linalg.norm(away, axis=1, keepdims=True))
    log = DecisionLog(tmp_path / "log", content, with_queries=True)
    for row, decision in enumerate(Bundle(content).route_vectors(away, [f"{row} {NOISE[:500]}" for row in range(80)])):
        log.add(decision, away[row : row + 1], "top1")
    watch = ["watch", "--bundle", "bundle", "--log", "log", "--unlike", str(disk / "new.jsonl")]
    fill(disk, 0)
    try:
        code = cli.main(watch)
        left = [path.name for path in disk.iterdir()]
    finally:
        empty(disk)
    said = capsys.readouterr().err
    assert (code, left) == (1, ["ballast"])
    assert len(said.splitlines()) == 1
    assert f"0.0 MB in {disk}" in said
    assert cli.main(watch) == 3
    empty(disk)


def test_room_is_told_once_for_each_file_system(disk: Path, tmp_path: Path) -> None:
    said = room([disk / "not" / "there", disk, tmp_path])
    assert said.count(" MB in ") == 2
    assert f"in {disk}" in said


def test_a_full_disk_is_found_behind_other_errors() -> None:
    inner, outer = OSError(28, "No space left on device"), UserError("told")
    outer.__cause__ = inner
    assert is_full(outer)
    inner.__cause__ = outer
    assert is_full(outer)
    assert not is_full(OSError(13, "Permission denied"))


def job(
    disk: Path, log: Path, what: str, stderr: int | IO[str] = subprocess.PIPE, **variables: str
) -> tuple["subprocess.CompletedProcess[str]", str]:
    """A job and what its log says; the disk is emptied."""
    script = JOB.format(scripts=str(SCRIPTS))
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(disk), str(log), what],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{SCRIPTS}:{ROOT}", **variables},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            timeout=120,
        )
        assert {path.name for path in disk.iterdir()} <= {"ballast", "log.txt", "plain.txt"}
        return done, log.read_text(encoding="utf-8")
    finally:
        empty(disk)


def empty(disk: Path) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
