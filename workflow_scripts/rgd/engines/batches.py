"""The batch interfaces of OpenAI's and Gemini's servers: a file of requests is handed in and answered within a day.

Only the protocol is here: handing a batch in, finding it, looking at it, and fetching what came of its lines. Which
requests are handed in, and what becomes of their answers, is decided in :mod:`rgd.store.batches`.
"""

import abc
import asyncio
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from rgd.engines import gemini, replies
from rgd.engines.base import Request, Sampling
from rgd.engines.gemini import GeminiEngine
from rgd.engines.openai import OpenAiEngine
from rgd.engines.refusals import Refusal
from rgd.engines.remote import LONGEST_BACKOFF_S, LONGEST_WAIT_S, Blocked, RemoteEngine, Reply, TryAgain
from rgd.errors import UserError

LABEL = "label"
"""The key in OpenAI's metadata under which a batch has its label."""
# Files are sent and fetched at no less than this, beyond api.timeout_s.
_BYTES_PER_SECOND = 100_000
_LONGEST_DOWNLOAD_S = 4 * 3600.0
# The clocks of the server and of this machine differ by less.
_CLOCKS_DIFFER_S = 86_400.0
# Parts of the codes by which a server says that other batches fill its queue.
_FULL = ("limit_exceeded", "enqueued", "quota_exceeded")
# A line's code if its batch ended before the line was asked.
_NOT_ASKED = ("batch_expired", "batch_cancelled")
# The HTTP status for a code of google.rpc.Status; a batch's output has the codes.
_HTTP_STATUS = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)

Found = TypeVar("Found")
Outcome = Reply | TryAgain | Blocked | UserError
"""What came of a line: a reply whose value is an :class:`rgd.engines.base.Answer`, or why there is none."""


class Unsure(Exception):
    """Nobody knows whether the server has created the batch."""


class Busy(UserError):
    """The server takes no batch at the moment."""


class Unreachable(UserError):
    """The server does not answer, or only with passing errors."""


class Gone(UserError):
    """The server does not know the batch, or no longer has its output."""


@dataclass(frozen=True)
class Look:
    """A batch as its server reports it.

    Attributes:
        state: the server's word for it.
        done: lines that have ended; None if the server does not say.
        has_ended: it will not change any more.
        outputs: the files that hold what came of its lines.
        reason: why it failed as a whole; empty if it did not, or if the server gives no reason.
        is_refused: the server took none of its lines, so nothing is billed.
        is_queue_full: it was refused because other batches fill the queue.
        is_cancelled: somebody has cancelled it.
        is_absence_billed: a line that is in no output may have been billed all the same.
    """

    state: str
    done: int | None
    has_ended: bool
    outputs: tuple[str, ...] = ()
    reason: str = ""
    is_refused: bool = False
    is_queue_full: bool = False
    is_cancelled: bool = False
    is_absence_billed: bool = True


