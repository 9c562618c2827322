"""Settings that are written down in another form and mean the same: their answers are found, and no others are."""

import dataclasses
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rgd.config import load, slices
from rgd.config.schema import Config, Model
from rgd.engines.base import Request
from rgd.engines.prompts import render
from rgd.store.answers import SERVED, AnswerSettings, Store
from tests import ROOT
from tests.store_world import SETTINGS, WRITING, CountingEngine, answer, ask, questions, texts
from tests.unit.store.test_keys import API, LOCAL, SERVER

TURNS = "[system]\nBe brief.\n[user]\n{question}\n"
WRITTEN_OTHERWISE = {
    "a blank line at the end": TURNS + "\n",
    "no line end at the end": TURNS.rstrip("\n"),
    "blank lines around a turn": TURNS.replace("[user]", "\n \n[user]\n"),
    "line ends of Windows": TURNS.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + TURNS,
    "turns in upper case": TURNS.replace("user", "User").replace("system", "SYSTEM"),
    "spaces after a turn": TURNS.replace("]", "]  "),
}
EXAMPLES = json.dumps({"instruction": "Write one.\n", "examples": ["A task.\n[QUESTION] …\n"]})


def stored(store: Store, settings: AnswerSettings, requests: list[Request]) -> None:
    ask(store, requests, CountingEngine(), settings)


@pytest.mark.parametrize("text", WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE.keys())
def test_a_prompt_written_otherwise_asks_nothing_again(tmp_path: Path, text: str) -> None:
    store, requests = Store(tmp_path), questions(5)
    stored(store, dataclasses.replace(SETTINGS, prompt=text), requests)
    engine = CountingEngine()
    asked = ask(store, requests, engine, dataclasses.replace(SETTINGS, prompt=TURNS))
    assert (asked.asked, engine.calls) == (0, [])
    assert render(text, "What?").query_key == render(TURNS, "What?").query_key


@pytest.mark.parametrize(
    "text", [TURNS + "!", TURNS.replace("brief", "Brief"), TURNS.replace("[user]\n", ""), TURNS.replace(".", ".\n\nX")]
)
def test_another_prompt_asks(tmp_path: Path, text: str) -> None:
    store, requests = Store(tmp_path), questions(3)
    stored(store, dataclasses.replace(SETTINGS, prompt=text), requests)
    assert ask(store, requests, CountingEngine(), dataclasses.replace(SETTINGS, prompt=TURNS)).asked == 3


FORMER: dict[str, tuple[AnswerSettings, AnswerSettings]] = {
    "a served model's longest text": (
        dataclasses.replace(WRITING, dtype=SERVED, max_model_len=4096),
        dataclasses.replace(WRITING, dtype=SERVED, max_model_len=None),
    ),
    "a generator's prompts": (
        dataclasses.replace(WRITING, prompt=json.dumps(json.loads(EXAMPLES) | {"instruction": "Write one.\n\n"})),
        dataclasses.replace(WRITING, prompt=EXAMPLES),
    ),
    "a file without what lies beside it": (SETTINGS, dataclasses.replace(SETTINGS, weights="0" * 64 + "+0123456789ab")),
}


@pytest.mark.parametrize("former", FORMER)
def test_answers_under_a_former_key_are_found(tmp_path: Path, former: str) -> None:
    old, new = FORMER[former]
    assert old.key != new.key
    store, requests = Store(tmp_path), questions(6)
    stored(store, old, requests[:4])
    assert ask(store, requests, CountingEngine(), new).asked == 2
    assert texts(store, requests, new) == [f"to q{i} 0" for i in range(6)]
    assert store.answered(new, [request.query_key for request in requests]).all()


LOCAL_SETTINGS = dataclasses.replace(SETTINGS, max_model_len=256)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SETTINGS, LOCAL_SETTINGS),
        (SETTINGS, dataclasses.replace(SETTINGS, answers_epoch=1)),
        (SETTINGS, dataclasses.replace(SETTINGS, weights="1" * 64)),
        (SETTINGS, dataclasses.replace(SETTINGS, dtype="float32")),
        (SETTINGS, dataclasses.replace(SETTINGS, chat={"enable_thinking": False})),
        (
            dataclasses.replace(SETTINGS, weights="0" * 64 + "+0123456789ab"),
            dataclasses.replace(SETTINGS, weights="0" * 64 + "+ba9876543210"),
        ),
        (WRITING, dataclasses.replace(WRITING, sampling=dataclasses.replace(WRITING.sampling, seed=1))),  # type: ignore[type-var]
    ],
)
def test_other_settings_have_other_answers(tmp_path: Path, old: AnswerSettings, new: AnswerSettings) -> None:
    store, requests = Store(tmp_path), questions(2)
    stored(store, old, requests)
    assert not store.answered(new, [request.query_key for request in requests]).any()


def test_of_two_answers_that_of_the_settings_own_key_counts(tmp_path: Path) -> None:
    old, new = FORMER["a served model's longest text"]
    store, (request,) = Store(tmp_path), questions(1)
    store.commit(old, [request], [answer(request, "former")], {})
    store.commit(new, [request], [answer(request, "own")], {})
    assert texts(store, [request], new) == ["own"]
    assert texts(store, [request], old) == ["former"]


