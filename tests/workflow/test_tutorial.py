"""docs/own.md from its first command to its last, as they stand there, with tiny models under the names of the real ones."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from rgd.tool import load
from tests.browser import opened
from tests.workflow.project import PARTS, ROOT

BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", (ROOT / "docs/own.md").read_text(encoding="utf-8"), re.DOTALL)
WEIGHTS = {"qwen2.5-coder-1.5b": "writer", "qwen2.5-coder-0.5b": "a", "smollm2-135m": "b"}
BUNDLE = "results/bundles/mine/qwen2.5-coder-1.5b/quickstart/latent_truth"
PORT = 8040


def edit(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))


def environment(folder: Path) -> dict[str, str]:
    found = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": found, "PYTHONPATH": str(folder / "workflow_scripts"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def printed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder in which all blocks were run, and what each printed, by the block."""
    folder = tmp_path_factory.mktemp("tutorial")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    for name, weights in WEIGHTS.items():
        # The generator's stand-in shows itself nothing of a chat, so that all ask in plain text.
        edit(
            folder / f"config/model/{name}.yaml",
            weights={"path": str(models / weights)},
            dtype="float32",
            max_model_len=1024,
            asks={ask: {"way": "likelihood", "prompt": "ask_examples"} for ask in ("examples", "statement")},
        )
    embedder = folder / "config/embedder/all-minilm-l6-v2.yaml"
    edit(embedder, weights={"path": str(models / "embedder")}, dimension=64, max_model_len=128)
    edit(folder / "config/generator/qwen2.5-coder-1.5b.yaml", max_tokens=120)
    edit(folder / "config/dataset/own.yaml", generated_queries=12)
    said: dict[str, str] = {}
    server = None
    try:
        for kind, block in BLOCKS:
            command = ["bash", "-euo", "pipefail", "-c", block] if kind == "bash" else [sys.executable, "-c", block]
            if block.startswith("rgd serve"):
                server = subprocess.Popen(["bash", "-c", f"exec {block}"], cwd=folder, env=environment(folder))
                wait_for_port(server)
                continue
            done = subprocess.run(
                command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=900, check=False
            )
            assert done.returncode == 0, block + done.stdout + done.stderr
            said[block] = done.stdout
        yield folder, said
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)


def wait_for_port(server: subprocess.Popen) -> None:
    for _ in range(600):
        assert server.poll() is None, "rgd serve has ended"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("rgd serve does not answer")


def output(said: dict[str, str], word: str) -> str:
    (found,) = [text for block, text in said.items() if word in block]
    return found


def test_the_run_ends_in_routers_diagnostics_a_page_and_bundles(printed: tuple[Path, dict[str, str]]) -> None:
    folder, said = printed
    results = folder / "results"
    assert sorted(path.stem for path in (results / "routers/mine").rglob("*.parquet")) == ["cascal", "latent_truth"]
    found = pd.read_parquet(results / "tables/mine/diagnostics.parquet").set_index("check")
    # Twelve queries are few, and that is said.
    assert found.loc["queries per task", "verdict"] == "look"
    assert "Raise generated_queries" in output(said, "diagnostics.md")
    page = (results / "reports/mine/report.html").read_text(encoding="utf-8")
    assert "Is the generated data any good?" in page
    assert not list((results / "cells").rglob("*.parquet")) if (results / "cells").exists() else True
    assert load(folder / BUNDLE).variants[:2] == ("top1", "top3")


def test_the_page_walks_through_the_training_queries(printed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = printed
    with opened(folder / "results/reports/mine/report.html", 1280) as (tab, seen):
        assert tab.locator("#questions button").count() == 12
        tab.locator("#questions button").nth(5).click()
        assert "says the generator" in tab.locator("#steps").inner_text()
        assert seen.nothing(), seen


def test_a_question_is_ranked_with_reasons(printed: tuple[Path, dict[str, str]]) -> None:
    _, said = printed
    shown = next(
        text
        for block, text in said.items()
        if "rgd route" in block and "--answer" not in block and "--file" not in block
    )
    assert [line.split()[0] for line in shown.splitlines()[1:7]] == ["1", "2", "3", "4", "5", "6"]
    # The cluster is told where one is near.
    assert (
        {"task", "near", "why"}
        <= {line.split()[0] for line in shown.splitlines()[7:]}
        <= {"task", "cluster", "near", "why", "doubt", "panel"}
    )
    assert ("No cluster" in shown) != ("cluster  " in shown)


def test_a_file_is_routed_to_json(printed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = printed
    rows = [json.loads(line) for line in (folder / "routed.jsonl").read_text().splitlines()]
    assert [row["query"] for row in rows] == [
        "How many grams are two cups of flour?",
        "When does the next train leave?",
    ]
    # The project's own files say where the models are.
    with contextlib.chdir(folder), load(folder / BUNDLE) as router:
        assert [row["ranking"][0]["member"] for row in rows] == [router.route(row["query"]).best for row in rows]


def test_three_members_answer_and_python_and_the_server_agree(printed: tuple[Path, dict[str, str]]) -> None:
    folder, said = printed
    answered = output(said, "--answer --variant top3")
    asked = [line.split()[1].rstrip(":") for line in answered.splitlines() if line.startswith("asked")]
    assert len(asked) == 3
    in_turn = output(said, "--answer --variant sequential2")
    assert 1 <= sum(line.startswith("asked") for line in in_turn.splitlines()) <= 6
    letter = re.search(r"^answer   ([ABC])\. (100|1000|10000)$", answered, re.MULTILINE)
    assert letter is not None
    assert output(said, "from rgd import tool").strip() in load(folder / BUNDLE).keys
    served = output(said, "import openai")
    assert served.startswith(f"The answer is ({letter.group(1)}). {letter.group(2)} ")
    assert all(member in served for member in asked)
