"""The workflow's scripts, run on a synthetic benchmark as Snakemake runs them: with the same files and parameters."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

from rgd.routers import load
from tests.benchmarks.layout import Layout

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow_scripts"
NEIGHBOURS = 64
INTERVAL = {"level": 0.95, "draws": 2000, "seed": 0}


class Files(dict):
    """Named files as scripts see them: attributes, keys, and one after another."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self):
        for value in self.values():
            yield from value if isinstance(value, list) else [value]


class Job:
    """What a script knows as ``snakemake``."""

    def __init__(self, rule: str, inputs: dict[str, Any], outputs: dict[str, Path], parameters: dict[str, Any]) -> None:
        self.rule = rule
        self.input = Files(
            {
                name: [str(path) for path in files] if isinstance(files, list) else str(files)
                for name, files in inputs.items()
            }
        )
        self.output = Files({name: str(path) for name, path in outputs.items()})
        self.params = Files(parameters)
        self.wildcards = Files(dataset="d", scenario="real", pool="p", router="r")
        self.log = ["log.txt"]
        self.scriptdir = str(SCRIPTS)


def router_settings(router: str) -> dict[str, Any]:
    """What config/router says about a router."""
    return yaml.safe_load((ROOT / "config" / "router" / f"{router}.yaml").read_text())


def job(step: str, router: str | None, members: list[str], folder: Path) -> Job:
    """The job of a step; with absolute paths, so that no time goes into the digests of the provenance."""
    at = Layout(folder.resolve())
    pool = json.dumps(members)
    responses = [at.responses(member) for member in members]
    if step == "neighbours":
        inputs = {"splits": at.splits, "queries": at.embeddings, "training": at.embeddings}
        return Job(step, inputs, {"neighbours": at.neighbours}, {"slice": NEIGHBOURS})
    if step == "train":
        return Job(step, {"splits": at.splits, "responses": responses}, {"training": at.training}, {"members": pool})
    if step == "consensus":
        parameters = {"slice": json.dumps({"vote_weight": "logistic", "min_votes": 2}), "members": pool}
        return Job(step, {"training": at.training}, {"consensus": at.consensus}, parameters)
    assert router is not None
    settings = router_settings(router)
    kind = load(settings["method"])
    sizes = {"parameters_billion": [1.0] * len(members)} if kind.knows_sizes else {}
    wanted = ("method", "parameters") if step == "fit" else ("method", "parameters", "variants", "aggregate")
    parameters = {"slice": json.dumps({key: settings[key] for key in wanted} | sizes), "members": pool}
    if step == "fit":
        inputs = {"training": at.training, "questions": at.questions, "embeddings": at.embeddings}
        if kind.needs_labels:
            inputs["labels"] = at.labels
        if kind.needs_answer_embeddings:
            inputs["answer_embeddings"] = at.answer_embeddings
        return Job(step, inputs, {"router": at.of_cell("routers", router)}, parameters)
    if step == "route":
        inputs = {
            "router": at.of_cell("routers", router),
            "neighbours": at.neighbours,
            "questions": at.questions,
            "embeddings": at.embeddings,
            "responses": responses,
        }
        if kind.needs_training_embeddings:
            inputs |= {"training": at.training, "training_embeddings": at.embeddings}
        return Job(step, inputs, {"routes": at.of_cell("routes", router)}, parameters)
    inputs = {
        "routes": at.of_cell("routes", router),
        "responses": responses,
        "labels": at.labels,
        "questions": at.questions,
    }
    outputs = {
        "outcomes": at.of_cell("outcomes", router),
        "choices": at.of_cell("choices", router),
        "cell": at.of_cell("cells", router),
    }
    return Job(step, inputs, outputs, {"slice": json.dumps(INTERVAL), "members": pool, "family": kind.family})


def run_script(step: str, work: Job) -> None:
    """Run a step's script with ``work`` for its job, in the current folder."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        runpy.run_path(str(SCRIPTS / f"{step}.py"), init_globals={"snakemake": work})
    finally:
        # Scripts send what they print to their log.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
