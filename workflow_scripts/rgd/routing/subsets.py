"""Which queries a router is trained on: all of a scenario's, or the first of them in an order in which smaller sets nest."""

import numpy as np
import pyarrow as pa

from rgd.datasets.splits import TRAIN, rows_of_part
from rgd.routing.reduced import REAL, whole_scenario
from rgd.seeds import generator


def training_rows(
    key: str, splits: pa.Table, query_ids: np.ndarray, tasks: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """For each seed the rows of a query set that train, ascending.

    Of the real questions those in the train part; of a generated set, which is not divided, all. A key with a size
    (see :mod:`rgd.routing.reduced`) takes that many of them, or all where there are fewer.

    Args:
        key: of the scenario.
        splits: schemas.SPLITS.
        query_ids: (n,) of the query set.
        tasks: (n,) its tasks; only needed for a key with a size.

    Raises:
        ValueError: the splits are of other questions, or a key with a size comes without tasks.
    """
    scenario, size = whole_scenario(key)
    if scenario == REAL:
        rows = rows_of_part(splits, query_ids, TRAIN)
    else:
        rows = {seed: np.arange(len(query_ids)) for seed in dict.fromkeys(splits["seed"].to_pylist())}
    if size is None:
        return rows
    if tasks is None:
        raise ValueError(f"{key} takes {size} queries of all tasks, and the tasks are not given")
    return {seed: np.sort(own[nested_order(tasks[own], seed)[:size]]) for seed, own in rows.items()}


def nested_order(tasks: np.ndarray, seed: int) -> np.ndarray:
    """The rows 0, 1, ... of ``tasks`` in an order of which every beginning has each task in proportion, as far as it can.

    Within a task the order is random; a task of n queries has its i-th one at (i + u) / n of the whole, u in [0, 1) being
    the task's own.

    Args:
        tasks: (n,) of the queries.
        seed: of the split.
    """
    place = np.empty(len(tasks))
    for task in sorted(set(tasks.tolist())):
        rows = np.flatnonzero(tasks == task)
        random = generator(seed, "nested", task)
        place[random.permutation(rows)] = (np.arange(len(rows)) + random.random()) / len(rows)
    return np.argsort(place, kind="stable")