def test_a_folder_with_unreadable_settings_stops_nobody(tmp_path: Path) -> None:
    store, requests = Store(tmp_path), questions(2)
    for number, text in enumerate(["{", "[]", "{}", '{"weights": 1}', "\x00"]):
        (tmp_path / f"{number:020x}").mkdir()
        (tmp_path / f"{number:020x}" / "settings.json").write_text(text)
    stored(store, SETTINGS, requests)
    assert texts(store, requests) == ["to q0 0", "to q1 0"]


# Members of a configuration.


@functools.cache
def configuration() -> Config:
    return load(ROOT / "config")


def member_key(tmp_path: Path, model: dict[str, Any], prompt: str = "[user]\n{question}\n") -> AnswerSettings:
    (tmp_path / "prompts").mkdir(exist_ok=True)
    (tmp_path / "prompts/ask.txt").write_bytes(prompt.encode())
    config = configuration().model_copy(update={"model": {"local": Model.model_validate(model)}})
    return AnswerSettings.from_mapping(slices.answering(config, tmp_path, "local"))


def test_what_a_prompt_file_looks_like_changes_no_key(tmp_path: Path) -> None:
    plain = member_key(tmp_path, LOCAL, TURNS).key
    assert {member_key(tmp_path, LOCAL, text).key for text in WRITTEN_OTHERWISE.values()} == {plain}
    assert member_key(tmp_path, LOCAL, TURNS + "!").key != plain


def test_the_longest_text_counts_only_for_a_model_in_the_job(tmp_path: Path) -> None:
    served = SERVER | {"api": API}
    assert member_key(tmp_path, served) == member_key(tmp_path, served | {"max_model_len": 9999})
    assert member_key(tmp_path, LOCAL) != member_key(tmp_path, LOCAL | {"max_model_len": 9999})


FILE = {"hub": {"repo": "a/b", "revision": "v1", "file": "m.safetensors"}, "sha256": "ab" * 32, "bytes": 7}
BESIDE = FILE | {"hub": FILE["hub"] | {"also": ["config.json", "tokenizer.json"]}}  # type: ignore[operator]
GGUF = FILE | {"hub": FILE["hub"] | {"file": "m.gguf"}, "format": "gguf"}  # type: ignore[operator]
WHEELS = {"packages": ["p==1"], "files": ["p/m.safetensors", "p/tokenizer.json"]}


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (FILE, FILE | {"hub": {"repo": "c/d", "revision": "v2", "file": "n.safetensors"}}, True),
        (FILE, FILE | {"wheels": {"packages": ["p==1"], "files": ["p/m.safetensors"]}}, True),
        (BESIDE, BESIDE | {"hub": BESIDE["hub"] | {"also": ["tokenizer.json", "config.json"]}}, True),  # type: ignore[operator]
        (FILE, BESIDE, False),
        (BESIDE, BESIDE | {"hub": BESIDE["hub"] | {"revision": "v2"}}, False),  # type: ignore[operator]
        (BESIDE, BESIDE | {"hub": BESIDE["hub"] | {"also": ["config.json"]}}, False),  # type: ignore[operator]
        (FILE | {"wheels": WHEELS}, FILE | {"wheels": WHEELS | {"packages": ["p==2"]}}, False),
        (GGUF, GGUF | {"hub": GGUF["hub"] | {"also": ["tokenizer.json"]}}, True),  # type: ignore[operator]
    ],
)
def test_files_beside_the_hashed_one_are_part_of_the_identity(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], are_same: bool
) -> None:
    found = [member_key(tmp_path, LOCAL | {"weights": weights}) for weights in (one, other)]
    assert (found[0] == found[1]) == are_same


# Weights in a folder of the user's own.


def retrained(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other")


def with_another_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{ }")


def with_a_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("x")


def touched(folder: Path) -> None:
    os.utime(folder / "model.safetensors", (0, 0))


def with_a_note(folder: Path) -> None:
    (folder / "README.md").write_text("A note.")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models/own"
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
        os.utime(folder / name, (1e9, 1e9))
    return folder


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        (retrained, True),
        (with_another_tokenizer, True),
        (with_a_template, True),
        (touched, False),
        (with_a_note, False),
    ],
)
def test_weights_trained_anew_in_place_are_another_model(
    tmp_path: Path, model: Path, change: Callable[[Path], None], is_other: bool
) -> None:
    local = LOCAL | {"weights": {"path": "models/own"}}
    before = member_key(tmp_path, local)
    assert before.weights.startswith("path:models/own@")
    change(model)
    assert (member_key(tmp_path, local) != before) == is_other


def test_a_folder_that_is_gone_keeps_its_identity(tmp_path: Path, model: Path) -> None:
    local = LOCAL | {"weights": {"path": "models/own"}}
    before = member_key(tmp_path, local)
    model.rename(model.with_name("moved"))
    assert member_key(tmp_path, local) == before


def test_former_answers_of_a_folder_count_unless_it_was_written_since(tmp_path: Path, model: Path) -> None:
    store, requests = Store(tmp_path / "store"), questions(3)
    stored(store, dataclasses.replace(SETTINGS, weights="path:models/own"), requests)
    now = dataclasses.replace(
        SETTINGS, weights=member_key(tmp_path, LOCAL | {"weights": {"path": "models/own"}}).weights
    )
    keys = [request.query_key for request in requests]
    assert store.answered(now, keys).all()
    later = (store.folder(now).parent / dataclasses.replace(SETTINGS, weights="path:models/own").key).stat().st_mtime
    os.utime(model / "model.safetensors", (later + 10, later + 10))
    assert not Store(store.root).answered(now, keys).any()
