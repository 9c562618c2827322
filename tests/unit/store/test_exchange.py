"""Answers handed from one store to another: all of them or none, never over the store's own, nothing from outside."""

import io
import json
import os
import re
import shutil
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rgd.cli import main
from rgd.errors import UserError
from rgd.store import chunks, upkeep
from rgd.store.answers import Store
from rgd.store.exchange import Exported, Imported, export_answers, import_answers
from tests.store_world import SETTINGS, WRITING, CountingEngine, ask, questions, texts


@pytest.fixture
def store(tmp_path):
    """Ten answers of one kind in three files, four of another in one."""
    made = Store(tmp_path / "store")
    ask(made, questions(10), CountingEngine())
    ask(made, questions(2, draws=2), CountingEngine(), WRITING)
    return made


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if not path.name.startswith(".")
    }


@pytest.mark.parametrize("name", ["answers.tar", "answers"])
def test_another_store_takes_over_everything_without_asking(store, tmp_path, name):
    assert export_answers(store.root, tmp_path / name) == Exported(settings=2, files=4)
    other = Store(tmp_path / "other")
    assert import_answers(other.root, tmp_path / name) == Imported(settings=2, added=14, known=0)
    assert content(other.root) == content(store.root)
    engine = CountingEngine()
    ask(other, questions(10), engine)
    ask(other, questions(2, draws=2), engine, WRITING)
    assert engine.calls == []
    assert import_answers(other.root, tmp_path / name) == Imported(settings=2, added=0, known=14)
    assert content(other.root) == content(store.root)


