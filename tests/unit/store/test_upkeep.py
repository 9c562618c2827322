"""The store looked after by hand: what it holds, what is damaged, fewer files with the same answers."""

import dataclasses
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.cli import main
from rgd.errors import UserError
from rgd.store import chunks, upkeep
from rgd.store.answers import AnswerSettings, Store, chunk_key
from rgd.store.leases import Leases, compacting
from rgd.store.listing import Listing
from tests.store_world import SETTINGS, WRITING, CountingEngine, answer, ask, questions, texts


@pytest.fixture
def store(tmp_path):
    """Ten answers in three files."""
    made = Store(tmp_path / "store")
    ask(made, questions(10), CountingEngine())
    return made


def rgd(store, command, *arguments):
    return main(["store", command, "--store", str(store.root), *map(str, arguments)])


def folder(store):
    return store.folder(SETTINGS)


ZSTD = b"\x28\xb5\x2f\xfd"
"""The first bytes of a page's content."""


def first_file(store):
    return folder(store) / chunks.names(folder(store))[0]


def test_ls_tells_settings_answers_and_engines(store, capsys):
    ask(store, questions(3, draws=2), CountingEngine(), WRITING)
    served = dataclasses.replace(answer(questions(11)[10]), cost=0.5, served_model="big-model-2")
    store.commit(SETTINGS, questions(11)[10:], [served], {"engine": "openai", "version": "9"})
    assert rgd(store, "ls", "--json") == 0
    found = {survey["key"]: survey for survey in json.loads(capsys.readouterr().out)}
    mine = found[SETTINGS.key]
    assert AnswerSettings.from_mapping(mine["settings"]) == SETTINGS
    assert (mine["answers"], mine["files"], mine["cost"]) == (11, 4, 0.5)
    assert mine["bytes"] == sum(path.stat().st_size for path in folder(store).glob("*.parquet"))
    assert mine["computed_by"] == {"counting 1": 10, "openai 9": 1}
    assert mine["served_models"] == {"big-model-2": 1}
    assert found[WRITING.key]["answers"] == 6
    assert rgd(store, "ls") == 0
    text = capsys.readouterr().out
    for part in (SETTINGS.key, "counting 1 (10), openai 9 (1)", "temperature 0.7", "{question}", "17 answers under 2"):
        assert part in text


def test_ls_of_some_settings(store, capsys):
    ask(store, questions(3), CountingEngine(), WRITING)
    assert rgd(store, "ls", WRITING.key[:6]) == 0
    out = capsys.readouterr().out
    assert WRITING.key in out
    assert SETTINGS.key not in out
    assert rgd(store, "ls", "xyz") == 1
    assert "xyz" in capsys.readouterr().err


def test_no_store_is_one_message(tmp_path, capsys):
    assert main(["store", "ls", "--store", str(tmp_path / "absent")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "absent") in line
    assert "--store" in line


def test_a_sound_store_verifies(store, capsys):
    assert rgd(store, "verify") == 0
    assert re.findall(r"\d+", capsys.readouterr().out) == ["10", "3", "0"]


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path):
    path.write_bytes(b"")


def one_bit_of_a_text(path):
    content = bytearray(path.read_bytes())
    # Within a page: its header has no checksum, and the footer, at the end, would not be readable at all.
    content[content.index(ZSTD) + len(ZSTD) + 4] ^= 4
    path.write_bytes(bytes(content))


def without_a_column(path):
    pq.write_table(pq.read_table(path).drop_columns(["confidence"]), path)


def another_type(path):
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "draw", pa.array(["x"] * len(table))), path)


def malformed_key(path):
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "query_key", pa.array(["../x"] * len(table))), path)


def null_key(path):
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "query_key", pa.nulls(len(table), pa.string())), path)


def another_name(path):
    path.rename(path.with_name("0123456789abcdef0123.parquet"))


