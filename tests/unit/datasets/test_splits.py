"""Splits: shares, strata, seeds, reserved questions."""

import math

import numpy as np
import pytest

from rgd.datasets.splits import rows_of_part, split

IDS = np.array([f"q{number}" for number in range(50)], dtype=object)
TASKS = np.array(["a"] * 7 + ["b"] * 5 + ["c"] * 38, dtype=object)


def parts(reserved: int = 0, seeds: tuple[int, ...] = (0, 1)) -> dict[str, dict[int, np.ndarray]]:
    table = split(IDS, TASKS, list(seeds), 0.6, reserved)
    return {part: rows_of_part(table, IDS, part) for part in ("train", "test", "reserved")}


@pytest.mark.parametrize("reserved", [0, 2])
def test_each_task_is_divided_by_the_floor_of_its_share(reserved: int) -> None:
    found = parts(reserved)
    for seed in (0, 1):
        for task in "abc":
            n = int((task == TASKS).sum()) - reserved
            assert (TASKS[found["train"][seed]] == task).sum() == math.floor(n * 6 / 10)
            assert (TASKS[found["test"][seed]] == task).sum() == n - math.floor(n * 6 / 10)


def test_every_question_is_in_exactly_one_part() -> None:
    found = parts(2)
    for seed in (0, 1):
        rows = np.concatenate([found[part][seed] for part in found])
        assert sorted(rows.tolist()) == list(range(50))


def test_reserved_questions_are_the_same_for_every_seed_and_in_no_test_part() -> None:
    found = parts(5)
    assert found["reserved"][0].tolist() == found["reserved"][1].tolist()
    assert len(found["reserved"][0]) == 15
    assert not set(found["reserved"][0]) & set(found["test"][1])


def test_seeds_differ_and_do_not_depend_on_each_other() -> None:
    both, alone = parts(seeds=(0, 1)), parts(seeds=(1,))
    assert both["train"][0].tolist() != both["train"][1].tolist()
    assert both["train"][1].tolist() == alone["train"][1].tolist()


def test_splits_of_other_questions_are_refused() -> None:
    table = split(IDS, TASKS, [0], 0.6, 0)
    with pytest.raises(ValueError, match="seed 0"):
        rows_of_part(table, IDS[::-1], "train")
