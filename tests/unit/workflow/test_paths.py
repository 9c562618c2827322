"""The one home of result paths: where each artifact lies, and that nothing else spells a path out."""

import inspect
import re

import pytest

from rgd.workflow import paths
from tests import ROOT

# What is used from outside this project, as docs/artifacts.md lists it.
FIXED = {
    "questions/D/Q.parquet": paths.questions("D", "Q"),
    "labels/D/Q.parquet": paths.labels("D", "Q"),
    "splits/D.parquet": paths.splits("D"),
    "embeddings/D/Q.parquet": paths.embeddings("D", "Q"),
    "responses/D/Q/M.parquet": paths.responses("D", "Q", "M"),
    "consensus/D/S/P.parquet": paths.consensus("D", "S", "P"),
    "routers/D/S/P/R.parquet": paths.router("DSPR"),
    "routes/D/S/P/R.parquet": paths.routes("DSPR"),
    "cells/D/S/P/R.parquet": paths.cell("DSPR"),
    "tables/E/accuracy.csv": paths.table("E", "accuracy", "csv"),
    "figures/E/cost.svg": paths.figure("E", "cost"),
    "reports/E/report.html": paths.report("E"),
    "bundles/D/S/P/R/bundle.json": paths.bundle("bundle.json", "DSPR"),
}


@pytest.mark.parametrize("place", FIXED)
def test_the_fixed_paths(place: str) -> None:
    assert paths.located(FIXED[place], "results") == f"results/{place}"
    assert paths.located(FIXED[place], "/elsewhere/r") == f"/elsewhere/r/{place}"


def test_no_two_kinds_share_a_path() -> None:
    made = []
    for _, function in inspect.getmembers(paths, inspect.isfunction):
        if function is paths.located:
            continue
        taken = list(inspect.signature(function).parameters.values())
        cell = [each for each in taken if each.name == "cell"]
        names = [each for each in taken if each.default is inspect.Parameter.empty and each not in cell]
        made.append(function(*(each.name.upper() for each in names), *([tuple("DSPR")] if cell else [])))
    assert len(set(made)) == len(made)
    assert all(path.startswith(f"{paths.RESULTS}/") for path in made)


def test_rules_take_paths_from_there() -> None:
    spelled = {
        f"{path.name}: {line.strip()}"
        for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
        for line in path.read_text().splitlines()
        if paths.RESULTS in line
    }
    assert spelled == set()


def test_rules_are_declarative() -> None:
    """All files of rules together define at most ten functions, none longer than five lines."""
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    functions = re.findall(r"^ *def .*\n(?:(?: +.*)?\n)*", text, re.MULTILINE)
    assert len(functions) <= 10
    assert all(len(function.strip().splitlines()) <= 5 for function in functions)


def test_every_rule_has_the_script_of_its_name() -> None:
    """But where two rules are one: weights of models and embedders, a rule with other inputs."""
    shared = {"fetch_model": "fetch_weights", "fetch_embedder": "fetch_weights"}
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py") if not path.stem.startswith("_")}
    named = set()
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            name = rule.split(":")[0]
            script = re.search(r'"\.\./workflow_scripts/(\w+)\.py"', rule)
            assert script is not None, name
            assert script.group(1) == shared.get(name, name)
            named.add(script.group(1))
    assert named == scripts
