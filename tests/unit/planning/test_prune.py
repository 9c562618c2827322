"""What may be pruned, where some experiments have a plan and others have none."""

import shutil
from pathlib import Path

import pytest

from rgd.config import load
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.planning import prune
from rgd.planning.graph import Job, Plan
from tests import ROOT

NEEDED = "splits/quickstart.parquet"


def compose(name: str) -> Config:
    return load(ROOT / "config", name, check_data=False)


def planned(config: Config, root: Path) -> Plan:
    """A plan of one job that makes NEEDED, of rules that write to a few folders."""
    config = config.model_copy(update={"paths": config.paths.model_copy(update={"results": str(root)})})
    log, benchmark = str(root / "logs/splits/quickstart.log"), str(root / "benchmarks/splits/quickstart.jsonl")
    nothing: dict = {"parameters": {}, "record": None, "missing": (), "is_cut": False, "newer": (), "needs": ()}
    job = Job(0, "splits", "datasets", {}, (), (str(root / NEEDED),), log, benchmark, runs=False, **nothing)
    return Plan(config, (job,), frozenset({"splits", "cells", "tables", "weights", "logs", "store"}), False)


def survey(root: Path, *experiments: str) -> tuple[list[Plan], list[prune.Unplanned]]:
    def plan(name: str) -> Plan:
        if name != "quickstart":
            raise UserError(f"{name}: data_root is not given")
        return planned(compose(name), root)

    return prune.survey(experiments, plan, compose)


def test_files_that_an_experiment_without_a_plan_may_need_are_kept(tmp_path: Path) -> None:
    kept = [
        NEEDED,
        f"{NEEDED}.provenance.json",
        "splits/mmlu_pro.parquet",
        "cells/bbeh/real/large/knn.parquet",
        "cells/bbeh/real/large/knn.parquet.provenance.json",
        "tables/paper/accuracy.md",
        "weights/model/exaone-3.5-7.8b.json",
        "logs/splits/mmlu_pro.log",
        "store/0123/answers.parquet",
    ]
    old = ["splits/mmlu.parquet", "cells/quickstart/real/old/knn.parquet", "tables/old/accuracy.md", "logs/fit/old.log"]
    for name in [*kept, *old]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    plans, unplanned = survey(tmp_path, "quickstart", "paper")
    found = prune.leftovers(plans, unplanned)
    assert {str(leftover.path.relative_to(tmp_path)) for leftover in found} == set(old)
    said = "\n".join(prune.lines(found, unplanned, is_gone=False))
    assert "paper: data_root" in said
    assert all(str(tmp_path / name) in said for name in old)
    assert {"paper", "mmlu_pro", "qwen3-32b", "qwen3-embedding-8b"} <= unplanned[0].keys


def test_nothing_is_pruned_without_any_plan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"paper: data_root.*recorded: data_root"):
        survey(tmp_path, "paper", "recorded")


def test_nothing_is_pruned_where_an_experiment_cannot_be_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    (folder / "experiment" / "draft.yaml").write_text("datasets: [quickstart\n")

    def refuse(name: str) -> Plan:
        raise UserError(name)

    with pytest.raises(UserError, match=r"config/experiment/draft\.yaml"):
        prune.survey(["draft"], refuse, lambda name: load(folder, name, check_data=False))
