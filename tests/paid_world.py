"""A server that bills what it works for, whatever becomes of the reply, and jobs that ask it under a budget.

``python -m tests.paid_world STORE ADDRESS BUDGET FIRST LAST`` asks for the questions FIRST to LAST - 1.
"""

import dataclasses
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.store.answers import Store
from rgd.store.fill import fill
from rgd.store.ledger import Ledger
from tests.faulty_server import Asked, FaultyServer, Play
from tests.store_world import ROOT, WRITING

WEIGHTS = "openai:m"
PRICES = {"price_prompt": 100.0, "price_completion": 1000.0}
"""Dollars per million tokens."""
MAX_TOKENS = 100
SETTINGS = dataclasses.replace(WRITING, weights=WEIGHTS, sampling=Sampling(0.7, 0.95, MAX_TOKENS, 0))
TIMEOUT_S = 1.0
FAULTS = (
    "ok",
    "ok",
    "ok",
    "ok",
    "unknown usage",
    "500",
    "502",
    "late",
    "drop",
    "cut",
    "busy",
    "unavailable",
    "no answer",
)


def price(prompt: int, completion: int) -> float:
    return (prompt * PRICES["price_prompt"] + completion * PRICES["price_completion"]) / 1e6


class Biller:
    """What a paid server does with each request; ``billed`` is its own count in dollars."""

    def __init__(self, seed: int, faults: tuple[str, ...] = FAULTS) -> None:
        self.random, self.faults, self.lock = random.Random(seed), faults, threading.Lock()
        self.billed = 0.0
        self.answers = 0

    def __call__(self, asked: Asked) -> Play:
        with self.lock:
            fault = self.random.choice(self.faults)
            prompt = sum(len(turn["content"].encode()) for turn in asked.body["messages"])
            written = self.random.randint(1, asked.body["max_tokens"])
            if fault == "busy":
                return Play({"error": {"message": "slow down"}}, 429)
            if fault == "unavailable":
                return Play({"error": {"message": "come again"}}, 503)
            self.billed += price(prompt, written)
            self.answers += 1
        message = {"role": "assistant", "content": "an answer"}
        body: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
        }
        match fault:
            case "unknown usage":
                return Play({name: value for name, value in body.items() if name != "usage"})
            case "500" | "502":
                return Play({"error": {"message": "it broke after the work"}}, int(fault))
            case "late":
                return Play(body, delay_s=2 * TIMEOUT_S)
            case "drop":
                return Play(drop=True)
            case "cut":
                return Play(body, cut=40)
            case "no answer":
                return Play({**body, "choices": None})
        return Play(body, delay_s=0.02)


def job(store: Path, server: FaultyServer, budget: float, first: int, last: int, under: tuple[str, ...] = ()) -> Any:
    """Start a job of its own, in a process group of its own; ``under`` is the beginning of its command."""
    command = [*under, sys.executable, "-m", "tests.paid_world", store, server.address, budget, first, last]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ask(store: Path, address: str, budget: float | None, first: int, last: int, **api: Any) -> None:
    """Ask the questions FIRST to LAST - 1."""
    requests = [render("[user]\n{question}\n", f"q{number}" * 10) for number in range(first, last)]
    settings = {"model": "m", "base_url": address, "concurrency": 4, "timeout_s": TIMEOUT_S, "attempts": 20}
    settings |= {"backoff_s": 0.01, "budget_dollars": budget, **PRICES, **api}
    with open_engine(
        "openai", EngineSettings(None, 4096, api=settings, account=Ledger(store, WEIGHTS).account())
    ) as engine:
        fill(Store(store), SETTINGS, requests, lambda: engine, 16)


if __name__ == "__main__":
    folder, place, dollars, *numbers = sys.argv[1:]
    try:
        ask(Path(folder), place, float(dollars), *map(int, numbers))
    except UserError as error:
        sys.exit(str(error))
