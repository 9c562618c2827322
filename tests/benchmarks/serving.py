"""How fast ``rgd serve`` decides: client and server on the same machine, beside the embedder alone.

    python -m tests.benchmarks.serving --bundle results/bundles/D/S/P/R [--requests 100000]

The embedder alone: one query after the other (its own latency), and batches of 64 (its own rate). Then ``/v1/decision`` at half
that rate with evenly spaced requests, and with as many at once as it takes; and how the server's memory grows. Processor time
is given beside the rates, since that of a query hardly depends on what else runs on the machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgd.tool import load

TOGETHER = 64
SECONDS = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=5_000, help="requests for the memory's growth")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
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
            asyncio.run(_measure(port, server.pid, queries, alone, rate, options.requests))
        finally:
            server.terminate()


def _queries(bundle: Path) -> list[str]:
    """The training queries of the bundle, which have the lengths of real ones."""
    return load(bundle).content.training["question"].to_pylist()


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
    port: int, server: int, queries: Sequence[str], alone: np.ndarray, rate: float, requests: int
) -> None:
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * TOGETHER)]
    await _ask(connections[0], queries[0])
    half = await _paced(connections, queries, rate / 2)
    ratio = np.quantile(half, 0.99) / np.quantile(alone, 0.99)
    print(f"/v1/decision at half the embedder's rate: {_times(half)}; p99 is {ratio:.1f} times the embedder's own")
    count = max(2 * len(connections), min(requests, int(rate * SECONDS)))
    begun = _processor(server), time.process_time()
    reached = await _saturated(connections, queries, count)
    spent = [(now - then) / count for now, then in zip((_processor(server), time.process_time()), begun, strict=True)]
    print(
        f"/v1/decision, {len(connections)} at once: {reached:.0f} queries/s, {reached / rate:.2f} of the embedder's; "
        f"{1000 * spent[0]:.1f} ms of a processor a query in the server, {1000 * spent[1]:.1f} in the client"
    )
    # The first requests grow the memory: larger batches need larger buffers.
    used = [_memory(server)]
    for _ in range(4):
        await _saturated(connections, queries, requests // 4)
        used.append(_memory(server))
    print(
        f"memory of the server after each quarter of {requests:,} requests: {', '.join(f'{mb:.0f}' for mb in used)} MB"
    )
    for _, writer in connections:
        writer.close()


async def _ask(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], query: str) -> None:
    reader, writer = connection
    body = json.dumps({"query": query}).encode()
    head = f"POST /v1/decision HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)


async def _paced(connections: list, queries: Sequence[str], rate: float) -> np.ndarray:
    """Seconds of each of evenly spaced requests."""
    free: asyncio.Queue = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    seconds: list[float] = []

    async def one(query: str) -> None:
        start = time.perf_counter()
        connection = await free.get()
        await _ask(connection, query)
        free.put_nowait(connection)
        seconds.append(time.perf_counter() - start)

    tasks, begun = [], time.perf_counter()
    for number in range(int(rate * SECONDS)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(queries[number % len(queries)])))
    await asyncio.gather(*tasks)
    return np.array(seconds)


async def _saturated(connections: list, queries: Sequence[str], requests: int) -> float:
    """Requests per second with one under way on each connection."""
    numbers = iter(range(requests))

    async def work(connection: tuple) -> None:
        for number in numbers:
            await _ask(connection, queries[number % len(queries)])

    start = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    return requests / (time.perf_counter() - start)


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
