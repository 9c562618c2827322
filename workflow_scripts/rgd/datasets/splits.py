"""How a benchmark's questions are divided (method: 60:40 by task, by seed; reserved questions are in neither part)."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from rgd.seeds import generator

TRAIN, TEST, RESERVED = "train", "test", "reserved"


def split(
    query_ids: np.ndarray,
    tasks: np.ndarray,
    seeds: list[int],
    train_share: float,
    reserved_per_task: int,
    own_parts: Mapping[str, str] | None = None,
) -> pa.Table:
    """Assign every question to a part, once for each seed, stratified by task.

    For each task, ``reserved_per_task`` questions are set aside, the same for every seed; of the n others,
    floor(train_share n) are for training and the rest for testing. A benchmark with its own split keeps it under every
    seed; its reserved questions come from its train part, so that its test part stays whole.

    Args:
        query_ids: (n,) the questions' ids.
        tasks: (n,) their tasks.
        seeds: one split each.
        train_share: in (0, 1).
        reserved_per_task: questions that a descriptor model may see.
        own_parts: query_id -> train or test, for a benchmark with its own split; else empty.

    Returns:
        A table with the columns of schemas.SPLITS: rows by seed, then in the questions' order.
    """
    reserved = np.zeros(len(query_ids), dtype=bool)
    own = np.array([(own_parts or {}).get(query_id, "") for query_id in query_ids.tolist()], dtype=object)
    rows_of = {task: np.flatnonzero(tasks == task) for task in sorted(set(tasks.tolist()))}
    for task, rows in rows_of.items():
        reserved[generator(0, "reserved", task).permutation(rows[own[rows] != TEST])[:reserved_per_task]] = True
    parts = []
    for seed in seeds:
        part = np.where(reserved, RESERVED, np.where(own == TRAIN, TRAIN, TEST)).astype(object)
        for task, rows in rows_of.items():
            free = rows[~reserved[rows] & (own[rows] == "")]
            # The small term keeps floor(0.6 * 5) at 3, where binary fractions give 2.
            n_train = int(np.floor(train_share * len(free) + 1e-9))
            part[generator(seed, "split", task).permutation(free)[:n_train]] = TRAIN
        parts.append(part)
    return pa.table(
        {
            "query_id": np.tile(query_ids.astype(object), len(seeds)),
            "seed": np.repeat(np.asarray(seeds, dtype=np.int32), len(query_ids)),
            "part": np.concatenate(parts),
        }
    )


def rows_of_part(splits: pa.Table, query_ids: np.ndarray, part: str) -> dict[int, np.ndarray]:
    """For each seed, the rows of ``query_ids`` that are in ``part``, ascending.

    Raises:
        ValueError: the splits belong to other questions.
    """
    seeds = splits["seed"].to_numpy()
    found = {}
    for seed in dict.fromkeys(seeds.tolist()):
        rows = splits.filter(seeds == seed)
        if rows["query_id"].to_pylist() != query_ids.tolist():
            raise ValueError(f"the splits of seed {seed} belong to other questions than those given")
        found[seed] = np.flatnonzero(rows["part"].to_numpy(zero_copy_only=False) == part)
    return found
