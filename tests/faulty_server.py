"""A web server that plays scripted replies, faults among them, and keeps what it was asked."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST_HOLD_S = 30.0


@dataclass(frozen=True)
class Play:
    """One reply.

    Attributes:
        body: sent as JSON, or as it is if it is text or bytes; a function makes the pieces of a stream, each sent as it comes,
            and its generator is closed when the client goes away.
        delay_s: before anything is sent.
        hold: nothing is sent before this is true, or :data:`LONGEST_HOLD_S` have passed.
        cut: how many bytes are missing at the end, though the header announces them.
        drop: the connection is closed without a reply.
    """

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hold: Callable[[], bool] = lambda: True
    cut: int = 0
    drop: bool = False


@dataclass(frozen=True)
class Asked:
    """What a request was; ``body`` is its JSON, ``content`` its bytes."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    method: str = "POST"
    content: bytes = b""


class FaultyServer:
    """Plays ``script`` in the order of requests, then what ``usual`` makes of each request.

    Attributes:
        asked: the requests so far.
        most_at_once: how many of them were under way at a time.
        dies_after: how many it answers; with the next request it is gone, and so is its port.
    """

    def __init__(
        self,
        usual: Callable[[Asked], Play],
        script: list[Play] | None = None,
        *,
        port: int = 0,
        dies_after: int | None = None,
    ) -> None:
        self.usual, self.script, self.dies_after = usual, list(script or []), dies_after
        self.asked: list[Asked] = []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                server._answer(self)

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that gave up waiting is part of the play."""

        self._http = Quiet(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultyServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body: dict[str, Any] = {}
        # An uploaded file may be anything.
        with contextlib.suppress(ValueError):
            body = json.loads(content)
        asked = Asked(handler.path, headers, body, time.monotonic(), handler.command, content)
        with self._lock:
            dead = self.dies_after is not None and len(self.asked) >= self.dies_after
            if not dead:
                self.asked.append(asked)
                self._now += 1
        if dead:
            handler.close_connection = True
            handler.connection.close()
            self._http.shutdown()
            self._http.server_close()
            return
        with self._lock:
            self.most_at_once = max(self.most_at_once, self._now)
            play = self.script.pop(0) if self.script else self.usual(asked)
        time.sleep(play.delay_s)
        deadline = time.monotonic() + LONGEST_HOLD_S
        while not play.hold() and time.monotonic() < deadline:
            time.sleep(0.002)
        # Before the reply is on its way, or the next request may come first.
        with self._lock:
            self._now -= 1
        if play.drop:
            handler.close_connection = True
            handler.connection.close()
            return
        if callable(play.body):
            handler.send_response(play.status)
            for name, value in ({"Content-Type": "text/event-stream", "Connection": "close"} | play.headers).items():
                handler.send_header(name, value)
            handler.end_headers()
            with contextlib.closing(play.body()) as pieces:
                for piece in pieces:
                    handler.wfile.write(piece)
            return
        data = play.body if isinstance(play.body, bytes) else _text(play.body).encode()
        is_json = not isinstance(play.body, str | bytes) or data.startswith((b"{", b"["))
        kind = "application/json" if is_json else "text/html"
        handler.send_response(play.status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(data))} | play.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[: len(data) - play.cut])
        if play.cut:
            handler.close_connection = True


def _text(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)
