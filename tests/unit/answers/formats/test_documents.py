"""JSON read value by value: the values of the standard library's decoder, whatever is in memory at a time."""

import importlib
import io
import json
import math
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.formats.documents import Document
from rgd.answers.formats.records import Settings
from tests.unit.answers.formats import worlds

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=30)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
CHUNKS = st.integers(1, 40)
INDENTS = st.sampled_from([None, 0, 2])


def whole_list(document: Document, into: list[Any]) -> None:
    """Read a document that is a list, so that its values are in ``into`` up to a fault."""
    into.extend(document.items())
    document.end()


def whole_object(document: Document) -> None:
    for _ in document.members():
        document.value()
    document.end()


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN is itself, and 1 is not 1.0 or True."""
    return json.dumps(one) == json.dumps(other)


@given(st.lists(VALUES, max_size=6), CHUNKS, INDENTS, st.booleans())
def test_items_are_those_of_the_decoder(values: list[Any], chunk: int, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=is_ascii)
    document = Document(io.StringIO(text), chunk)
    assert same(list(document.items()), values)
    document.end()


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), CHUNKS, INDENTS, st.data())
def test_members_are_those_of_the_decoder(
    values: dict[str, Any], chunk: int, indent: int | None, data: st.DataObject
) -> None:
    document = Document(io.StringIO(json.dumps(values, indent=indent)), chunk)
    read, skipped = {}, set()
    for key in document.members():
        if data.draw(st.booleans()):
            read[key] = document.value()
        else:
            document.skip()
            skipped.add(key)
    document.end()
    assert same(read, {key: value for key, value in values.items() if key not in skipped})


@given(st.lists(VALUES, min_size=1, max_size=4), CHUNKS, st.data())
def test_a_cut_text_is_refused_after_its_whole_values(values: list[Any], chunk: int, data: st.DataObject) -> None:
    text = json.dumps(values)
    document = Document(io.StringIO(text[: data.draw(st.integers(0, len(text) - 1))]), chunk)
    found: list[Any] = []
    with pytest.raises(ValueError, match="line 1 column"):
        whole_list(document, found)
    assert all(
        same(one, other) or not isinstance(one, str | list | dict) for one, other in zip(found, values, strict=False)
    )


@given(st.lists(VALUES, min_size=1, max_size=4), CHUNKS, st.integers(0, 10**6))
def test_the_place_of_a_fault_is_that_of_the_decoder(values: list[Any], chunk: int, seed: int) -> None:
    text = list(json.dumps(values, indent=1))
    draw = random.Random(seed)
    text[draw.randrange(1, len(text))] = draw.choice('x]}{[",:1 \n')
    try:
        expected: Any = json.loads("".join(text))
    except json.JSONDecodeError as error:
        expected = error
    document = Document(io.StringIO("".join(text)), chunk)
    try:
        found: Any = list(document.items())
        document.end()
    except ValueError as error:
        assert isinstance(expected, json.JSONDecodeError)
        # Between values the decoder names the place before the spaces, or after the comma.
        line = int(str(error).split(" line ")[1].split()[0])
        assert abs(line - expected.lineno) <= 1
    else:
        assert same(found, expected)


@pytest.mark.parametrize("text", ["", " ", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{}", "3", "[1] 2", "[1]]", "[NaM]"])
def test_no_list_is_refused(text: str) -> None:
    for chunk in (1, 3, 100):
        document = Document(io.StringIO(text), chunk)
        with pytest.raises(ValueError, match="column"):
            whole_list(document, [])


@pytest.mark.parametrize("text", ["", "[]", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '{"a":1', '{"a":1}}', "{a:1}"])
def test_no_object_is_refused(text: str) -> None:
    for chunk in (1, 3, 100):
        document = Document(io.StringIO(text), chunk)
        with pytest.raises(ValueError, match="column"):
            whole_object(document)


def test_memory_holds_one_value() -> None:
    class File(io.StringIO):
        most = 0

        def read(self, size: int | None = -1) -> str:
            assert size is not None
            self.most = max(self.most, size)
            return super().read(size)

    file = File(json.dumps([{"text": "x" * 1000, "number": number} for number in range(1000)]))
    document = Document(file, chunk=100)
    assert [row["number"] for row in document.items()] == list(range(1000))
    assert file.most < 3000


def test_a_fault_in_the_middle_is_found_without_reading_on() -> None:
    file = io.StringIO("[1, {'a': 2}," + "3," * 10**6 + "4]")
    with pytest.raises(ValueError, match="line 1 column 6"):
        list(Document(file, chunk=100).items())
    assert file.tell() < 10_000


def test_numbers_that_a_chunk_cuts_are_whole() -> None:
    text = "[1.5e+10, -0.25, 123456789012345678901234567890, NaN, -Infinity, 1E5, true]"
    for chunk in range(1, len(text)):
        values = list(Document(io.StringIO(text), chunk).items())
        assert values[:3] == [1.5e10, -0.25, 123456789012345678901234567890]
        assert math.isnan(values[3])
        assert values[4:] == [-math.inf, 1e5, True]


LARGE = 20_000_000
FILLER = "x" * 2000


def large(name: str, folder: Path) -> Path:
    """A document of :data:`LARGE` bytes made of a small one: its entries again and again, with a text that nobody reads."""
    path = worlds.WORLDS[name](folder)[-1 if name in ("litellm", "opencompass") else 0]
    content = json.loads(path.read_text())
    key = {"inspect": "samples", "helm": "request_states", "llmrouterbench": "records"}.get(name)
    entries = content[key] if key else list(content.values()) if isinstance(content, dict) else content
    entries = [entry | {"filler": FILLER} for entry in entries] * (LARGE // len(FILLER) // len(entries))
    if name == "opencompass":
        content = {str(number): entry for number, entry in enumerate(entries)}
    else:
        content = content | {key: entries} if key else entries
    return worlds.document(path, content)


@pytest.mark.parametrize("name", ["helm", "inspect", "litellm", "llmrouterbench", "opencompass"])
def test_a_large_document_is_never_in_memory(name: str, tmp_path: Path) -> None:
    path = large(name, tmp_path)
    assert path.stat().st_size > LARGE
    records = importlib.import_module(f"rgd.answers.formats.{name}").records
    tracemalloc.start()
    try:
        count = sum(1 for _ in records([path], Settings({})))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count >= LARGE // len(FILLER) - worlds.SIZE
    assert peak < LARGE / 2


def test_of_a_large_sample_in_an_archive_what_is_not_read_is_never_in_memory(tmp_path: Path) -> None:
    evaluated, samples = worlds.inspect_log(worlds.MODELS[0], worlds.ANSWERS[0])
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("header.json", json.dumps({"eval": evaluated}))
        events = [{"event": "x", "filler": FILLER}] * (LARGE // len(FILLER))
        archive.writestr("samples/0_epoch_1.json", json.dumps({"events": events} | samples[0]))
    del events
    records = importlib.import_module("rgd.answers.formats.inspect").records
    tracemalloc.start()
    try:
        (record,) = records([path], Settings({}))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert record.answer == "A"
    assert peak < LARGE / 2
