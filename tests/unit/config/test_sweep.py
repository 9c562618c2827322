"""The sweep of an experiment: its own product, further ones, exclusions, and the query sets and pools that cells need."""

import itertools
import shutil
from pathlib import Path

import pytest
import yaml

from rgd.config import load, slices, sweep
from rgd.config.products import listed, products
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.routers import load as load_router
from rgd.routing.reduced import BENCHMARK, REAL
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

CONFIG = ROOT / "config"
STRONG, WEAK = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The configuration with a second dataset and a second pool beside those of the quickstart."""
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    shutil.copy(folder / "dataset/quickstart.yaml", folder / "dataset/other.yaml")
    pool = yaml.safe_load((folder / "pool/quickstart.yaml").read_text())
    pool["members"] = pool["members"][:3]
    (folder / "pool/half.yaml").write_text(yaml.safe_dump(pool))
    return folder


def experiment(folder: Path, **content: object) -> Config:
    """The experiment with ``content`` beside datasets, scenarios, pools and routers."""
    own = {
        "title": "Test",
        "datasets": ["quickstart"],
        "scenarios": [REAL, STRONG],
        "pools": ["quickstart"],
        "routers": ["cascal", "knn", "topk"],
        "seeds": [0, 1, 2],
    }
    (folder / "experiment/test.yaml").write_text(yaml.safe_dump(own | content))
    return load(folder, "test")


def cells_by_hand(config: Config) -> set[tuple[str, str, str, str]]:
    """All cells, written down product by product."""
    found = set()
    for product in products(config):
        for dataset, scenario, pool, router in itertools.product(*product):
            trained = load_router(config.router[router].method).family != "learning-free"
            found.add((dataset, scenario if trained else REAL, pool, router))
    rules = config.experiment.exclude
    return {
        cell
        for cell in found
        if not any(
            all(
                wanted in (None, has)
                for wanted, has in zip((rule.dataset, rule.scenario, rule.pool, rule.router), cell, strict=True)
            )
            for rule in rules
        )
    }


def test_a_further_sweep_takes_what_it_leaves_out_from_the_experiment(folder: Path) -> None:
    config = experiment(folder, also=[{"scenarios": [WEAK], "routers": ["cascal"]}, {"datasets": ["other"]}])
    own, weak, other = products(config)
    assert weak == own._replace(scenarios=(WEAK,), routers=("cascal",))
    assert other == own._replace(datasets=("other",))
    assert listed(config) == (
        ("quickstart", "other"),
        (REAL, STRONG, WEAK),
        ("quickstart",),
        ("cascal", "knn", "topk"),
    )


def test_the_cells_are_those_of_all_products_each_once(folder: Path) -> None:
    config = experiment(
        folder,
        also=[
            {"scenarios": [STRONG, WEAK], "pools": ["half"], "routers": ["cascal", "topk"]},
            {"datasets": ["quickstart", "other"], "scenarios": [REAL], "pools": ["quickstart", "half"]},
        ],
        exclude=[
            {"dataset": "other", "pool": "half", "reason": "small"},
            {"scenario": WEAK, "router": "cascal", "pool": "half", "reason": "weak"},
        ],
    )
    cells = sweep.router_cells(config)
    assert len(set(cells)) == len(cells)
    assert set(cells) == cells_by_hand(config)
    left_out = sweep.excluded_cells(config)
    assert left_out[sweep.Cell("quickstart", WEAK, "half", "cascal")] == "weak"
    assert left_out[sweep.Cell("other", REAL, "half", "topk")] == "small"
    assert not set(left_out) & set(cells)


def test_references_are_made_once_for_a_dataset_and_a_pool(folder: Path) -> None:
    config = experiment(
        folder, also=[{"datasets": ["other"], "scenarios": [REAL], "pools": ["half"]}, {"pools": ["half"]}]
    )
    assert set(sweep.reference_cells(config)) == {
        (dataset, REAL, pool, reference)
        for dataset, pool in [("quickstart", "quickstart"), ("quickstart", "half"), ("other", "half")]
        for reference in ("oracle", "random")
    }


def test_a_query_set_is_answered_by_the_pools_that_train_on_it(folder: Path) -> None:
    config = experiment(
        folder,
        also=[
            {"scenarios": [WEAK], "pools": ["half"], "routers": ["cascal"]},
            {"datasets": ["other"], "scenarios": [REAL], "routers": ["cascal"]},
        ],
    )
    assert sweep.needed(config) == {
        ("quickstart", BENCHMARK): ("quickstart", "half"),
        ("quickstart", STRONG): ("quickstart",),
        ("quickstart", WEAK): ("half",),
        ("other", BENCHMARK): ("quickstart",),
    }


def test_what_is_excluded_is_not_asked(folder: Path) -> None:
    config = experiment(folder, exclude=[{"scenario": STRONG, "reason": "costs"}])
    assert sweep.needed(config) == {("quickstart", BENCHMARK): ("quickstart",)}


def test_tables_order_the_further_products_after_the_experiments_own(folder: Path) -> None:
    config = experiment(folder, also=[{"scenarios": [WEAK], "pools": ["half"]}])
    order = slices.tables(config)
    assert order["scenarios"] == [REAL, STRONG, WEAK]
    assert order["pools"] == ["quickstart", "half"]


@pytest.mark.parametrize(
    ("further", "words"),
    [
        ({"pools": ["hlaf"]}, r"also\.0\.pools.*hlaf.*half"),
        ({"routers": ["cascal", "cascal"]}, r"also\.0\.routers = \['cascal', 'cascal'\]"),
        ({}, r"also\.0"),
        ({"pool": ["half"]}, r"also\.0\.pool\b.*pools"),
    ],
)
def test_a_mistake_in_a_further_sweep_is_named(folder: Path, further: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=rf"experiment/test\.yaml: .*{words}"):
        experiment(folder, also=[further])


def test_further_sweeps_share_the_splits_of_their_datasets(folder: Path) -> None:
    with pytest.raises(UserError, match=r"seeds = \[5\].*quickstart"):
        experiment(folder, datasets=["other"], seeds=[5], also=[{"datasets": ["quickstart"]}])