DAMAGES = [cut_short, emptied, one_bit_of_a_text, without_a_column, another_type, malformed_key, null_key, another_name]


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damaged_file_is_a_line_that_says_what_to_do(store, capsys, damage):
    damage(first_file(store))
    assert rgd(store, "verify") == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    (named,) = (path for path in folder(store).glob("*.parquet") if str(path) in line)
    assert "damaged" in line
    named.unlink()
    assert rgd(store, "verify") == 0
    engine = CountingEngine()
    ask(store, questions(10), engine)
    assert 0 < len(engine.asked()) <= 4
    assert texts(store, questions(10)) == [f"to q{i} 0" for i in range(10)]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"way": 1}', "other"])
def test_settings_that_are_not_the_folders_are_damage(store, capsys, content):
    path = folder(store) / "settings.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(json.dumps(WRITING.content()) if content == "other" else content)
    assert rgd(store, "verify") == 1
    assert "settings.json" in capsys.readouterr().err
    path.unlink(missing_ok=True)
    ask(store, questions(11), CountingEngine())
    assert rgd(store, "verify") == 0


def test_what_the_system_refuses_to_open_is_not_called_damaged(store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(chunks.pq, "ParquetFile", refuse)
    with pytest.raises(UserError, match=r"\.parquet.*Permission denied") as caught:
        texts(store, questions(10))
    assert "damaged" not in str(caught.value)


def test_leftovers_are_told_and_cleared_away(store, capsys):
    held = Leases(folder(store)).take({"a:0"})
    dead = folder(store) / ".dead.lease"
    dead.write_text("b:0")
    old, fresh = (folder(store) / f".{'0' * 20}.parquet.{number * 8}.tmp" for number in "12")
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    (folder(store) / "notes.txt").write_text("mine")
    assert rgd(store, "verify") == 0
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines()[:-1]] == [
        str(path) for path in sorted([dead, old, folder(store) / "notes.txt"])
    ]
    assert rgd(store, "compact") == 0
    assert [path.exists() for path in (dead, old, fresh, held.path)] == [False, False, True, True]
    held.release()
    assert not held.path.exists()


def test_compaction_keeps_every_answer_in_fewer_files(store, capsys):
    ask(store, questions(20), CountingEngine(size=3), chunk_size=3)
    before = store.read(SETTINGS, [request.query_key for request in questions(20)], columns=chunks.FILE_SCHEMA.names)
    assert rgd(store, "compact") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.findall(r"\d+", line.removeprefix(SETTINGS.key)) == ["7", "1"]
    after = store.read(SETTINGS, [request.query_key for request in questions(20)], columns=chunks.FILE_SCHEMA.names)
    assert after.equals(before)
    assert rgd(store, "verify") == 0
    engine = CountingEngine()
    ask(store, questions(22), engine)
    assert [request.question for call in engine.calls for request in call] == ["q20", "q21"]
    content = {path: path.read_bytes() for path in folder(store).glob("000-*")}
    assert rgd(store, "compact") == 0
    assert rgd(store, "compact") == 0
    assert len(chunks.names(folder(store))) == 1
    assert not set(content) & set(folder(store).iterdir())


def test_large_files_are_left_alone(store):
    assert upkeep.compact(folder(store), answers_in_a_file=8) == upkeep.Compaction(SETTINGS.key, 3, 3, 0)
    assert upkeep.compact(folder(store), answers_in_a_file=9).after == 2


@pytest.mark.parametrize("limit", [3, 5, 9, 100])
def test_of_two_answers_the_same_one_counts_after_a_compaction(store, limit):
    for number, (start, stop) in enumerate([(0, 4), (2, 7), (5, 10), (0, 10), (9, 10), (3, 4)]):
        asked = questions(stop, first=start)[::-1]
        store.commit(SETTINGS, asked, [answer(request, f"from {number}") for request in asked], {})
    before = texts(store, questions(10))
    assert upkeep.verify(store.root).duplicates == 26
    done = upkeep.compact(folder(store), answers_in_a_file=limit)
    assert done.repeated == 26
    assert texts(store, questions(10)) == before
    assert upkeep.verify(store.root) == upkeep.Findings(files=done.after, answers=10)


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_an_interrupted_compaction_loses_nothing(store, monkeypatch, survivors):
    unlink, removed = Path.unlink, []

    def interrupted(path, missing_ok=False):
        if path.suffix == ".parquet":
            if len(removed) == survivors:
                raise KeyboardInterrupt
            removed.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upkeep.compact(folder(store))
    monkeypatch.undo()
    assert texts(store, questions(10)) == [f"to q{i} 0" for i in range(10)]
    assert upkeep.compact(folder(store)).after == 1
    assert upkeep.verify(store.root) == upkeep.Findings(files=1, answers=10)


