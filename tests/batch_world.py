"""A provider that answers in batches, of OpenAI's or of Gemini's kind, and jobs that ask it.

``python -m tests.batch_world KIND STORE ADDRESS FIRST LAST API DIES_AT`` asks for the questions FIRST to LAST - 1 with the
keys of API (JSON); it kills itself at the moment DIES_AT, one of :data:`MOMENTS`, or never.
"""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines import batches as protocol
from rgd.engines.base import Request
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.store import batch_files, batches
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import FillCount, fill
from rgd.store.ledger import Ledger
from tests.faulty_server import Asked, FaultyServer, Play
from tests.store_world import ROOT, WRITING

KINDS = ("openai", "gemini")
MAX_TOKENS = 100
PRICES = {"price_prompt": 100.0, "price_completion": 1000.0}
"""Dollars per million tokens; a batch costs half."""
MOMENTS = (
    "intended",
    "reserved",
    "uploaded",
    "creating",
    "created",
    "submitted",
    "fetched",
    "half stored",
    "stored",
    "settled",
    "again noted",
)


def settings_of(kind: str) -> AnswerSettings:
    return dataclasses.replace(WRITING, weights=f"{kind}:m", sampling=Sampling(0.7, 0.95, MAX_TOKENS, 0))


def questions(last: int, first: int = 0) -> list[Request]:
    return [render("[user]\n{question}\n", f"q{number} " * 10) for number in range(first, last)]


def price(prompt: int, completion: int) -> float:
    return (prompt * PRICES["price_prompt"] + completion * PRICES["price_completion"]) / 2e6


@dataclass
class Batch:
    """A batch at the provider."""

    name: str
    label: str
    file: str
    lines: list[dict[str, Any]]
    state: str = "in_progress"
    looks: int = 0
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)


