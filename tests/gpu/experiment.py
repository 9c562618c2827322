"""An experiment in small, from questions to cells, whose models are made here and lie on a GPU."""

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.workflow import project, tiny_models

# Each job with a model has the GPU to itself: vLLM takes most of its memory.
ONE_AT_A_TIME = ("--resources", "gpu=1")
ENGINES = {"a": "transformers", "b": "vllm", "writer": "vllm"}


def run(folder: Path, gpus: int) -> dict[str, Any]:
    """Run it in ``folder`` and return what came out: cells, answers, devices, seconds.

    Args:
        folder: made here; it holds logs and results afterwards.
        gpus: of each model; 0 on a machine without.

    Raises:
        RuntimeError: the run failed; what it printed.
    """
    made = project.make(folder / "project", tiny_models.make_all(folder / "models"))
    for name, engine in ENGINES.items():
        made.edit_yaml(f"model/tiny-{name}.yaml", engine=engine, gpus=gpus)
    made.edit_yaml("embedder/tiny-embedder.yaml", gpus=gpus)
    started = time.monotonic()
    paths = os.pathsep.join([str(made.folder / "workflow_scripts"), os.environ.get("PYTHONPATH", "")])
    done = made.run(*ONE_AT_A_TIME, timeout=3600, PYTHONPATH=paths)
    if done.returncode:
        raise RuntimeError(f"the experiment failed:\n{done.stdout}{done.stderr}")
    import pyarrow.parquet as pq

    answers = [
        json.loads(row)
        for file in (made.folder / "results/store").glob("*/*.parquet")
        for row in pq.read_table(file, columns=["provenance"])["provenance"].to_pylist()
    ]
    return {
        "cells": len(list((made.folder / "results/cells").rglob("*.parquet"))),
        "answers": len(answers),
        "engines": sorted({answer["engine"] for answer in answers}),
        "devices": sorted({answer["device"] for answer in answers}),
        "seconds": round(time.monotonic() - started, 1),
    }
