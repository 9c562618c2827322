"""How fast ``rgd serve`` decides: client and server on the same machine, beside the embedder alone.

    python -m tests.benchmarks.serving --bundle results/bundles/D/S/P/R [--requests 100000] [--litellm .venv-litellm/bin/litellm]

The embedder alone: one query after the other (its own latency), and batches of 64 (its own rate). Then ``/v1/decision`` at half
the rate of each with evenly spaced requests, and with as many at once as it takes; and how the server's memory grows. Processor
time is given beside the rates, since that of a query hardly depends on what else runs on the machine. With ``--litellm`` the same
requests go to LiteLLM's proxy with its own simple router (simple-shuffle) and deployments that reply at once without a server.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rgd.cli.tool import PATIENT
from rgd.tool import load

TOGETHER = 64
SECONDS = 12.0
# LiteLLM refuses shorter keys.
KEY = "sk-" + "0123456789abcdef" * 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=5_000, help="requests for the memory's growth")
    parser.add_argument("--litellm", type=Path, help="LiteLLM's command (make test-litellm installs it)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    # As in the server.
    os.environ.update(PATIENT)
    queries = _queries(options.bundle)
    alone, rate, cost = _embedder(options.bundle, queries, options.threads)
    print(
        f"embedder alone: {_times(alone)} a query, {rate:.0f} queries/s in batches of {TOGETHER}, {1000 * cost:.1f} ms of a "
        "processor a query"
    )
    command = [sys.executable, "-m", "rgd.cli", "serve", "--bundle", str(options.bundle), "--port", "0"]
    with subprocess.Popen(
        [*command, "--threads", str(options.threads), "--offline"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().partition("/v1")[0].rpartition(":")[2])
            asyncio.run(_measure(Target(port), server.pid, queries, alone, rate, options.requests))
        finally:
            server.terminate()
    if options.litellm is not None:
        members = [each["key"] for each in load(options.bundle).content.members]
        with (
            tempfile.TemporaryDirectory() as folder,
            _litellm(options.litellm, Path(folder), members) as (port, process),
        ):
            target = Target(port, "/v1/chat/completions", "LiteLLM's simple router", f"Authorization: Bearer {KEY}\r\n")
            asyncio.run(_measure(target, process, queries, alone, rate, 0))


@dataclass(frozen=True)
class Target:
    """What is asked: a path of a server on this machine."""

    port: int
    path: str = "/v1/decision"
    title: str = "/v1/decision"
    headers: str = ""

    def request(self, query: str) -> bytes:
        """The bytes of a request."""
        chat = {"model": "router", "messages": [{"role": "user", "content": query}]}
        body = json.dumps({"query": query} if self.path == "/v1/decision" else chat).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{self.headers}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextlib.contextmanager
def _litellm(command: Path, folder: Path, members: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The port and the process of LiteLLM's proxy with a deployment of each member that replies at once."""
    deployments = [
        {
            "model_name": "router",
            "litellm_params": {"model": f"openai/{member}", "api_key": "none", "mock_response": "hello"},
        }
        for member in members
    ]
    settings = {"model_list": deployments, "router_settings": {"routing_strategy": "simple-shuffle"}}
    (folder / "config.yaml").write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    started = [str(command), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(started, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.2)
            yield port, process.pid
        finally:
            process.terminate()


def _queries(bundle: Path) -> list[str]:
    """The training queries of the bundle, which have the lengths of real ones.

    They are shuffled, so that however many are asked, they are about as long.
    """
    queries = load(bundle).content.training["question"].to_pylist()
    return [queries[place] for place in np.random.default_rng(0).permutation(len(queries))]


def _embedder(bundle: Path, queries: Sequence[str], threads: int) -> tuple[np.ndarray, float, float]:
    """Seconds of single queries, queries per second of batches, and seconds of a processor for each of these."""
    with load(bundle, threads=threads, use_hub=False) as loaded:
        loaded.embed(queries[:TOGETHER])
        single = []
        for query in queries[:300]:
            start = time.perf_counter()
            loaded.embed([query])
            single.append(time.perf_counter() - start)
        start, begun, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < SECONDS / 2:
            place = done % (len(queries) - TOGETHER)
            loaded.embed(queries[place : place + TOGETHER])
            done += TOGETHER
        return np.array(single), done / (time.perf_counter() - start), (time.process_time() - begun) / done


async def _measure(
    target: Target, server: int, queries: Sequence[str], alone: np.ndarray, rate: float, requests: int
) -> None:
    connections = [Connection(target.port) for _ in range(2 * TOGETHER)]
    await connections[0].ask(target.request(queries[0]))
    requests_of = [target.request(query) for query in queries]
    for name, half in (("one query at a time", 1 / (2 * alone.mean())), ("batches", rate / 2)):
        found = await _paced(connections, requests_of, half)
        ratio = np.quantile(found, 0.99) / np.quantile(alone, 0.99)
        print(
            f"{target.title} at half the embedder's rate of {name} ({half:.0f}/s): {_times(found)}; p99 is {ratio:.1f} times the "
            "embedder's own"
        )
    count = max(2 * len(connections), int(rate * SECONDS))
    begun = _processor(server), time.process_time()
    reached = await _saturated(connections, requests_of, count)
    spent = [(now - then) / count for now, then in zip((_processor(server), time.process_time()), begun, strict=True)]
    print(
        f"{target.title}, {len(connections)} at once: {reached:.0f} queries/s, {reached / rate:.2f} of the embedder's; "
        f"{1000 * spent[0]:.1f} ms of a processor a query in the server, {1000 * spent[1]:.1f} in the client"
    )
    if requests:
        # The first requests grow the memory: larger batches need larger buffers.
        used = [_memory(server)]
        for _ in range(4):
            await _saturated(connections, requests_of, requests // 4)
            used.append(_memory(server))
        print(
            f"memory of the server after each quarter of {requests:,} requests: {', '.join(f'{mb:.0f}' for mb in used)} MB"
        )
    if resets := sum(connection.resets for connection in connections):
        print(f"{target.title}: {resets} connections were reset by the server; their requests were sent again")
    for connection in connections:
        connection.close()


class Connection:
    """A connection to a server on this machine, made when it is needed and anew if the server has closed it.

    A server that is given too much may reset a connection; the request is sent again and counted in ``resets``.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.resets = 0
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> None:
        """Send a request and read its reply; a server that resets 20 connections in a row ends it with an error."""
        for _ in range(20):
            try:
                return await self._ask(request)
            except (ConnectionError, asyncio.IncompleteReadError) as problem:
                self.resets, self.streams, error = self.resets + 1, None, problem
                await asyncio.sleep(0.1)
        raise error

    async def _ask(self, request: bytes) -> None:
        if self.streams is None or self.streams[0].at_eof():
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)

    def close(self) -> None:
        """Close the connection."""
        if self.streams is not None:
            self.streams[1].close()


async def _paced(connections: Sequence[Connection], requests: Sequence[bytes], rate: float) -> np.ndarray:
    """Seconds of each of evenly spaced requests."""
    free: asyncio.Queue = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    seconds: list[float] = []

    async def one(request: bytes) -> None:
        start = time.perf_counter()
        connection = await free.get()
        await connection.ask(request)
        free.put_nowait(connection)
        seconds.append(time.perf_counter() - start)

    tasks, begun = [], time.perf_counter()
    for number in range(int(rate * SECONDS)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(requests[number % len(requests)])))
    await asyncio.gather(*tasks)
    return np.array(seconds)


async def _saturated(connections: Sequence[Connection], requests: Sequence[bytes], count: int) -> float:
    """Requests per second with one under way on each connection."""
    numbers = iter(range(count))

    async def work(connection: Connection) -> None:
        for number in numbers:
            await connection.ask(requests[number % len(requests)])

    start = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    return count / (time.perf_counter() - start)


def _processor(process: int) -> float:
    """The seconds of a processor that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    """The resident memory of a process in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _times(seconds: np.ndarray) -> str:
    return ", ".join(f"p{100 * q:.0f} {1000 * np.quantile(seconds, q):.0f} ms" for q in (0.5, 0.99))


if __name__ == "__main__":
    main()
