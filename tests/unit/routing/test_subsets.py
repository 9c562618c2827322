"""Training queries in nested subsets, and the keys of what has less than all."""

import numpy as np
import pytest

from rgd.artifacts import schemas
from rgd.datasets.splits import TRAIN, split
from rgd.routing.reduced import of_size, whole_pool, whole_scenario, without
from rgd.routing.subsets import nested_order, training_rows

IDS = np.array([f"q{row}" for row in range(60)], dtype=object)
TASKS = np.array(["a"] * 40 + ["b"] * 15 + ["c"] * 5)
SPLITS = split(IDS, TASKS, [0, 1], 0.6, 0).cast(schemas.SPLITS)


def test_keys_read_back() -> None:
    assert whole_scenario(of_size("qwen3-32b-20k", 500)) == ("qwen3-32b-20k", 500)
    assert whole_scenario("real") == ("real", None)
    assert whole_pool(without("large", "qwen3-8b")) == ("large", "qwen3-8b")
    assert whole_pool("large") == ("large", None)


def test_without_a_size_all_train() -> None:
    real = training_rows("real", SPLITS, IDS)
    for seed, rows in real.items():
        part = SPLITS.filter(SPLITS["seed"].to_numpy() == seed)["part"].to_pylist()
        assert rows.tolist() == [row for row, name in enumerate(part) if name == TRAIN]
    made = training_rows("strong", SPLITS, IDS)
    assert {seed: rows.tolist() for seed, rows in made.items()} == {0: list(range(60)), 1: list(range(60))}


@pytest.mark.parametrize("scenario", ["real", "strong"])
def test_a_smaller_set_is_part_of_a_larger_one_and_has_every_task_in_proportion(scenario: str) -> None:
    whole = training_rows(scenario, SPLITS, IDS)
    before: dict[int, set[int]] = {0: set(), 1: set()}
    for size in (3, 6, 12, 30, 1000):
        for seed, rows in training_rows(of_size(scenario, size), SPLITS, IDS, TASKS).items():
            assert len(rows) == min(size, len(whole[seed]))
            assert (np.diff(rows) > 0).all()
            assert before[seed] <= set(rows.tolist()) <= set(whole[seed].tolist())
            before[seed] = set(rows.tolist())
            for task in "abc":
                share = (TASKS[whole[seed]] == task).mean() * len(rows)
                assert abs((TASKS[rows] == task).sum() - share) <= 1, (size, task)


def test_the_order_is_the_seeds_own_and_needs_tasks() -> None:
    assert sorted(nested_order(TASKS, 0).tolist()) == list(range(60))
    assert nested_order(TASKS, 0).tolist() != nested_order(TASKS, 1).tolist()
    assert nested_order(TASKS, 0).tolist() == nested_order(TASKS, 0).tolist()
    with pytest.raises(ValueError, match="tasks are not given"):
        training_rows("real@3", SPLITS, IDS)
