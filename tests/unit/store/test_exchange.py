"""Answers handed from one store to another: all of them or none, never over the store's own, nothing from outside."""

import hashlib
import io
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.cli import main
from rgd.errors import UserError
from rgd.store import chunks, exchange, upkeep
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


def changed(**columns):
    """A change of the first row's values."""

    def change(table):
        for name, value in columns.items():
            at = table.column_names.index(name)
            values = [value, *table[name].to_pylist()[1:]]
            table = table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))
        return table

    return change


def retyped(name, kind):
    return lambda table: table.set_column(table.column_names.index(name), name, table[name].cast(kind))


def invalid_text(table):
    """A lone surrogate as bytes, which Arrow itself writes and reads without a word."""
    wrong = pa.array([b"a\xed\xa0\x80b", *[b"x"] * (len(table) - 1)], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(wrong), wrong.buffers())
    return table.set_column(table.column_names.index("text"), "text", text)


DEEP = "[" * 100_000
VALUES = {
    "negative cost": changed(cost=-1.0),
    "cost that is no number": changed(cost=math.nan),
    "infinite cost": changed(cost=math.inf),
    "negative infinite cost": changed(cost=-math.inf),
    "absurd cost": changed(cost=1e9),
    "no cost": changed(cost=None),
    "provenance that is no JSON": changed(provenance="engine"),
    "provenance that is a list": changed(provenance="[]"),
    "provenance that is a text": changed(provenance='"x"'),
    "provenance that is null": changed(provenance="null"),
    "no provenance": changed(provenance=None),
    "deep provenance": changed(provenance=DEEP),
    "short key": changed(query_key="abc"),
    "key with a newline": changed(query_key="0" * 64 + "\n"),
    "key of capitals": changed(query_key="A" * 64),
    "path for a key": changed(query_key="../" * 21 + "x"),
    "no key": changed(query_key=None),
    "negative draw": changed(draw=-1),
    "no draw": changed(draw=None),
    "no text": changed(text=None),
    "text that is not UTF-8": invalid_text,
    "negative prompt tokens": changed(prompt_tokens=-1),
    "negative completion tokens": changed(completion_tokens=-5),
    "no tokens": changed(completion_tokens=None),
    "no attempt": changed(attempts=0),
    "unknown finish reason": changed(finish_reason="hacked"),
    "no finish reason": changed(finish_reason=None),
    "served model with an escape": changed(served_model="m\x1b]0;owned\x07"),
    "endless served model": changed(served_model="m" * 10_000),
    "confidence that is no number": changed(confidence=math.nan),
    "infinite confidence": changed(confidence=math.inf),
    "score that is no number": changed(scores=[math.nan]),
    "answer twice": lambda table: pa.concat_tables([table, table.slice(0, 1)]),
    "missing column": lambda table: table.drop_columns("text"),
    "column twice": lambda table: table.append_column(table.schema.field("text"), table["text"]),
    "numbers for texts": lambda table: table.set_column(
        table.column_names.index("text"), "text", pa.array([[1]] * len(table))
    ),
    "texts for numbers": lambda table: table.set_column(
        table.column_names.index("prompt_tokens"), "prompt_tokens", pa.array(["x"] * len(table))
    ),
    "too large a number": lambda table: table.set_column(
        table.column_names.index("prompt_tokens"), "prompt_tokens", pa.array([2**40] * len(table))
    ),
}


def refused(root, source, *parts):
    with pytest.raises(UserError) as caught:
        import_answers(root, source)
    for part in parts:
        assert part in str(caught.value)
    assert content(root) == {}
    assert not list(root.glob("*/"))


@pytest.mark.parametrize("kind", VALUES)
def test_a_file_with_a_value_that_no_job_writes_is_refused_whole(store, tmp_path, kind):
    export_answers(store.root, tmp_path / "a")
    path = sorted((tmp_path / "a" / KEY).glob("*.parquet"))[0]
    table = VALUES[kind](pq.read_table(path))
    path.unlink()
    # The name is right: whoever writes the answers can write the name as well.
    name = chunks.key_of(zip(table["query_key"].to_pylist(), table["draw"].to_pylist(), strict=True))
    pq.write_table(table, path.with_name(f"{name}.parquet"))
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/{name}.parquet", str(tmp_path / "a"))