def test_the_same_answers_give_the_same_bytes(store, tmp_path):
    export_answers(store.root, tmp_path / "one.tar")
    copy = tmp_path / "elsewhere" / "store"
    shutil.copytree(store.root, copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700)
    export_answers(copy, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_stores_own_answers_stay(store, tmp_path):
    """Other answers to the same queries, in chunks whose names come before and after the store's own."""
    for number, size in enumerate((1, 3, 4, 7)):
        other = Store(tmp_path / f"other{number}")
        ask(other, questions(13), CountingEngine(text=lambda request: "another answer"), chunk_size=size)
        export_answers(other.root, tmp_path / f"{number}.tar")
    mine = content(store.root)
    assert import_answers(store.root, tmp_path / "0.tar") == Imported(settings=1, added=3, known=10)
    for number in (1, 2, 3):
        assert import_answers(store.root, tmp_path / f"{number}.tar") == Imported(settings=1, added=0, known=13)
    assert texts(store, questions(13)) == [f"to q{i} 0" for i in range(10)] + ["another answer"] * 3
    assert {path: found for path, found in content(store.root).items() if path in mine} == mine
    assert upkeep.verify(store.root).damaged == []


def test_some_settings_alone(store, tmp_path, capsys):
    assert main(["store", "export", str(tmp_path / "a.tar"), WRITING.key[:8], "--store", str(store.root)]) == 0
    assert main(["store", "import", str(tmp_path / "a.tar"), "--store", str(tmp_path / "other")]) == 0
    assert re.findall(r"\d+", capsys.readouterr().out.splitlines()[-1]) == ["4", "1", "0"]
    assert [path.name for path in upkeep.folders(tmp_path / "other")] == [WRITING.key]


def test_answers_from_before_a_column_was_kept_are_taken_over(store, tmp_path):
    old = store.folder(SETTINGS) / chunks.names(store.folder(SETTINGS))[0]
    pq.write_table(pq.read_table(old).drop_columns(["attempts", "cost", "served_model", "provenance"]), old)
    export_answers(store.root, tmp_path / "a.tar")
    assert import_answers(tmp_path / "other", tmp_path / "a.tar").added == 14
    assert texts(Store(tmp_path / "other"), questions(10)) == texts(store, questions(10))


def test_an_export_overwrites_nothing(store, tmp_path):
    for name in ("a.tar", "a"):
        export_answers(store.root, tmp_path / name)
        with pytest.raises(UserError, match=f"{tmp_path / name} "):
            export_answers(store.root, tmp_path / name)


def test_a_damaged_store_is_not_exported(store, tmp_path):
    path = store.folder(SETTINGS) / chunks.names(store.folder(SETTINGS))[0]
    path.write_bytes(path.read_bytes()[:-9])
    for name in ("a.tar", "a"):
        with pytest.raises(UserError, match=f"{path.name}.*damaged"):
            export_answers(store.root, tmp_path / name)
        assert not (tmp_path / name).exists()


def entry(name, data=b"x", kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, link
    return made, io.BytesIO(data)


KEY = SETTINGS.key
FOREIGN = {
    "above": entry("../escaped.parquet"),
    "above within": entry(f"{KEY}/../../escaped"),
    "absolute": entry("/tmp/escaped"),
    "deeper": entry(f"{KEY}/{KEY}/settings.json"),
    "other name": entry(f"{KEY}/run.pkl"),
    "hidden": entry(f"{KEY}/.claims.lock"),
    "symbolic link": entry(f"{KEY}/{'a' * 20}.parquet", kind=tarfile.SYMTYPE, link="/etc/passwd"),
    "hard link": entry(f"{KEY}/{'a' * 20}.parquet", kind=tarfile.LNKTYPE, link="/etc/passwd"),
    "folder link": entry(KEY, kind=tarfile.SYMTYPE, link="/tmp"),
    "device": entry(f"{KEY}/{'a' * 20}.parquet", kind=tarfile.CHRTYPE),
    "newline": entry(f"{KEY}/settings.json\n"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_archive_with_anything_else_in_it_is_refused_whole(store, tmp_path, kind):
    export_answers(store.root, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        archive.addfile(*FOREIGN[kind])
    outside = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=re.escape(repr(FOREIGN[kind][0].name))):
        import_answers(tmp_path / "other", tmp_path / "a.tar")
    assert set(tmp_path.rglob("*")) - outside == {tmp_path / "other"}
    assert not Path("/tmp/escaped").exists()


def test_a_folder_with_a_link_or_a_stranger_is_refused(store, tmp_path):
    export_answers(store.root, tmp_path / "a")
    (tmp_path / "a" / KEY / f"{'a' * 20}.parquet").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=f"{KEY}/{'a' * 20}.parquet"):
        import_answers(tmp_path / "other", tmp_path / "a")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("damage", ["cut", "bytes", "settings", "twice", "no tar", "absent"])
def test_a_damaged_export_is_refused_whole(store, tmp_path, damage):
    path = tmp_path / "a.tar"
    export_answers(store.root, path)
    chunk = store.folder(SETTINGS) / chunks.names(store.folder(SETTINGS))[0]
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:3000])
        case "bytes":
            path.write_bytes(path.read_bytes().replace(chunk.read_bytes(), bytes(chunk.stat().st_size)))
        case "settings":
            before = json.dumps(SETTINGS.max_model_len).encode()
            path.write_bytes(path.read_bytes().replace(b'"max_model_len": ' + before, b'"max_model_len": 129'))
        case "twice":
            with tarfile.open(path, "a") as archive:
                archive.addfile(*entry(f"{KEY}/{chunk.name}", chunk.read_bytes()))
        case "no tar":
            path.write_text("no archive")
        case "absent":
            path.unlink()
    with pytest.raises(UserError):
        import_answers(tmp_path / "other", path)
    assert content(tmp_path / "other") == {}
    assert not list((tmp_path / "other").glob(".exchange*"))


def test_an_import_into_a_damaged_store_names_the_damage(store, tmp_path):
    export_answers(store.root, tmp_path / "a.tar")
    path = store.folder(SETTINGS) / chunks.names(store.folder(SETTINGS))[0]
    path.write_bytes(b"")
    with pytest.raises(UserError, match=path.name):
        import_answers(store.root, tmp_path / "a.tar")
    path.unlink()
    assert import_answers(store.root, tmp_path / "a.tar").added == 4