class Provider:
    """What a provider does with each request to its batch interface.

    Attributes:
        fate: what becomes of a question when it is asked for the n-th time.
        ends: how the n-th batch ends (``completed``, ``failed``, ``expired``, ``cancelled``).
        looks: how often it must be looked at before it ends.
        asked: how often each question was in a batch that was not refused as a whole.
        billed: in US dollars.
        sent: the parameters of each line.
        calls: requests so far.
        script: replies that are played instead of the provider's, by the beginning of METHOD PATH.
    """

    def __init__(
        self,
        kind: str,
        fate: Callable[[str, int], str] = lambda question, time_: "ok",
        ends: Callable[[int], str] = lambda number: "completed",
        looks: int = 2,
    ) -> None:
        self.kind, self.fate, self.ends, self.looks = kind, fate, ends, looks
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.asked: Counter[str] = Counter()
        self.sent: list[dict[str, Any]] = []
        self.billed = 0.0
        self.script: list[tuple[str, Callable[[Asked], Play | None]]] = []
        self.errors: list[dict[str, str]] = []
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Play:
        with self.lock:
            self.calls += 1
            path = urlsplit(asked.path).path.rstrip("/")
            for place, (beginning, reply) in enumerate(self.script):
                if f"{asked.method} {path}".startswith(beginning):
                    self.script.pop(place)
                    play = reply(asked)
                    if play is not None:
                        return play
            return (self._openai if self.kind == "openai" else self._gemini)(asked, asked.method, path)

    def _openai(self, asked: Asked, method: str, path: str) -> Play:
        path = path.removeprefix("/v1")
        if (method, path) == ("POST", "/chat/completions"):
            question = asked.body["messages"][-1]["content"].split()[0]
            return Play(self._reply({"custom_id": ""}, f"to {question}", 30, 5, "stop")["response"]["body"])
        if (method, path) == ("POST", "/files"):
            name = f"file-{len(self.files)}"
            self.files[name] = _part(asked)
            return Play({"id": name, "object": "file", "purpose": "batch"})
        if (method, path) == ("POST", "/batches"):
            body = asked.body
            assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
            return Play(self._openai_view(self._made(body["metadata"]["label"], body["input_file_id"])))
        if (method, path) == ("GET", "/batches"):
            latest = [self._openai_view(batch) for batch in reversed(self.batches.values())]
            return Play({"object": "list", "data": latest, "has_more": False})
        if found := re.fullmatch(r"/batches/(.+)", path):
            if (batch := self.batches.get(found[1])) is None:
                return Play({"error": {"message": "no such batch"}}, 404)
            self._look(batch)
            return Play(self._openai_view(batch))
        if (found := re.fullmatch(r"/files/(.+)/content", path)) and found[1] in self.files:
            return Play(self.files[found[1]])
        return Play({"error": {"message": "not found"}}, 404)

    def _openai_view(self, batch: Batch) -> dict[str, Any]:
        names = {kind: f"out-{batch.name}-{kind}" for kind in batch.outputs}
        return {
            "id": batch.name,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "status": batch.state,
            "created_at": int(time.time()),
            "input_file_id": batch.file,
            "metadata": {"label": batch.label},
            "output_file_id": names.get("output"),
            "error_file_id": names.get("error"),
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "request_counts": {"total": len(batch.lines), "completed": 0, "failed": 0},
        }

    def _gemini(self, asked: Asked, method: str, path: str) -> Play:
        # The client chooses between /v1 and /v1beta.
        path = path.replace("/v1beta/", "/v1/", 1)
        if (method, path) == ("POST", "/upload/v1/files"):
            name = f"files/f{len(self.files)}"
            self.files[name] = b""
            return Play(
                {},
                headers={
                    "X-Goog-Upload-URL": f"http://{asked.headers['host']}/upload/go/{name}",
                    "X-Goog-Upload-Status": "active",
                },
            )
        if found := re.fullmatch(r"/upload/go/(files/.+)", path):
            self.files[found[1]] += asked.content
            is_last = "finalize" in asked.headers["x-goog-upload-command"]
            return Play(
                {"file": {"name": found[1]}}, headers={"X-Goog-Upload-Status": "final" if is_last else "active"}
            )
        if (method, path) == ("POST", "/v1/models/m:batchGenerateContent"):
            body = asked.body["batch"]
            return Play(self._gemini_view(self._made(body["displayName"], body["inputConfig"]["fileName"])))
        if (method, path) == ("GET", "/v1/batches"):
            return Play({"operations": [self._gemini_view(batch) for batch in self.batches.values()]})
        if found := re.fullmatch(r"/v1/(batches/.+)", path):
            if (batch := self.batches.get(found[1])) is None:
                return Play({"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}, 404)
            self._look(batch)
            return Play(self._gemini_view(batch))
        if (found := re.fullmatch(r"/v1/(files/.+):download", path)) and found[1] in self.files:
            return Play(self.files[found[1]])
        return Play({"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}, 404)

    def _gemini_view(self, batch: Batch) -> dict[str, Any]:
        state = {"in_progress": "RUNNING", "completed": "SUCCEEDED"}.get(batch.state, batch.state.upper())
        view: dict[str, Any] = {"displayName": batch.label, "state": f"BATCH_STATE_{state}", "model": "models/m"}
        if batch.outputs:
            view["output"] = {"responsesFile": f"files/out-{batch.name.removeprefix('batches/')}-output"}
        return {"name": batch.name, "metadata": view, "done": batch.state != "in_progress"}

    def _made(self, label: str, file: str) -> Batch:
        name = f"batch_{len(self.batches)}" if self.kind == "openai" else f"batches/b{len(self.batches)}"
        lines = [json.loads(line) for line in self.files[file].splitlines()]
        batch = self.batches[name] = Batch(name, label, file, lines)
        return batch

    def _look(self, batch: Batch) -> None:
        batch.looks += 1
        if batch.looks > self.looks and batch.state == "in_progress":
            self.end(batch, self.ends(list(self.batches).index(batch.name)))

    def end(self, batch: Batch, state: str) -> None:
        """End a batch; one that expires or is cancelled has come to half of its lines."""
        batch.state = state
        if state == "failed":
            batch.errors = self.errors or [{"code": "invalid_json_line", "message": "the file is no good"}]
            return
        done = len(batch.lines) if state == "completed" else len(batch.lines) // 2
        outputs: dict[str, list[Any]] = {"output": [], "error": []}
        for line in batch.lines[:done]:
            self._answer(line, outputs)
        for line in batch.lines[done:]:
            if self.kind == "openai" and state == "expired":
                code = {
                    "code": "batch_expired",
                    "message": "This request could not be executed before the batch expired.",
                }
                outputs["error"].append({"custom_id": line["custom_id"], "response": None, "error": code})
        if self.kind == "gemini":
            outputs = {"output": outputs["output"] + outputs["error"]}
        # In any order.
        batch.outputs = {kind: content[::-1] for kind, content in outputs.items() if content}
        for kind, content in batch.outputs.items():
            texts = [each if isinstance(each, str) else json.dumps(each) for each in content]
            name = (
                f"out-{batch.name}-{kind}"
                if self.kind == "openai"
                else f"files/out-{batch.name.removeprefix('batches/')}-{kind}"
            )
            self.files[name] = "\n".join(texts).encode() + b"\n"

    def _answer(self, line: dict[str, Any], outputs: dict[str, list[Any]]) -> None:
        is_openai = self.kind == "openai"
        body = line["body"] if is_openai else line["request"]
        prompt = body["messages"][-1]["content"] if is_openai else body["contents"][-1]["parts"][0]["text"]
        parameters = body if is_openai else body["generationConfig"]
        self.sent.append(parameters)
        question = prompt.split()[0]
        self.asked[question] += 1
        fate = self.fate(question, self.asked[question])
        refused = fate.removeprefix("refuses ") if fate.startswith("refuses ") else None
        if fate in ("absent", "junk"):
            outputs["output"] += ["}{ no JSON"] if fate == "junk" else []
            return
        if fate in ("500", "429", "blocked", "too long") or refused in parameters:
            status, message = {
                "500": (500, "it broke"),
                "429": (429, "slow down"),
                "blocked": (400, "flagged by our content policy"),
                "too long": (400, "the prompt is too long: maximum context length"),
            }.get(fate, (400, f"Unsupported parameter: {refused}"))
            outputs["error"].append(self._error(line, status, message))
            if fate == "500":
                # The worst case: it was billed all the same.
                self.billed += price(len(prompt), MAX_TOKENS)
            return
        written = 1 + len(prompt) % MAX_TOKENS
        self.billed += price(len(prompt), written)
        outputs["output"].append(
            self._reply(line, f"to {question}", len(prompt), written, "odd" if fate == "odd" else "stop")
        )

    def _error(self, line: dict[str, Any], status: int, message: str) -> dict[str, Any]:
        if self.kind == "openai":
            response = {"status_code": status, "request_id": "r", "body": {"error": {"message": message}}}
            return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}
        return {"key": line["key"], "error": {"code": {500: 13, 429: 8, 400: 3}[status], "message": message}}

    def _reply(self, line: dict[str, Any], text: str, prompt: int, written: int, reason: str) -> dict[str, Any]:
        if self.kind == "openai":
            usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
            body = {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
            return {
                "id": "x",
                "custom_id": line["custom_id"],
                "response": {"status_code": 200, "body": body},
                "error": None,
            }
        counts = {"promptTokenCount": prompt, "candidatesTokenCount": written, "totalTokenCount": prompt + written}
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": reason.upper()}
        return {
            "key": line["key"],
            "response": {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "m"},
        }


def _part(asked: Asked) -> bytes:
    """The file in a multipart form."""
    boundary = b"--" + asked.headers["content-type"].partition("boundary=")[2].encode()
    (part,) = (part for part in asked.content.split(boundary) if b'name="file"' in part)
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def hurry() -> None:
    """Let everything happen at once, and store two answers in a file."""
    batches.SECONDS_BETWEEN_LOOKS = batches.LONGEST_BETWEEN_LOOKS = 0.02
    batches.SECONDS_UNTIL_LISTED = 0.3
    batches.ANSWERS_IN_A_FILE = 2


def ask(
    kind: str,
    store: Path,
    address: str,
    last: int,
    first: int = 0,
    lines: list[str] | None = None,
    more: Callable[[], Sequence[Request]] = tuple,
    **api: Any,
) -> FillCount:
    """Ask the questions ``first`` to ``last`` - 1 by batches."""
    os.environ.setdefault(f"{kind.upper()}_API_KEY", "none")
    settings = settings_of(kind)
    said = {"model": "m", "base_url": address, "timeout_s": 5.0, "attempts": 3, "backoff_s": 0.01, "batch": True}
    account = Ledger(store, settings.weights).account()
    with open_engine(kind, EngineSettings(None, 4096, api={**said, **PRICES, **api}, account=account)) as engine:
        return fill(
            Store(store),
            settings,
            questions(last, first),
            lambda: engine,
            16,
            (lines if lines is not None else []).append,
            more=more,
        )


def texts(store: Path, kind: str, last: int, first: int = 0) -> list[str]:
    return Store(store).read(settings_of(kind), [each.query_key for each in questions(last, first)])["text"].to_pylist()


def job(kind: str, store: Path, server: FaultyServer, first: int, last: int, dies_at: str = "", **api: Any) -> Any:
    """Start a job of its own."""
    command = [
        sys.executable,
        "-m",
        "tests.batch_world",
        kind,
        store,
        server.address,
        first,
        last,
        json.dumps(api),
        dies_at,
    ]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(owner: Any, name: str, is_it: Callable[..., bool] = lambda *_: True) -> None:
    """Die after a call of ``owner.name`` for whose arguments ``is_it`` holds."""
    former = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        found = former(*arguments, **named)
        if is_it(*arguments):
            _die()
        return found

    setattr(owner, name, dying)


def _die_at(moment: str) -> None:
    def writes(state: str) -> None:
        _after(batch_files, "write", lambda _, batch: batch.state == state)

    match moment:
        case "intended" | "creating" | "submitted":
            writes(moment)
        case "again noted":
            writes("collected")
        case "reserved":
            _after(Ledger, "update", lambda _, name, *rest: name.startswith("batch-"))
        case "uploaded":
            _after(protocol.Batches, "upload")
        case "created":
            _after(protocol.Batches, "create")
        case "fetched":
            _after(protocol.Batches, "fetch")
        case "half stored":
            _after(Store, "commit")
        case "stored":
            Ledger.settle = _die  # type: ignore[method-assign]
        case "settled":
            _after(Ledger, "settle")


if __name__ == "__main__":
    which, folder, place, start, end, keys, moment_of_death = sys.argv[1:]
    hurry()
    _die_at(moment_of_death)
    try:
        ask(which, Path(folder), place, int(end), int(start), **json.loads(keys))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
