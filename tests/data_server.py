"""A server that gives files of one repository as the Hugging Face hub and as GitHub do."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPO = "someone/questions"
NEWER = "b" * 40
"""The commit of every branch and tag."""


class Published:
    """A server with files by revision and name, and the statuses with which it refuses; ``asked`` are the paths it got."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        self.refuses: dict[str, tuple[int, str]] = {}
        self.damages: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(published: "Published") -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.reply(with_body=False)

            def do_GET(self) -> None:
                self.reply(with_body=True)

            def reply(self, with_body: bool) -> None:
                published.asked.append(f"{self.command} {self.path}")
                for part, (status, code) in published.refuses.items():
                    if part in self.path:
                        return self.send(status, b"{}", {"X-Error-Code": code}, with_body)
                if self.path.startswith("/api/datasets/"):
                    return self.send(200, json.dumps({"id": REPO, "sha": NEWER}).encode(), {}, with_body)
                if self.path.startswith("/repos/"):
                    return self.send(200, json.dumps({"sha": NEWER}).encode(), {}, with_body)
                rest = self.path.split("/resolve/")[-1] if "/resolve/" in self.path else self.path.split(f"{REPO}/")[-1]
                revision, _, name = rest.partition("/")
                content = published.files.get((revision, name))
                if content is None:
                    return self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
                git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                etag = hashlib.sha256(content).hexdigest() if name in published.large else git
                stated = {"X-Repo-Commit": revision, "ETag": f'"{etag}"', "X-Linked-Size": str(len(content))}
                return self.send(200, published.damages.get(name, content), stated, with_body)

            def send(self, status: int, content: bytes, headers: dict[str, str], with_body: bool) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