def test_a_damaged_file_stops_a_compaction_before_anything_is_removed(store, capsys):
    one_bit_of_a_text(first_file(store))
    names = chunks.names(folder(store))
    assert rgd(store, "compact") == 1
    assert first_file(store).name in capsys.readouterr().err
    assert chunks.names(folder(store)) == names


def test_two_compactions_at_once_are_refused(store, capsys):
    with compacting(folder(store)):
        assert rgd(store, "compact") == 1
    assert str(folder(store)) in capsys.readouterr().err


def test_a_reader_lists_again_when_a_compaction_took_its_files(store):
    listing = Listing(folder(store))
    upkeep.compact(folder(store))
    keys = [request.query_key for request in questions(10)]
    assert listing.read(keys)["text"].to_pylist() == [f"to q{i} 0" for i in range(10)]


def test_a_folder_that_changes_while_it_is_listed_is_listed_again(store, monkeypatch):
    """The first reading misses the compacted file, which came too late, and those in it, which went too early."""
    upkeep.compact(folder(store))
    readings = [[], os.listdir(folder(store))]
    monkeypatch.setattr(os, "listdir", lambda _: readings.pop(0) if len(readings) > 1 else readings[0])
    assert len(chunks.names(folder(store))) == 1


def test_a_file_that_is_listed_but_never_there_is_told(store):
    (folder(store) / f"{'f' * 20}.parquet").symlink_to(store.root / "absent")
    with pytest.raises(UserError, match=f"{'f' * 20}.parquet"):
        texts(store, questions(10))


def test_only_the_row_groups_of_the_wanted_answers_are_read(store, monkeypatch):
    monkeypatch.setattr(chunks, "GROUP_ROWS", 3)
    upkeep.compact(folder(store))
    read = []
    plain = pq.ParquetFile.read_row_groups

    def counted(self, groups, *arguments, **options):
        read.extend(groups)
        return plain(self, groups, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", counted)
    order = pq.read_table(first_file(store))["query_key"].to_pylist()
    wanted = [order[row] for row in (7, 3, 4, 3)]
    rows = store.read(SETTINGS, wanted)
    assert rows["query_key"].to_pylist() == wanted
    assert read == [1, 2]


def test_the_order_of_names_puts_compacted_files_first():
    assert sorted(["0" * 20, f"{chunks.COMPACTED}{'f' * 20}", "f" * 20])[0].startswith(chunks.COMPACTED)
    assert chunks.FILE_NAME.fullmatch(f"{chunks.COMPACTED}{'f' * 20}.parquet")


def test_file_names_are_the_hash_of_what_they_hold(store):
    for name in chunks.names(folder(store)):
        assert name == f"{chunks.table_key(pq.read_table(folder(store) / name))}.parquet"
    assert chunk_key(questions(3)) == chunks.key_of((request.query_key, 0) for request in questions(3))


def test_find_gives_the_first_row_of_each_wanted_answer(store):
    listing = Listing(folder(store))
    keys = listing.table()["query_key"].to_pylist()
    wanted = [keys[4], "f" * 64, keys[4], keys[0]]
    assert listing.find(wanted).to_pylist() == [4, None, 4, 0]
    assert listing.find(wanted, [0, 0, 1, 0]).to_pylist() == [4, None, None, 0]
    assert listing.find([]).to_pylist() == []
    assert listing.read([]).num_rows == 0
    assert np.all(store.answered(SETTINGS, keys))
