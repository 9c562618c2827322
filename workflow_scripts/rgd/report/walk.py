"""The walk down: for some test queries everything between the question and the answer, as data for the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgd.artifacts import list_matrix, read_table
from rgd.consensus import usable_confidence, z_scores
from rgd.provenance import known_digest, name_under
from rgd.routers import encode_answers, make, restore
from rgd.routers.base import Router, TestQueries
from rgd.seeds import generator
from rgd.tool.reasons import reasons
from rgd.training import pool_answers, rows_in, texts, training_ids, vectors_of

# What a page can hold: rankings in all, queries of a dataset at least and at most, characters of an answer.
MOST_RANKINGS, FEWEST_QUERIES, MOST_QUERIES, LONGEST_TEXT = 6000, 12, 240, 500
SHOWN_NEIGHBOURS = 3


def walk(root: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of single queries: of every dataset some test queries of the first seed.

    Args:
        root: the results' folder.
        settings: as :func:`rgd.report.settings.settings` gives them.
    """
    per_dataset = [cell for cell in settings["cells"] if cell[0] in settings["tested"]]
    most = int(np.clip(MOST_RANKINGS // max(len(per_dataset), 1), FEWEST_QUERIES, MOST_QUERIES))
    return {"datasets": {name: _dataset(root, settings, name, most) for name in settings["tested"]}}


def _dataset(root: Path, settings: Mapping[str, Any], dataset: str, most: int) -> dict[str, Any]:
    files = Files(root)
    cells = [tuple(cell[1:]) for cell in settings["cells"] if cell[0] == dataset]
    questions = files.read(f"questions/{dataset}/benchmark.parquet")
    ids = texts(questions["query_id"])
    tested = None
    scenarios: dict[str, Any] = {}
    for scenario in dict.fromkeys(scenario for scenario, _, _ in cells):
        neighbours = files.read(f"neighbours/{dataset}/{scenario}.parquet")
        neighbours = neighbours.filter(neighbours["seed"].to_numpy() == settings["seed"])
        if tested is None:
            tested = _sample(neighbours, questions, dataset, most)
        pool = next(pool for name, pool, _ in cells if name == scenario)
        scenarios[scenario] = _scenario(files, settings, dataset, scenario, pool, neighbours, tested)
    if tested is None:
        return {"title": settings["titles"]["dataset"].get(dataset, dataset), "questions": [], "cells": []}
    rows = rows_in(ids, tested)
    pools = {
        pool: _pool(files, settings, dataset, pool, tested) for pool in dict.fromkeys(pool for _, pool, _ in cells)
    }
    made = [_cell(files, settings, dataset, cell, tested, scenarios[cell[0]], pools[cell[1]]) for cell in cells]
    chosen = questions.take(rows.tolist()).to_pylist()
    return {
        "title": settings["titles"]["dataset"].get(dataset, dataset),
        "questions": [
            {"id": row["query_id"], "task": row["task"], "text": row["question"], "options": list(row["options"] or [])}
            for row in chosen
        ],
        "n_tested": scenarios[next(iter(scenarios))]["n_tested"],
        "descriptions": _descriptions(files, settings, dataset),
        "scenarios": {key: value["shown"] for key, value in scenarios.items()},
        "pools": {key: value["shown"] for key, value in pools.items()},
        "cells": [cell for cell in made if cell is not None],
        "files": files.digests,
    }


class Files:
    """Artifacts by their place under the results' folder, and the digests of those that were read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, str] = {}

    def read(self, name: str, columns: list[str] | None = None) -> Any:
        """The table ``name``."""
        return read_table(self.path(name), columns)

    def path(self, name: str) -> Path:
        """Where ``name`` lies."""
        path = self.root / name
        self.digests.setdefault(name_under(self.root, path), known_digest(path)[:12])
        return path


def _sample(neighbours: Any, questions: Any, dataset: str, most: int) -> np.ndarray:
    """Ids of test queries in the benchmark's order: all, or ``most`` spread over the tasks."""
    tested = texts(neighbours["query_id"])
    if len(tested) <= most:
        return tested
    tasks = texts(questions["task"])[rows_in(texts(questions["query_id"]), tested)]
    order = generator(0, "report", dataset).permutation(len(tested))
    # Round by round one query of each task, so that every task is there.
    rounds = np.zeros(len(tested), dtype=int)
    for task in dict.fromkeys(tasks.tolist()):
        mine = order[tasks[order] == task]
        rounds[mine] = np.arange(len(mine))
    kept = np.lexsort((np.argsort(order), rounds))[:most]
    return tested[np.sort(kept)]


def _scenario(
    files: Files,
    settings: Mapping[str, Any],
    dataset: str,
    scenario: str,
    pool: str,
    neighbours: Any,
    tested: np.ndarray,
) -> dict[str, Any]:
    query_set = settings["query_sets"][scenario]
    rows = rows_in(texts(neighbours["query_id"]), tested)
    around = list_matrix(neighbours["training_rows"])[rows]
    similarity = list_matrix(neighbours["similarity"])[rows]
    consensus = files.read(f"consensus/{dataset}/{scenario}/{pool}.parquet", ["seed", "query_id", "member"])
    ids = training_ids(consensus)[settings["seed"]]
    questions = files.read(f"questions/{dataset}/{query_set}.parquet", ["query_id", "task", "question"])
    training = questions.take(rows_in(texts(questions["query_id"]), ids).tolist())
    shown = np.unique(around[:, :SHOWN_NEIGHBOURS])
    of_training = {
        str(row): [training["task"][row].as_py(), _cut(training["question"][row].as_py())] for row in shown.tolist()
    }
    return {
        "around": around,
        "ids": ids,
        "n_tested": neighbours.num_rows,
        "shown": {
            "title": settings["titles"]["scenario"].get(scenario, scenario),
            "n_training": len(ids),
            "training": of_training,
            "near": [
                [[int(place), round(float(value), 3)] for place, value in zip(places, values, strict=True)]
                for places, values in zip(
                    around[:, :SHOWN_NEIGHBOURS].tolist(), similarity[:, :SHOWN_NEIGHBOURS].tolist(), strict=True
                )
            ],
        },
    }


def _pool(files: Files, settings: Mapping[str, Any], dataset: str, pool: str, tested: np.ndarray) -> dict[str, Any]:
    members = settings["pools"][pool]
    folder, labels_file = settings["answers"][dataset][pool]
    responses = [files.read(f"{folder}/{member}.parquet") for member in members]
    answers, confidence = pool_answers([table.select(["query_id", "answer", "confidence"]) for table in responses])
    rows = rows_in(texts(answers["query_id"]), tested)
    labels = files.read(labels_file)
    label = texts(labels["label"])[rows_in(texts(labels["query_id"]), tested)]
    codes, _ = encode_answers([answers[str(place)] for place in range(len(members))])
    given = [[answers[str(place)][row].as_py() for place in range(len(members))] for row in rows.tolist()]
    wrote = [[_cut(table["text"][row].as_py() or "") for table in responses] for row in rows.tolist()]
    return {
        "codes": codes[rows],
        "confidence": confidence[rows],
        "shown": {
            "title": settings["titles"]["pool"].get(pool, pool),
            "members": [settings["members"].get(member, member) for member in members],
            "keys": members,
            "labels": label.tolist(),
            "answers": given,
            "texts": wrote,
        },
    }


def _cell(
    files: Files,
    settings: Mapping[str, Any],
    dataset: str,
    cell: tuple[str, str, str],
    tested: np.ndarray,
    scenario: Mapping[str, Any],
    pool: Mapping[str, Any],
) -> dict[str, Any] | None:
    name, pool_name, router_name = cell
    routes = files.read(f"routes/{dataset}/{name}/{pool_name}/{router_name}.parquet")
    routes = routes.filter(routes["seed"].to_numpy() == settings["seed"])
    rows = rows_in(texts(routes["query_id"]), tested).tolist()
    routes = routes.take(rows)
    members = settings["pools"][pool_name]
    place = {member: number for number, member in enumerate(members)}
    variants = [column.removeprefix("answer_") for column in routes.column_names if column.startswith("answer_")]
    spec = settings["routers"][router_name]
    router = make(spec["method"], spec["parameters"], spec["variants"] or None, spec["aggregate"])
    fitted = files.read(f"routers/{dataset}/{name}/{pool_name}/{router_name}.parquet")
    router = restore(fitted.filter(fitted["seed"].to_numpy() == settings["seed"]), lambda: router)[settings["seed"]]
    why = _why(files, spec["method"], router, dataset, tested, scenario)
    z = z_scores(usable_confidence(pool["codes"], pool["confidence"]), router.mu_, router.sigma_)
    return {
        "scenario": name,
        "pool": pool_name,
        "router": router_name,
        "method": spec["method"],
        "aggregate": spec["aggregate"],
        "family": type(router).family,
        "variants": variants,
        "ranking": [[place[member] for member in row] for row in routes["ranking"].to_pylist()],
        "answers": [
            list(row) for row in zip(*(routes[f"answer_{each}"].to_pylist() for each in variants), strict=True)
        ],
        "asked": [
            [[place[member] for member in members_of] for members_of in row]
            for row in zip(*(routes[f"asked_{each}"].to_pylist() for each in variants), strict=True)
        ],
        "z": _numbers(z, 2),
        **why,
    }


def _why(
    files: Files, method: str, router: Router, dataset: str, tested: np.ndarray, scenario: Mapping[str, Any]
) -> dict[str, Any]:
    """The scores, tasks and clusters behind the rankings, where the method tells any."""
    if router.use_features or router.transductive:
        return {"score": "", "scores": None, "tasks": None, "clusters": None}
    vectors = vectors_of(files.path(f"embeddings/{dataset}/benchmark.parquet"), tested)
    found = reasons(method, router, TestQueries(tested.astype(np.str_), vectors, scenario["around"]))
    clusters = None
    if found.clusters is not None and found.sizes is not None and found.similarity is not None:
        clusters = [
            [int(number), int(found.sizes[number]), round(float(value), 3)]
            for number, value in zip(found.clusters.tolist(), found.similarity.tolist(), strict=True)
        ]
    return {
        "score": found.score,
        "scores": None if found.scores is None else _numbers(found.scores, 4),
        "tasks": None if found.tasks is None else [str(task) for task in found.tasks.tolist()],
        "clusters": clusters,
        "n_clusters": None if found.sizes is None else len(found.sizes),
    }


def _descriptions(files: Files, settings: Mapping[str, Any], dataset: str) -> dict[str, str]:
    name = settings["descriptions"].get(dataset)
    if name is None:
        return {}
    table = files.read(name)
    return dict(zip(table["task"].to_pylist(), table["description"].to_pylist(), strict=True))


def _numbers(values: np.ndarray, decimals: int) -> list[list[float | None]]:
    """Rows of numbers, None for what is none: JSON knows no NaN."""
    rounded = np.asarray(values, dtype=np.float64).round(decimals).tolist()
    return [[value if np.isfinite(value) else None for value in row] for row in rounded]


def _cut(words: str, most: int = LONGEST_TEXT) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def asked_files(settings: Mapping[str, Any]) -> Sequence[str]:
    """Every file that :func:`walk` reads, by its place under the results' folder."""
    names = []
    for dataset, scenario, pool, router in settings["cells"]:
        if dataset not in settings["tested"]:
            continue
        folder, labels = settings["answers"][dataset][pool]
        names += [
            f"questions/{dataset}/benchmark.parquet",
            f"embeddings/{dataset}/benchmark.parquet",
            f"questions/{dataset}/{settings['query_sets'][scenario]}.parquet",
            f"neighbours/{dataset}/{scenario}.parquet",
            f"consensus/{dataset}/{scenario}/{pool}.parquet",
            f"routes/{dataset}/{scenario}/{pool}/{router}.parquet",
            f"routers/{dataset}/{scenario}/{pool}/{router}.parquet",
            labels,
            *(f"{folder}/{member}.parquet" for member in settings["pools"][pool]),
            *([settings["descriptions"][dataset]] if dataset in settings["descriptions"] else []),
        ]
    return list(dict.fromkeys(names))