class Batches(abc.ABC):
    """The batch interface of an engine's server."""

    engine: RemoteEngine

    @abc.abstractmethod
    def line(self, name: str, request: Request, sampling: Sampling) -> bytes:
        """The line of a batch's file that asks ``request`` under ``name``.

        Raises:
            UserError: the prompt does not suit the server.
        """

    @abc.abstractmethod
    def sent(self, request: Request, sampling: Sampling) -> list[str]:
        """The parameters that a line now has and could do without."""

    def upload(self, label: str, content: bytes) -> str:
        """Upload a batch's file; returns the server's name for it.

        Raises:
            Unreachable: the server does not answer.
            UserError: it refuses the file.
        """
        return self._repeated(lambda: self._upload(label, content), len(content) / _BYTES_PER_SECOND)

    def create(self, label: str, file: str) -> str:
        """Create the batch of an uploaded file; returns its id. What may have arrived is not sent again.

        Raises:
            Unsure: the server may have created it; :meth:`find` tells later.
            Busy: the server takes no batch at the moment.
            UserError: the server refuses it.
        """
        for number in range(1, self.engine.api.attempts + 1):
            try:
                return self._once(lambda: self._create(label, file))
            except TimeoutError:
                raise Unsure(f"no answer within api.timeout_s = {self.engine.api.timeout_s:g}") from None
            except TryAgain as error:
                if error.perhaps_billed:
                    raise Unsure(str(error)) from None
                failure = error
            if not self._pause(number, failure):
                break
        raise Busy(f"{self.engine.address} takes no batch at the moment: {failure}")

    def find(self, label: str, file: str, since: float) -> str | None:
        """The id of the batch with this label or file; None if the server lists none.

        Args:
            label: the batch's label.
            file: the server's name of its file.
            since: seconds since the epoch, when the batch cannot have existed yet.

        Raises:
            Unreachable: the server does not answer.
            UserError: it refuses the request.
        """
        return self._repeated(lambda: self._find(label, file, since - _CLOCKS_DIFFER_S), self.engine.api.timeout_s)

    def look(self, batch: str) -> Look:
        """How far the batch is.

        Raises:
            Gone: the server does not know it.
            Unreachable: the server does not answer.
            UserError: it refuses the request.
        """
        return self._repeated(lambda: self._look(batch))

    def fetch(self, look: Look, sent: Sequence[str]) -> dict[str, Outcome]:
        """What came of each line of an ended batch, by the line's name. A line that is in no output has no entry.

        Args:
            look: the batch.
            sent: what :meth:`sent` gave when the batch was handed in.

        Raises:
            Gone: the server no longer has an output.
            Unreachable: the server does not answer.
            UserError: it refuses the request.
        """
        found: dict[str, Outcome] = {}
        for output in look.outputs:
            with tempfile.TemporaryFile() as file:
                self._repeated(lambda at=output, to=file: self._download(at, to), _LONGEST_DOWNLOAD_S)  # type: ignore[misc]
                file.seek(0)
                for name, outcome in self.read(file, sent):
                    # An answer counts, whatever else is said of its line.
                    if name not in found or (isinstance(outcome, Reply) and not isinstance(found[name], Reply)):
                        found[name] = outcome
        return found

    def read(self, lines: Iterable[bytes], sent: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
        """Name and outcome of each line of an output; what does not say whose line it is, is skipped."""
        for content in lines:
            try:
                line = replies.parsed(content)
            except replies.Unreadable:
                continue
            name = self._name(line) if isinstance(line, dict) else None
            if isinstance(name, str):
                try:
                    yield name, self._read(line, sent)
                except (TryAgain, Blocked, UserError) as error:
                    yield name, error

    def _read(self, line: Mapping[str, Any], sent: Sequence[str]) -> Reply:
        try:
            return self._reply(line, sent)
        except (TryAgain, Blocked, UserError):
            raise
        except Exception as error:
            reason = f"the line cannot be read ({type(error).__name__}: {self.engine.quoted(str(error))})"
            raise TryAgain(reason, of_reply=True) from error

    @abc.abstractmethod
    async def _upload(self, label: str, content: bytes) -> str: ...

    @abc.abstractmethod
    async def _create(self, label: str, file: str) -> str: ...

    @abc.abstractmethod
    async def _find(self, label: str, file: str, since: float) -> str | None: ...

    @abc.abstractmethod
    async def _look(self, batch: str) -> Look: ...

    @abc.abstractmethod
    async def _download(self, output: str, file: IO[bytes]) -> None: ...

    @abc.abstractmethod
    def _name(self, line: Mapping[str, Any]) -> Any: ...

    @abc.abstractmethod
    def _reply(self, line: Mapping[str, Any], sent: Sequence[str]) -> Reply: ...

    def _once(self, call: Callable[[], Awaitable[Found]], more_seconds: float = 0.0) -> Found:
        async def within() -> Found:
            async with asyncio.timeout(self.engine.api.timeout_s + more_seconds):
                return await self.engine.safely(call())

        return self.engine.runner.run(within())

    def _repeated(self, call: Callable[[], Awaitable[Found]], more_seconds: float = 0.0) -> Found:
        """The result of a call that may be repeated, up to api.attempts times while its failures are passing ones."""
        for number in range(1, self.engine.api.attempts + 1):
            try:
                return self._once(call, more_seconds)
            except TimeoutError:
                failure = TryAgain(f"no answer within {self.engine.api.timeout_s + more_seconds:.0f} s")
            except TryAgain as error:
                failure = error
            if not self._pause(number, failure):
                break
        raise Unreachable(
            f"the batch interface of {self.engine.address} failed; the last error: {failure}. Run the same command again to "
            "resume once the server is available."
        )

    def _pause(self, number: int, failure: TryAgain) -> bool:
        """Wait after the failed attempt ``number``; False if there shall be no other."""
        api, asked = self.engine.api, failure.wait_s
        if number == api.attempts or (asked is not None and asked > LONGEST_WAIT_S):
            return False
        time.sleep(min(api.backoff_s * 2 ** (number - 1), LONGEST_BACKOFF_S) if asked is None else asked)
        return True

    def _gone(self, what: str) -> Gone:
        return Gone(f"{self.engine.address} {what}.")


class OpenAiBatches(Batches):
    """/v1/files and /v1/batches with lines of /v1/chat/completions."""

    def __init__(self, engine: OpenAiEngine) -> None:
        self.engine: OpenAiEngine = engine

    def line(self, name: str, request: Request, sampling: Sampling) -> bytes:
        """See :meth:`Batches.line`."""
        body = self.engine.body(request, self.engine.parameters(request, sampling))
        return _line({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body})

    def sent(self, request: Request, sampling: Sampling) -> list[str]:
        """See :meth:`Batches.sent`."""
        return list(self.engine.parameters(request, sampling))

    async def _upload(self, label: str, content: bytes) -> str:
        with self.engine.errors(), self._unknown("has no batch interface (/files): set api.batch: false"):
            made = await self.engine.client.files.create(file=(f"{label}.jsonl", content), purpose="batch")
        return _named(made.id)

    async def _create(self, label: str, file: str) -> str:
        with self.engine.errors(), self._unknown("has no batch interface (/batches): set api.batch: false"):
            made = await self.engine.client.batches.create(
                input_file_id=file,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={LABEL: label},
            )
        return _named(made.id)

    async def _find(self, label: str, file: str, since: float) -> str | None:
        with self.engine.errors():
            # The latest come first.
            async for batch in self.engine.client.batches.list(limit=100):
                if file == batch.input_file_id or gemini.mapping(batch.metadata).get(LABEL) == label:
                    return _named(batch.id)
                if isinstance(batch.created_at, int | float) and batch.created_at < since:
                    break
        return None

    async def _look(self, batch: str) -> Look:
        with self.engine.errors(), self._unknown(f"does not know the batch {batch}"):
            asked: Any = self.engine.client.batches.with_streaming_response.retrieve
            async with asked(batch) as response:
                found = replies.parsed(await response.read())
        if not isinstance(found, dict) or not isinstance(found.get("status"), str):
            raise TryAgain("the reply is no batch")
        state, errors = found["status"], gemini.mapping(found.get("errors")).get("data")
        outputs = [found.get("output_file_id"), found.get("error_file_id")]
        faults = [gemini.mapping(fault) for fault in errors] if isinstance(errors, list) else []
        said = "; ".join(str(fault.get("message") or fault.get("code")) for fault in faults[:3])
        codes = " ".join(str(fault.get("code")) for fault in faults)
        return Look(
            state,
            replies.count(gemini.mapping(found.get("request_counts")).get("completed")),
            state in ("completed", "failed", "expired", "cancelled"),
            tuple(output for output in outputs if isinstance(output, str) and output),
            self.engine.quoted(said),
            is_refused=state == "failed",
            is_queue_full=state == "failed" and any(word in codes for word in _FULL),
            is_cancelled=state == "cancelled",
            # Of a batch that ended early, only what is in the output is billed.
            is_absence_billed=state == "completed",
        )

    async def _download(self, output: str, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        with self.engine.errors(), self._unknown(f"no longer has the file {output}"):
            async with self.engine.client.files.with_streaming_response.content(output) as response:
                async for piece in response.iter_bytes():
                    file.write(piece)

    def _name(self, line: Mapping[str, Any]) -> Any:
        return line.get("custom_id")

    def _reply(self, line: Mapping[str, Any], sent: Sequence[str]) -> Reply:
        response, error = line.get("response"), line.get("error")
        with self.engine.errors(sent):
            if not isinstance(response, dict):
                if gemini.mapping(error).get("code") in _NOT_ASKED:
                    raise TryAgain("the batch ended before the request was asked", perhaps_billed=False)
                if error:
                    raise replies.ErrorReply({"error": error})
                raise replies.Unreadable("the line has neither a response nor an error")
            status = replies.count(response.get("status_code"))
            if status is not None and status >= 400:
                raise self.engine.refused(Refusal.read(status, response.get("body")), None, sent)
            return self.engine.answered(replies.read_chat(response.get("body")))

    @contextlib.contextmanager
    def _unknown(self, what: str) -> Iterator[None]:
        import openai

        try:
            yield
        except openai.NotFoundError:
            raise self._gone(what) from None


class GeminiBatches(Batches):
    """Gemini's uploaded files and batches with lines of generateContent."""

    _ENDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")

    def __init__(self, engine: GeminiEngine) -> None:
        self.engine: GeminiEngine = engine

    def line(self, name: str, request: Request, sampling: Sampling) -> bytes:
        """See :meth:`Batches.line`."""
        body = self.engine.body(request, self.engine.parameters(request, sampling))
        return _line({"key": name, "request": body})

    def sent(self, request: Request, sampling: Sampling) -> list[str]:
        """See :meth:`Batches.sent`."""
        return self.engine.droppable(self.engine.parameters(request, sampling))

    async def _upload(self, label: str, content: bytes) -> str:
        with self.engine.errors():
            made = await self.engine.client.aio.files.upload(
                file=io.BytesIO(content), config={"display_name": label, "mime_type": "application/jsonl"}
            )
        return _named(made.name)

    async def _create(self, label: str, file: str) -> str:
        with self.engine.errors():
            made = await self.engine.client.aio.batches.create(
                model=self.engine.api.model, src=file, config={"display_name": label}
            )
        return _named(made.name)

    async def _find(self, label: str, file: str, since: float) -> str | None:
        with self.engine.errors():
            async for batch in await self.engine.client.aio.batches.list(config={"page_size": 100}):
                if batch.display_name == label:
                    return _named(batch.name)
        return None

    async def _look(self, batch: str) -> Look:
        with self.engine.errors(), self._unknown(f"does not know the batch {batch}"):
            found = await self.engine.client.aio.batches.get(name=batch)
        state = str(getattr(found.state, "value", found.state)).removeprefix("JOB_STATE_")
        output = None if found.dest is None else found.dest.file_name
        return Look(
            state.lower(),
            None,
            state in self._ENDED,
            () if output is None else (output,),
            is_refused=state == "FAILED" and output is None,
            is_cancelled=state == "CANCELLED",
        )

    async def _download(self, output: str, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        with self.engine.errors(), self._unknown(f"no longer has the file {output}"):
            asked: Any = self.engine.client.aio.files.download
            await asked(file=output, destination=file)

    def _name(self, line: Mapping[str, Any]) -> Any:
        return line.get("key") or gemini.mapping(line.get("metadata")).get("key")

    def _reply(self, line: Mapping[str, Any], sent: Sequence[str]) -> Reply:
        response, error = line.get("response"), line.get("error") or line.get("status")
        with self.engine.errors(sent):
            if response is None and error:
                code = replies.count(gemini.mapping(error).get("code"))
                status = 500 if code is None else _HTTP_STATUS[code] if code < len(_HTTP_STATUS) else code
                raise self.engine.refusal(Refusal.read(status, {"error": error}), None, sent)
            return self.engine.answered(gemini.read(response))

    @contextlib.contextmanager
    def _unknown(self, what: str) -> Iterator[None]:
        from google.genai import errors

        try:
            yield
        except errors.ClientError as error:
            if error.code == 404:
                raise self._gone(what) from None
            raise


def batches_of(engine: RemoteEngine) -> Batches:
    """The batch interface of ``engine``.

    Raises:
        UserError: it has none.
    """
    if isinstance(engine, OpenAiEngine):
        return OpenAiBatches(engine)
    if isinstance(engine, GeminiEngine):
        return GeminiBatches(engine)
    raise UserError(f"the engine {engine.kind} has no batch interface: set api.batch: false.")


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _named(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TryAgain("the reply names neither file nor batch")
    return value
