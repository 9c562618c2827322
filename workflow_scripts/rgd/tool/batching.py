"""Routing queries that come one by one: all that wait while the embedder is busy are embedded together."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from rgd.tool.faults import OVERLOADED, Fault
from rgd.tool.routing import Bundle, Decision

MOST_TOGETHER = 64
MOST_WAITING = 2048
"""Queries beyond these are refused: they would wait longer than their callers do."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Routed:
    """A query's vector (1, d), and the decision on it."""

    vector: np.ndarray
    decision: Decision


class Batcher:
    """Routes queries in small batches, in a thread of its own; nobody else uses the bundle's embedder and router.

    Args:
        bundle: the router.
        told: called with the number of queries of each batch.
    """

    def __init__(self, bundle: Bundle, told: Callable[[int], None] = lambda _: None) -> None:
        self.bundle, self.told = bundle, told
        self._thread = ThreadPoolExecutor(1, "router")
        self._blas = ThreadpoolController()
        self._waiting: deque[tuple[str, int, asyncio.Future[Routed]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def route(self, query: str, neighbours: int = 3) -> Routed:
        """The decision on ``query``.

        Raises:
            Fault: too many queries wait.
            UserError: the embedder cannot be loaded.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Fault(OVERLOADED, f"{MOST_WAITING} queries are waiting. Try again later.", retry_after=1)
        future: asyncio.Future[Routed] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, neighbours, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        return await future

    async def run(self, work: Callable[[], Found]) -> Found:
        """What ``work`` returns, in the thread that has the router."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Wait for what is at work."""
        self._thread.shutdown()

    async def _run(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
            batch = [each for each in batch if not each[-1].done()]
            if not batch:
                continue
            self.told(len(batch))
            asked = [(query, most) for query, most, _ in batch]
            work = asyncio.create_task(self.run(partial(self._route, asked)))
            await asyncio.wait([work])
            error = work.exception()
            # A future is done already if its caller has given up.
            for place, (*_, future) in enumerate(batch):
                if future.done():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(work.result()[place])

    def _route(self, asked: list[tuple[str, int]]) -> list[Routed]:
        queries = [query for query, _ in asked]
        vectors = self.bundle.embed(queries)
        # Several threads of BLAS spin around products as small as these, and take the cores from those that read requests.
        with self._blas.limit(limits=1, user_api="blas"):
            decisions = self.bundle.route_vectors(vectors, queries, max(most for _, most in asked))
        return [
            Routed(vectors[row : row + 1], decision.with_nearest(most))
            for row, (decision, (_, most)) in enumerate(zip(decisions, asked, strict=True))
        ]
