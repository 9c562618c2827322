"""Scoring against counts made by hand, query by query."""

import math
import random

import numpy as np
import pyarrow as pa
import pytest

from rgd.artifacts import schemas
from rgd.scoring.cells import Benchmark, read_benchmark, score_reference, score_routes

MEMBERS = ("a", "b", "c")
TASKS = ["x", "x", "y", "y", "y", "x", "y", "x"]
LETTERS = ["A", "B", "C", None]
CELL = {"dataset": "d", "scenario": "real", "pool": "p", "router": "r", "family": "query-only"}
INTERVAL = {"level": 0.95, "draws": 200, "seed": 0}
SEED = 3


@pytest.fixture(params=range(4))
def world(request: pytest.FixtureRequest) -> dict:
    """Labels, answers and routes as plain lists."""
    chance = random.Random(request.param)
    ids = [f"q{number}" for number in range(len(TASKS))]
    answers = {member: [chance.choice(LETTERS) for _ in ids] for member in MEMBERS}
    tested = sorted(chance.sample(range(len(ids)), 5))
    rankings = [chance.sample(MEMBERS, 3) for _ in tested]
    return {
        "ids": ids,
        "labels": [chance.choice("AB") for _ in ids],
        "answers": answers,
        "completion": {member: [chance.randrange(5, 50) for _ in ids] for member in MEMBERS},
        "tested": tested,
        "rankings": rankings,
        "given": {
            "top1": [answers[ranking[0]][row] for row, ranking in zip(tested, rankings, strict=True)],
            "top2": [chance.choice(LETTERS) for _ in tested],
        },
    }


def benchmark(world: dict) -> Benchmark:
    order = list(reversed(range(len(world["ids"]))))
    responses = [
        pa.table(
            {
                "query_id": world["ids"],
                "answer": pa.array(world["answers"][member], pa.string()),
                "prompt_tokens": pa.nulls(len(world["ids"]), pa.int32()),
                "completion_tokens": pa.array(world["completion"][member], pa.int32()),
            }
        )
        for member in MEMBERS
    ]
    # Labels and questions in another order than the responses: they are joined by id.
    labels = pa.table({"query_id": [world["ids"][i] for i in order], "label": [world["labels"][i] for i in order]})
    questions = pa.table({"query_id": [world["ids"][i] for i in order], "task": [TASKS[i] for i in order]})
    return read_benchmark(labels, questions, responses, MEMBERS)


def routes(world: dict) -> pa.Table:
    asked = {"top1": 1, "top2": 2}
    columns = {
        "seed": pa.array([SEED] * len(world["tested"]), pa.int32()),
        "query_id": [world["ids"][row] for row in world["tested"]],
        "ranking": world["rankings"],
    }
    for variant, count in asked.items():
        columns[f"answer_{variant}"] = pa.array(world["given"][variant], pa.string())
        columns[f"asked_{variant}"] = [ranking[:count] for ranking in world["rankings"]]
    return pa.table(columns).cast(schemas.routes(list(asked)))


def test_a_cell_counts_what_a_person_would_count(world: dict) -> None:
    scores = score_routes(routes(world), benchmark(world), CELL, INTERVAL)
    right = [[world["answers"][m][row] == world["labels"][row] for m in MEMBERS] for row in world["tested"]]
    n = len(world["tested"])
    oracle = sum(any(row) for row in right) / n
    best = max(sum(row[i] for row in right) / n for i in range(3))
    for row in scores.cell.to_pylist():
        count = {"top1": 1, "top2": 2}[row["variant"]]
        given = world["given"][row["variant"]]
        hits = [answer == world["labels"][q] for answer, q in zip(given, world["tested"], strict=True)]
        spent = [
            sum(world["completion"][member][q] for member in ranking[:count])
            for q, ranking in zip(world["tested"], world["rankings"], strict=True)
        ]
        assert row["accuracy"] == pytest.approx(sum(hits) / n)
        assert row["missing_answers"] == sum(answer is None for answer in given)
        assert row["calls_per_query"] == count
        assert row["completion_tokens_per_query"] == pytest.approx(sum(spent) / n)
        assert math.isnan(row["prompt_tokens_per_query"])
        assert row["regret"] == pytest.approx(oracle - sum(hits) / n)
        if oracle > best:
            assert row["gap_closed"] == pytest.approx((sum(hits) / n - best) / (oracle - best))
        else:
            assert math.isnan(row["gap_closed"])
        outcome = scores.outcomes[f"correct_{row['variant']}"].to_pylist()
        assert outcome == [float(hit) for hit in hits]
    scores.cell.select(schemas.CELLS.names).cast(schemas.CELLS)


def test_choices_sum_to_the_calls(world: dict) -> None:
    choices = score_routes(routes(world), benchmark(world), CELL, INTERVAL).choices.to_pylist()
    for variant, count in {"top1": 1, "top2": 2}.items():
        shares = {row["member"]: row["share"] for row in choices if row["variant"] == variant}
        for member in MEMBERS:
            asked = sum(member in ranking[:count] for ranking in world["rankings"])
            assert shares[member] == pytest.approx(asked / len(world["tested"]))
        assert sum(shares.values()) == pytest.approx(count)


def test_references_are_scored_as_by_hand(world: dict) -> None:
    data = benchmark(world)
    confidence = np.ones((len(TASKS), 3), dtype=np.float32)
    rows = {SEED: np.array(world["tested"])}
    oracle = score_reference("oracle", data, confidence, rows, rows, CELL, INTERVAL)
    right = [[world["answers"][m][row] == world["labels"][row] for m in MEMBERS] for row in world["tested"]]
    (row,) = oracle.cell.to_pylist()
    assert row["accuracy"] == pytest.approx(sum(any(line) for line in right) / len(right))
    assert (row["regret"], row["calls_per_query"]) == (0.0, 3.0)
    drawn = score_reference("random", data, confidence, rows, rows, CELL, INTERVAL).cell.to_pylist()
    assert drawn[0]["accuracy"] == pytest.approx(sum(sum(line) for line in right) / (3 * len(right)))
    tokens = [sum(world["completion"][m][q] for m in MEMBERS) / 3 for q in world["tested"]]
    assert drawn[0]["completion_tokens_per_query"] == pytest.approx(sum(tokens) / len(tokens))


def test_a_route_to_a_stranger_is_refused(world: dict) -> None:
    strange = routes(world)
    strange = strange.set_column(
        strange.column_names.index("asked_top1"), "asked_top1", pa.array([["z"]] * len(strange), schemas.STRINGS)
    )
    with pytest.raises(ValueError, match="pool"):
        score_routes(strange, benchmark(world), CELL, INTERVAL)
