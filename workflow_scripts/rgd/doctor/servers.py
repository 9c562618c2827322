"""Checks of the servers that the experiment asks: whether they answer, take the key and have the model."""

import http.client
import importlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rgd.artifacts import address
from rgd.config.hints import nearest
from rgd.config.schema import Embedder, Model
from rgd.doctor.findings import FIX, NOTE, OK, Finding
from rgd.doctor.machine import files_of
from rgd.doctor.supplies import key_variable_of
from rgd.errors import UserError

OPENAI = "https://api.openai.com/v1"
MOST_BYTES = 2**24
SECONDS = 5.0
"""How long to wait for a server."""


class Reply(NamedTuple):
    """What a server says when it is asked for its models: the HTTP status, and their names if it lists them."""

    status: int
    models: tuple[str, ...] = ()


Probe = Callable[[str, Mapping[str, str]], Reply]
"""Asks an address for the models there, with headers. Raises ``OSError`` if nothing answers."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key is sent to no other address than the one in the configuration."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def ask_server(base_url: str, headers: Mapping[str, str]) -> Reply:
    """See :data:`Probe`."""
    request = urllib.request.Request(f"{base_url.rstrip('/')}/models", headers=dict(headers))
    try:
        with _OPENER.open(request, timeout=SECONDS) as reply:
            listed = json.loads(reply.read(MOST_BYTES))
            return Reply(reply.status, tuple(str(each["id"]) for each in listed["data"]))
    except urllib.error.HTTPError as error:
        return Reply(error.code)
    except http.client.HTTPException as error:
        raise OSError(f"it speaks no HTTP: {type(error).__name__}") from error
    except (ValueError, KeyError, TypeError):
        return Reply(200)


def servers(needed: Mapping[str, Model], vectors: Mapping[str, Embedder], ask: Probe | None) -> Iterator[Finding]:
    """Whether each OpenAI-compatible server answers; each address is asked once. Other engines' are not asked.

    Args:
        needed: the experiment's models.
        vectors: its embedders.
        ask: asks a server; None: no server is asked.
    """
    if ask is None:
        return
    replies: dict[tuple[str, str], Reply | OSError] = {}
    for file, spec in [*files_of(needed, "model"), *files_of(vectors, "embedder")]:
        if spec.api is None or spec.engine != "openai":
            continue
        given = spec.api.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI
        try:
            where = address.split(given, "api.base_url" if spec.api.base_url else "OPENAI_BASE_URL")
        except UserError as error:
            yield Finding(FIX, "server", f"{file}: {error}")
            continue
        variable = spec.api.key_variable or key_variable_of(importlib.import_module("rgd.engines.openai"))
        key = os.environ.get(variable, "").strip()
        at = (where.shown, variable)
        if at not in replies:
            try:
                replies[at] = ask(where.shown, {**({"Authorization": f"Bearer {key}"} if key else {}), **where.headers})
            except OSError as error:
                replies[at] = error
        yield _judged(file, spec.api.model, where.shown, variable, replies[at])


def _judged(file: str, model: str, shown: str, variable: str, reply: Reply | OSError) -> Finding:
    """What a server's reply means for a model."""
    fix = f"start the server, or correct api.base_url in config/{file}.yaml"
    if isinstance(reply, OSError):
        return Finding(FIX, "server", f"{file}: {shown} does not answer ({getattr(reply, 'reason', reply)})", fix)
    if reply.status in (401, 403):
        return Finding(
            FIX, "server", f"{file}: {shown} refuses the key in {variable} ({reply.status})", f"set {variable}"
        )
    if reply.status >= 500:
        return Finding(
            FIX, "server", f"{file}: {shown} answers with the error {reply.status}", "look at the server's log"
        )
    if reply.models and model not in reply.models:
        hint = nearest(model, reply.models)
        return Finding(
            NOTE, "server", f"{file}: {shown} does not list {model}. {hint}", f"correct api.model in config/{file}.yaml"
        )
    if reply.status == 404:
        return Finding(
            NOTE, "server", f"{file}: {shown} answers, but lists no models there", "api.base_url usually ends in /v1"
        )
    return Finding(OK, "server", f"{file}: {shown} answers")
