"""What the README promises of the quickstart, checked on its results where `make quickstart` has made them."""

from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.project import ROOT

TABLES = ROOT / "results/tables/quickstart"
CHANCE = 0.25

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (TABLES / "accuracy.parquet").exists(), reason="make quickstart has not been run here"),
]


def accuracy() -> pd.DataFrame:
    return pd.read_parquet(TABLES / "accuracy.parquet")


def test_every_member_is_above_chance() -> None:
    members = accuracy().query("router == 'single'").set_index("variant")["accuracy"]
    assert len(members) == 6
    assert (members > CHANCE).all(), members


def test_the_oracle_is_at_least_five_points_above_the_best_member() -> None:
    table = accuracy()
    best = table.query("router == 'single'")["accuracy"].max()
    oracle = table.query("router == 'oracle'")["accuracy"].item()
    assert oracle - best >= 0.05


def test_two_tasks_have_another_best_member() -> None:
    table = pd.read_parquet(Path(TABLES / "tasks.parquet")).set_index("task")
    overall = table.loc["all", "best"].split(", ")
    others = [task for task, best in table["best"].items() if not set(best.split(", ")) & set(overall)]
    assert len(others) >= 2, table


def test_all_cells_of_the_sweep_are_there() -> None:
    table = accuracy()
    learned = table[table["family"].isin(["query-only", "query-answer"])]
    assert set(learned["scenario"]) == {"real", "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"}
    variants = {"latent_truth": 5, "cascal": 2, "smoothie": 2, "cascal_gt": 2, "avengers": 2, "knn": 2}
    sizes = learned.groupby(["router", "scenario"]).size()
    assert {router: set(sizes[router]) for router in variants} == {router: {n} for router, n in variants.items()}
    assert set(learned["router"]) == set(variants)
    assert (table["n_seeds"] == 3).all()
