"""A bundle as a routing plugin of LiteLLM: its Router and its proxy send each request to the member that the bundle ranks first.

LiteLLM (1.94 and later) runs a plugin before it picks a deployment. This one leaves the model that the bundle ranks first. A model
that has failed rests for a while, so that LiteLLM's own retries go on to the next one. Keys, streaming, spend and
metrics stay LiteLLM's. This module imports neither LiteLLM nor the router until it is used.
"""

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.tool.batching import Batcher

SIGNAL = "rgd"
"""The name of the decision among the signals, which LiteLLM logs with the request."""


class RouterPlugin:
    """Narrows the models of a LiteLLM model group to the one that a bundle ranks first.

    Args:
        bundle: a folder that ``rgd export`` or the workflow wrote, to route in this process.
        server: instead, the address of ``rgd serve``, such as http://127.0.0.1:8040, so that LiteLLM's environment needs no torch.
        token: the environment variable with the key that the server wants, if it wants one.
        models: by member, the ``litellm_params.model`` of its deployments; by default the models whose last part is the
            member's name.
        timeout_s: seconds to wait for the server.
        rest_s: seconds for which a model that has failed comes after all others.
        **options: cache, threads, use_hub and places of :func:`rgd.tool.load`.

    Raises:
        UserError: neither or both of ``bundle`` and ``server`` are given, the variable is not set, or the bundle cannot be used.
    """

    def __init__(
        self,
        bundle: str | Path | None = None,
        *,
        server: str | None = None,
        token: str | None = None,
        models: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        rest_s: float = 30.0,
        **options: Any,
    ) -> None:
        if (bundle is None) == (server is None):
            raise UserError("RouterPlugin: give a bundle, or the address of a server.")
        if server is not None and not server.startswith(("http://", "https://")):
            raise UserError(f"RouterPlugin: server = {server!r}. Give an address such as http://127.0.0.1:8040.")
        self.server, self.models, self.timeout_s, self.rest_s = server, dict(models or {}), timeout_s, rest_s
        self.headers = {"Content-Type": "application/json"}
        if token is not None:
            if not os.environ.get(token):
                raise UserError(f"RouterPlugin: the environment variable {token} is not set.")
            self.headers["Authorization"] = f"Bearer {os.environ[token]}"
        self._rests: dict[str, float] = {}
        self.batcher = None if bundle is None else _batcher(bundle, options)

    async def run(self, context: Any) -> Any:
        """Narrow ``context.candidate_models``; a context without a text of the user, or without a known model, stays as it is.

        Args:
            context: ``litellm.types.router.RoutingContext``.
        """
        query = _query(context.structured_messages)
        models = list(context.candidate_models)
        if not query.strip() or not models:
            return context
        ranking = await (self._decided(query) if self.batcher is not None else asyncio.to_thread(self._asked, query))
        ranked = [model for member in ranking for model in self._deployed(member, models)]
        now, failed = time.monotonic(), _failed(context.metadata)
        self._rests |= dict.fromkeys(failed, now + self.rest_s)
        order = sorted(ranked, key=lambda model: (model in failed, self._rests.get(model, 0.0) > now))
        if order:
            context.candidate_models = order[:1]
            context.signals[SIGNAL] = {"model": order[0], "ranking": ranking}
        return context

    async def _decided(self, query: str) -> list[str]:
        assert self.batcher is not None
        routed = await self.batcher.route(query, 0)
        return [ranked.member for ranked in routed.decision.ranking]

    def _asked(self, query: str) -> list[str]:
        request = urllib.request.Request(
            f"{self.server}/v1/decision",
            json.dumps({"query": query, "neighbours": 0}).encode(),
            self.headers,
        )
        # The address is the operator's own, and is http or https.
        with urllib.request.urlopen(request, timeout=self.timeout_s) as reply:
            return [ranked["member"] for ranked in json.loads(reply.read())["ranking"]]

    def _deployed(self, member: str, models: Sequence[str]) -> list[str]:
        named = self.models.get(member)
        return [model for model in models if model == named or (named is None and model.rpartition("/")[2] == member)]


def _batcher(bundle: str | Path, options: Mapping[str, Any]) -> "Batcher":
    from rgd.tool import load
    from rgd.tool.batching import Batcher

    return Batcher(load(bundle, **options))


def _query(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the user's last message."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
            return "\n".join(
                part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
    return ""


def _failed(metadata: Mapping[str, Any]) -> set[str]:
    """The models of the attempts of this request that failed."""
    attempts = metadata.get("previous_models")
    records = attempts if isinstance(attempts, list | tuple) else ()
    return {str(record["model"]) for record in records if isinstance(record, Mapping) and record.get("model")}
