"""The names under which answers are kept: pinned for ever, since under another name every answer would be paid for again."""

from pathlib import Path
from typing import Any

import pytest

from rgd.config import load, slices
from rgd.config.schema import Model
from rgd.engines.base import Message, Request
from rgd.engines.prompts import render
from rgd.store.answers import AnswerSettings, chunk_key
from tests import ROOT

SCORED = {
    "weights": "0" * 64,
    "way": "likelihood",
    "prompt": "{question}",
    "max_model_len": 128,
    "dtype": "bfloat16",
    "chat": {},
    "sampling": None,
    "answers_epoch": 0,
}
WRITTEN = SCORED | {
    "way": "generate",
    "prompt": "[system]\nAnswer.\n\n[user]\n{question}\n{options}",
    "sampling": {"temperature": 0.7, "top_p": 0.95, "max_tokens": 4096, "seed": 0},
}
SERVED = WRITTEN | {"weights": "openai:gpt-4o@2024-08-06", "dtype": "served", "max_model_len": 131072}
DRAWN = WRITTEN | {
    "weights": "someone/model@v1",
    "prompt": '{"examples":["[user]\\nA task.\\n"],"instruction":"[user]\\nWrite “one” question.\\n"}',
    "sampling": {"temperature": 0.8, "top_p": 0.95, "max_tokens": 512, "seed": 3},
}


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (SCORED, "436967b68ab4c13bd65b"),
        (SCORED | {"weights": "path:models/own", "dtype": "float32"}, "65394ff28608087239e6"),
        (SCORED | {"prompt": "Frage: {question}\nÄ → “é”"}, "b29dc85cdaada2d433fc"),
        (SCORED | {"answers_epoch": 2}, "1f18cda8ef426ae52d03"),
        (WRITTEN, "7b1da8090c4d68e7174a"),
        (WRITTEN | {"chat": {"enable_thinking": False, "b": 1.5}}, "7595da325f92a308891a"),
        (
            WRITTEN | {"sampling": {"temperature": 0.0, "top_p": 1.0, "max_tokens": 16, "seed": 2**31 - 1}},
            "997bd7eecc232f28d529",
        ),
        (SERVED, "6b4459d5597f9e547854"),
        (SERVED | {"weights": "gemini:gemini-2.5-flash", "chat": {"thinking_budget": -1}}, "a5e341c298c56a15adcc"),
        (DRAWN, "861417a8daa724b9c24a"),
    ],
)
def test_the_key_of_settings(content: dict[str, Any], key: str) -> None:
    settings = AnswerSettings.from_mapping(content)
    assert settings.key == key
    assert settings.content() == content


LOCAL = {
    "title": "A",
    "licence": "B",
    "engine": "vllm",
    "weights": {"hub": {"repo": "someone/model", "revision": "v1"}},
    "max_model_len": 2048,
    "threads": 4,
    "gpus": 2,
    "sampling": {"temperature": 1, "top_p": 0.95, "max_tokens": 4096, "seed": 1},
    "asks": {"default": {"way": "generate", "prompt": "ask"}, "scored": {"way": "likelihood", "prompt": "ask"}},
}
FILE = {"hub": {"repo": "someone/model", "revision": "v1", "file": "m.gguf"}, "sha256": "ab" * 32, "bytes": 7}
API = {"model": "m", "base_url": "http://one:8000/v1", "concurrency": 2, "requests_per_minute": 60}
SERVER = LOCAL | {"engine": "openai", "weights": None, "asks": {"default": LOCAL["asks"]["default"]}}  # type: ignore[index]

NEUTRAL_NAMES = ["frequency_penalty", "min_p", "presence_penalty", "repetition_penalty", "top_k"]


@pytest.mark.parametrize(
    ("model", "member", "key"),
    [
        (LOCAL, "local", "d8e4cd6cc20c96c2f4a9"),
        (LOCAL, "local-scored", "672bb58b572e7553bbec"),
        (LOCAL | {"weights": FILE | {"format": "gguf"}}, "local", "e7163535754a621e961d"),
        (
            LOCAL | {"weights": {"path": "models/own"}, "dtype": "float16", "answers_epoch": 1},
            "local",
            "b8035e29e1dc11c4e37a",
        ),
        (LOCAL | {"chat": {"enable_thinking": False}, "sampling": {}}, "local", "ab2497bd0555d7cd4418"),
        (SERVER | {"api": API}, "local", "fab5c5711a48936cf408"),
        (SERVER | {"api": API | {"revision": "7"}}, "local", "f796cb6afc4d956de795"),
        # Sent nothing besides its sampling, as before neutral parameters were sent.
        (SERVER | {"api": API | {"omit": NEUTRAL_NAMES}}, "local", "e9415f2a25a5be4210d8"),
        (
            SERVER | {"api": API | {"omit": [*NEUTRAL_NAMES, "logprobs"], "stream": True}},
            "local",
            "e9415f2a25a5be4210d8",
        ),
        (SERVER | {"api": API | {"omit": [*NEUTRAL_NAMES, "seed"]}}, "local", "a812107baf9297ed9b39"),
        (SERVER | {"api": {"model": "m"}}, "local", "e9415f2a25a5be4210d8"),
        (SERVER | {"api": API | {"base_url": "https://api.openai.com/v1/"}}, "local", "e9415f2a25a5be4210d8"),
        (SERVER | {"api": {"model": "m"}, "engine": "gemini"}, "local", "759d44223e5f998afeed"),
    ],
)
def test_the_key_of_a_member_in_the_configuration(tmp_path: Path, model: dict[str, Any], member: str, key: str) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/ask.txt").write_text("[user]\n{question}\n\n{options}\n")
    config = load(ROOT / "config").model_copy(update={"model": {"local": Model.model_validate(model)}})
    assert AnswerSettings.from_mapping(slices.answering(config, tmp_path, member)).key == key


ASKED = render(WRITTEN["prompt"], "What is 1 + 1?", ["2", "“zwei”"])


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (ASKED, "e119fc1af053c7ff4d8bbe431aa401ec2d312afbcf309092c0ba1338671e2e39"),
        (
            Request(ASKED.messages, ASKED.question, ASKED.options, draw=5),
            "e119fc1af053c7ff4d8bbe431aa401ec2d312afbcf309092c0ba1338671e2e39",
        ),
        (
            render("{question}\nAnswer:", "a {options} b ÄÖ"),
            "06c06cab84d30ac6f75ce6f0afd1d8d8c91a0f1e872fe8891f43e45ba78f4af3",
        ),
        (
            Request((Message("user", "x"), Message("assistant", "y"), Message("user", "z"))),
            "0d95cb3e913a7b04090c7243acb574f6ed6be433ca3532a1cf8d35611780f25c",
        ),
    ],
)
def test_the_key_of_a_query(request_: Request, key: str) -> None:
    assert request_.query_key == key


def test_the_name_of_a_chunk() -> None:
    plain = render("{question}", "a")
    assert (
        chunk_key([ASKED, Request(ASKED.messages, ASKED.question, ASKED.options, draw=5), plain])
        == "57d610efe8cf9f51b2ea"
    )
    assert chunk_key([plain, ASKED]) == "eec2c4d57a6ba231a303"
