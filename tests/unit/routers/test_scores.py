"""Routers that learn from correctness learn from scores in its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from rgd.config import load as load_config
from rgd.config import sweep
from rgd.routers import load, make
from rgd.routers.base import TrainingSet
from tests import ROOT
from tests.unit.routing_worlds import asking, small

GROUPS = np.repeat([0, 1], 30)
PLACES = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
WHO_COMPARES = {"cascal", "dawid_skene", "fuse", "latent_truth", "majority", "optimal_weight", "smoothie"}
METHODS = sorted({yaml.safe_load(file.read_text())["method"] for file in (ROOT / "config/router").glob("*.yaml")})


def scored() -> TrainingSet:
    """The first member is better in the first group, the second in the other; the third is best nowhere, the last silent."""
    random = np.random.default_rng(0)
    scores = np.array([[0.9, 0.2, 0.55, 0.0], [0.1, 0.8, 0.55, 0.0]])[GROUPS]
    scores[:, :3] += random.uniform(-0.05, 0.05, (60, 3))
    places = PLACES[GROUPS] + 0.05 * random.normal(size=(60, 4))
    train = small(np.zeros((60, 4), dtype=int), labels=np.zeros(60), embeddings=places)
    return replace(train, correctness=scores)


@pytest.mark.parametrize("method", ["knn", "avengers", "llmrank"])
def test_the_member_with_the_best_scores_nearby_comes_first(method: str) -> None:
    train = scored()
    more = {"use_features": False, "learning_rate": 0.05} if method == "llmrank" else {}
    router = make(method, {"n_clusters": 2} if method == "avengers" else more).fit(train)
    assert router.rank(asking(PLACES, train))[:, 0].tolist() == [0, 1]


def test_the_best_on_average_is_not_the_one_that_is_best_most_often() -> None:
    train = scored()
    router = make("topk", {}).fit(train)
    assert router.accuracy_.tolist() == pytest.approx(train.correctness.mean(axis=0).tolist())
    assert router.rank(asking(PLACES, train))[:, 0].tolist() == [2, 2]


def test_what_is_learned_from_scores_of_0_and_1_is_what_is_learned_from_labels() -> None:
    train = scored()
    right = (train.correctness > 0.5).astype(float)
    answers = np.where(right > 0, 0, 1)
    of_labels = small(answers, labels=np.zeros(60), embeddings=train.embeddings)
    of_scores = replace(of_labels, correctness=right)
    for method in ("knn", "avengers", "topk", "cascal_gt"):
        queries = asking(PLACES, train)
        one, other = (make(method, {}).fit(each).rank(queries).tolist() for each in (of_labels, of_scores))
        assert one == other, method


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_whether_it_compares_answers(method: str) -> None:
    assert load(method).compares_answers == (method in WHO_COMPARES)


def test_a_benchmark_with_scores_leaves_out_routers_that_compare_answers(tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    common = yaml.safe_load((folder / "dataset/quickstart.yaml").read_text())
    source = {"file": "/tmp/essays.csv", "columns": {"question": "q"}}
    dataset = {
        **{key: common[key] for key in ("title", "embedder", "generated_queries")},
        "adapter": "free_form",
        "answer_kind": "score",
        "source": source,
        "tasks": {"t": "One."},
        "recorded": "essays",
    }
    (folder / "dataset/essays.yaml").write_text(yaml.safe_dump(dataset))
    (folder / "pool/scored.yaml").write_text(yaml.safe_dump({"title": "S", "recorded": "s", "members": ["a", "b"]}))
    experiment = {
        "title": "E",
        "datasets": ["essays"],
        "scenarios": ["real"],
        "pools": ["scored"],
        "tables": ["accuracy"],
    }
    experiment |= {
        "routers": ["cascal", "cascal_gt", "knn", "latent_truth", "majority", "single", "topk"],
        "seeds": [0],
    }
    (folder / "experiment/essays.yaml").write_text(yaml.safe_dump(experiment))
    config = load_config(folder, "essays", check_data=False)
    assert {cell.router for cell in sweep.router_cells(config)} == {"cascal_gt", "knn", "single", "topk"}
    assert {cell.router for cell in sweep.excluded_cells(config)} == {"cascal", "latent_truth", "majority"}
    assert {cell.router for cell in sweep.reference_cells(config)} == {"oracle", "random"}