def named(content):
    """Settings in the folder that their hash names."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:20]


@pytest.mark.parametrize(
    "change",
    [
        {"weights": ["a"]},
        {"weights": None},
        {"weights": "m\x1b[2J"},
        {"prompt": 5},
        {"prompt": "\ud800"},
        {"max_model_len": "128"},
        {"max_model_len": True},
        {"chat": []},
        {"chat": None},
        {"sampling": "hot"},
        {"way": "guess"},
        {"answers_epoch": math.nan},
        {"answers_epoch": None},
        {"another": 1},
    ],
)
def test_settings_of_other_types_are_refused_though_their_hash_is_right(store, tmp_path, change):
    export_answers(store.root, tmp_path / "a")
    other = SETTINGS.content() | change
    shutil.move(tmp_path / "a" / KEY, tmp_path / "a" / named(other))
    (tmp_path / "a" / named(other) / "settings.json").write_text(json.dumps(other))
    refused(tmp_path / "other", tmp_path / "a", f"{named(other)}/settings.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", DEEP, " " * 5_000_000 + "{}"])
def test_settings_that_are_none_are_refused(store, tmp_path, text):
    export_answers(store.root, tmp_path / "a")
    (tmp_path / "a" / KEY / "settings.json").write_text(text)
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/settings.json")


def bomb(path, texts, rows, **options):
    """A file in which every row is the same long text: one entry of a dictionary, and one run of its index."""
    table = pq.read_table(path)
    many = pa.concat_tables([table.slice(0, 1)] * rows).combine_chunks()
    indices = pa.array(np.zeros(rows, np.int32))
    encoded = pa.DictionaryArray.from_arrays(indices, pa.array(texts))
    many = many.set_column(many.column_names.index("text"), "text", encoded)
    pq.write_table(many, path, compression="zstd", use_dictionary=True, **options)


def test_a_text_that_decompresses_to_more_than_the_limit_is_refused(store, tmp_path):
    export_answers(store.root, tmp_path / "a")
    path = sorted((tmp_path / "a" / KEY).glob("*.parquet"))[0]
    bomb(path, ["x" * (exchange.LONGEST_TEXT + 1)], 64, store_schema=False)
    assert path.stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/{path.name}", f"{exchange.LONGEST_TEXT:,}")
    # One row's worth of it, and not the gigabyte of all of them.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024


def test_a_list_of_more_numbers_than_the_limit_is_refused(store, tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "MOST_BYTES", 10_000_000)
    export_answers(store.root, tmp_path / "a")
    path = sorted((tmp_path / "a" / KEY).glob("*.parquet"))[0]
    table = pq.read_table(path).slice(0, 1)
    scores = pa.array([np.zeros(3_000_000, np.float32)], pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.column_names.index("scores"), "scores", scores), path, compression="zstd")
    assert path.stat().st_size < 100_000
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/{path.name}", f"{exchange.MOST_BYTES:,}")


def test_a_file_that_decompresses_to_more_than_the_limit_is_refused(store, tmp_path, monkeypatch):
    export_answers(store.root, tmp_path / "a")
    path = sorted((tmp_path / "a" / KEY).glob("*.parquet"))[0]
    bomb(path, ["x" * 1_000_000], 5000)
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/{path.name}")
    path.write_bytes((store.root / KEY / path.name).read_bytes())
    bomb(path, ["x" * 1_000_000], 5000, store_schema=False)
    assert path.stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path / "other", tmp_path / "a", f"{KEY}/{path.name}", f"{exchange.MOST_BYTES:,}")
    # Five gigabytes in kilobytes of file: only a few rows of it are ever in memory.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024**2
    monkeypatch.setattr(exchange, "MOST_ROWS", 4000)
    refused(tmp_path / "other", tmp_path / "a", "4,000")


def test_folders_and_pipes_of_other_names_are_refused(store, tmp_path):
    for number, make in enumerate((Path.mkdir, os.mkfifo)):
        source = tmp_path / f"a{number}"
        export_answers(store.root, source)
        strange = source / ("strange" if make is Path.mkdir else f"{KEY}/{'b' * 20}.parquet")
        make(strange)
        with pytest.raises(UserError, match=strange.name):
            import_answers(tmp_path / "other", source)
        assert not (tmp_path / "other").exists()


def test_a_header_that_makes_arrow_end_the_process_is_one_message(store, tmp_path):
    """The lengths of a column's statistics contradict each other; where they lie is found by trying."""
    export = tmp_path / "a"
    export_answers(store.root, export)
    path = sorted((export / KEY).glob("*.parquet"))[0]
    good = path.read_bytes()
    header = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    script = (
        "import contextlib, sys, pyarrow.parquet as pq\n"
        "good = open(sys.argv[1], 'rb').read()\n"
        "for at in range(int(sys.argv[2]), len(good) - 8):\n"
        "    data = bytearray(good); data[at] ^= 0x30\n"
        "    open(sys.argv[1], 'wb').write(data)\n"
        "    with contextlib.suppress(Exception):\n"
        "        found = pq.read_metadata(sys.argv[1])\n"
        "        for n in range(found.num_row_groups): [found.row_group(n).column(c).num_values for c in range(13)]\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path, str(header)], check=False, capture_output=True)
    if done.returncode != -signal.SIGABRT:
        pytest.skip("no change of a byte makes this version of Arrow end the process")
    with pytest.raises(UserError, match=path.name):
        import_answers(tmp_path / "other", export)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("seed", range(60))
def test_any_damage_of_a_file_is_one_message_that_names_it(store, tmp_path, capsys, seed):
    """Bytes of a chunk are changed at random: every command ends in a message, and leaves nothing half done."""
    moments, export = random.Random(seed), tmp_path / "a"
    export_answers(store.root, export)
    path = sorted((export / KEY).glob("*.parquet"))[0]
    data = bytearray(path.read_bytes())
    for _ in range(moments.choice([1, 1, 2, 20])):
        data[moments.randrange(len(data))] = moments.randrange(256)
    path.write_bytes(data)
    said = ""
    try:
        import_answers(tmp_path / "other", export)
    except UserError as error:
        said = str(error)
    assert path.name in said or len(chunks.names(tmp_path / "other" / KEY)) == 3
    assert not said or content(tmp_path / "other") == {}
    mine = store.root / KEY / path.name
    mine.write_bytes(data)
    for command in (("ls",), ("verify",), ("export", str(tmp_path / "again"))):
        code = main(["store", *command, "--store", str(store.root)])
        said = capsys.readouterr()
        assert code == 0 or path.name in said.err + said.out
