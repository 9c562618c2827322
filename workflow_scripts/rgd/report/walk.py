"""The walk: for some queries everything between question and answer, as data for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rgd.answers.pool import COLUMNS, decode, pool_answers
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import list_matrix, read_table
from rgd.artifacts.provenance import known_digest, name_under
from rgd.routers import load, make, restore, route
from rgd.routers.base import Router, TestQueries
from rgd.routing.consensus import usable_confidence, z_scores
from rgd.routing.neighbours import nearest
from rgd.routing.training import option_counts, training_ids
from rgd.seeds import generator
from rgd.tool.reasons import reasons

# Limits of a page: rankings in total, fewest and most queries of a dataset, characters of an answer.
MOST_RANKINGS, FEWEST_QUERIES, MOST_QUERIES, LONGEST_TEXT = 6000, 12, 240, 500
SHOWN_NEIGHBOURS = 3


@dataclass(frozen=True)
class Around:
    """The queries shown of a query set, and the training queries around them.

    Attributes:
        dataset, query_set: where the queries come from.
        ids: (n,) their ids.
        tasks: (n,) their tasks.
        options: (n,) how many options each query has.
        vectors: (n, d) of length 1.
        rows: (n, K) the nearest training rows, nearest first.
        similarity: (n, K).
        training: ids of the training rows.
    """

    dataset: str
    query_set: str
    ids: np.ndarray
    tasks: np.ndarray
    options: np.ndarray
    vectors: np.ndarray
    rows: np.ndarray
    similarity: np.ndarray
    training: np.ndarray


def walk(root: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of single queries.

    For a dataset with a test part, these are some test queries of the first seed; without labels, none is right or wrong. For tasks that are only described, these
    are some training queries of each scenario: each is routed with the others as its neighbours, and the generator's
    answer serves as its label.

    Args:
        root: the results' folder.
        settings: from :func:`rgd.report.settings.settings`.
    """
    most = int(np.clip(MOST_RANKINGS // max(len(settings["cells"]), 1), FEWEST_QUERIES, MOST_QUERIES))
    parts = {dataset: _tested(root, settings, dataset, most) for dataset in _with_test_queries(settings)}
    for dataset, scenario in described(settings):
        parts[f"{dataset}/{scenario}"] = _described(root, settings, dataset, scenario, most)
    return {"datasets": parts}


def described(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The walk through each scenario of tasks that are only described."""
    return list(
        dict.fromkeys((cell[0], cell[1]) for cell in settings["cells"] if cell[0] not in _with_test_queries(settings))
    )


def _with_test_queries(settings: Mapping[str, Any]) -> list[str]:
    """The datasets with test queries, labelled or not."""
    return [*settings["tested"], *settings.get("unlabelled", [])]


def _tested(root: Path, settings: Mapping[str, Any], dataset: str, most: int) -> dict[str, Any]:
    files = Files(root)
    cells = [tuple(cell) for cell in settings["cells"] if cell[0] == dataset]
    questions = files.read(f"questions/{dataset}/benchmark.parquet")
    shown: np.ndarray | None = None
    around: dict[str, Around] = {}
    for scenario in dict.fromkeys(cell[1] for cell in cells):
        neighbours = files.read(f"neighbours/{dataset}/{scenario}.parquet")
        neighbours = neighbours.filter(neighbours["seed"].to_numpy() == settings["seed"])
        ids = texts(neighbours["query_id"])
        if shown is None:
            shown = ids[_sample(_tasks_and_options(questions, ids)[0], dataset, most)]
        rows = rows_in(ids, shown)
        pool = next(cell[2] for cell in cells if cell[1] == scenario)
        around[scenario] = Around(
            dataset,
            "benchmark",
            shown,
            *_tasks_and_options(questions, shown),
            vectors_of(files.path(f"embeddings/{dataset}/benchmark.parquet"), shown),
            list_matrix(neighbours["training_rows"])[rows],
            list_matrix(neighbours["similarity"])[rows],
            _training_ids(files, settings, dataset, scenario, pool),
        )
    pools = {}
    for name in dict.fromkeys(cell[2] for cell in cells):
        folder, labels = settings["answers"][dataset][name]
        labels = labels if dataset in settings["tested"] else None
        pools[name] = _pool(files, settings, name, folder, labels, next(iter(around.values())).ids)
    made = [
        _cell(
            files,
            settings,
            cell,
            around[cell[1]],
            pools[cell[2]],
            _stored_routes(files, settings, cell, around[cell[1]].ids),
        )
        for cell in cells
    ]
    return _content(files, settings, dataset, around, pools, made)


def _described(root: Path, settings: Mapping[str, Any], dataset: str, scenario: str, most: int) -> dict[str, Any]:
    files, query_set = Files(root), settings["query_sets"][scenario]
    cells = [tuple(cell) for cell in settings["cells"] if (cell[0], cell[1]) == (dataset, scenario)]
    training = _training_ids(files, settings, dataset, scenario, cells[0][2])
    tasks, options = _tasks_and_options(files.read(f"questions/{dataset}/{query_set}.parquet"), training)
    vectors = vectors_of(files.path(f"embeddings/{dataset}/{query_set}.parquet"), training)
    rows = _sample(tasks, dataset, most)
    found, similarity = nearest(vectors[rows], vectors, settings["neighbours"] + 1, own=rows)
    if found.shape[1] < len(vectors) <= settings["neighbours"]:
        # In a small set a router may look at every training query; this query itself comes last.
        found = np.column_stack([found, rows.astype(found.dtype)])
        similarity = np.column_stack([similarity, np.ones(len(rows), dtype=similarity.dtype)])
    around = Around(
        dataset, query_set, training[rows], tasks[rows], options[rows], vectors[rows], found, similarity, training
    )
    pools = {}
    for name in dict.fromkeys(cell[2] for cell in cells):
        folder, labels = f"responses/{dataset}/{query_set}", f"labels/{dataset}/{query_set}.parquet"
        pools[name] = _pool(files, settings, name, folder, labels, around.ids)
    made = [_cell(files, settings, cell, around, pools[cell[2]], None) for cell in cells]
    content = _content(files, settings, dataset, {scenario: around}, pools, made)
    written = settings["titles"]["scenario"].get(scenario, scenario)
    return content | {"title": f"{content['title']}, queries by {written}", "generated": True}


def _content(
    files: "Files",
    settings: Mapping[str, Any],
    dataset: str,
    around: Mapping[str, Around],
    pools: Mapping[str, Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    first = next(iter(around.values()))
    questions = files.read(f"questions/{dataset}/{first.query_set}.parquet")
    chosen = questions.take(rows_in(texts(questions["query_id"]), first.ids).tolist()).to_pylist()
    return {
        "key": dataset,
        "title": settings["titles"]["dataset"].get(dataset, dataset),
        "generated": False,
        "query_set": first.query_set,
        "questions": [
            {"id": row["query_id"], "task": row["task"], "text": row["question"], "options": list(row["options"] or [])}
            for row in chosen
        ],
        "descriptions": _descriptions(files, settings, dataset),
        "scenarios": {key: _scenario(files, settings, key, each) for key, each in around.items()},
        "pools": {key: each["shown"] for key, each in pools.items()},
        "cells": list(cells),
        "files": files.digests,
    }


class Files:
    """Artifacts by path relative to the results' folder, and the digests of those that were read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, str] = {}

    def read(self, name: str, columns: list[str] | None = None) -> Any:
        """The table ``name``."""
        return read_table(self.path(name), columns)

    def path(self, name: str) -> Path:
        """The path of ``name``."""
        path = self.root / name
        self.digests.setdefault(name_under(self.root, path), known_digest(path)[:12])
        return path


def _sample(tasks: np.ndarray, dataset: str, most: int) -> np.ndarray:
    """Rows of (n,) ``tasks``, ascending: all, or ``most`` spread over the tasks."""
    if len(tasks) <= most:
        return np.arange(len(tasks))
    order = generator(0, "report", dataset).permutation(len(tasks))
    # Take one query of each task in each round, so that every task is represented.
    rounds = np.zeros(len(tasks), dtype=int)
    for task in dict.fromkeys(tasks.tolist()):
        mine = order[tasks[order] == task]
        rounds[mine] = np.arange(len(mine))
    return np.sort(np.lexsort((np.argsort(order), rounds))[:most])


def _tasks_and_options(questions: Any, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The task of each query of ``ids`` (n,), and how many options it has (n,)."""
    rows, options = rows_in(texts(questions["query_id"]), ids), option_counts(questions)
    assert options is not None
    return texts(questions["task"])[rows], options[rows]


def _training_ids(files: "Files", settings: Mapping[str, Any], dataset: str, scenario: str, pool: str) -> np.ndarray:
    training = files.read(f"training/{dataset}/{scenario}/{pool}.parquet", ["seed", "query_id", "member"])
    return training_ids(training)[settings["seed"]]


def _scenario(files: "Files", settings: Mapping[str, Any], scenario: str, around: Around) -> dict[str, Any]:
    """Title and size of a scenario, its training queries near some shown query, and which is near which."""
    query_set = settings["query_sets"][scenario]
    questions = files.read(f"questions/{around.dataset}/{query_set}.parquet", ["query_id", "task", "question"])
    training = questions.take(rows_in(texts(questions["query_id"]), around.training).tolist())
    rows, similarity = around.rows[:, :SHOWN_NEIGHBOURS], around.similarity[:, :SHOWN_NEIGHBOURS]
    return {
        "title": settings["titles"]["scenario"].get(scenario, scenario),
        "n_training": len(around.training),
        "training": {
            str(row): [training["task"][row].as_py(), _cut(training["question"][row].as_py())]
            for row in np.unique(rows).tolist()
        },
        "near": [
            [[place, round(value, 3)] for place, value in zip(places, values, strict=True)]
            for places, values in zip(rows.tolist(), similarity.tolist(), strict=True)
        ],
    }


def _pool(
    files: "Files", settings: Mapping[str, Any], pool: str, folder: str, labels_file: str | None, ids: np.ndarray
) -> dict[str, Any]:
    """A pool's answers to the queries ``ids``: as codes over one vocabulary, and as the page shows them.

    Without a file of labels, every label is None.
    """
    members = settings["pools"][pool]
    responses = [files.read(f"{folder}/{member}.parquet") for member in members]
    everything = pool_answers([table.select(COLUMNS) for table in responses])
    rows = rows_in(everything.query_ids, ids)
    answers, labels = everything.of(rows), None if labels_file is None else files.read(labels_file)
    return {
        "codes": answers.codes,
        "vocabulary": answers.vocabulary,
        "confidence": answers.confidence,
        "shown": {
            "title": settings["titles"]["pool"].get(pool, pool),
            "members": [settings["members"].get(member, member) for member in members],
            "labels": [None] * len(ids)
            if labels is None
            else texts(labels["label"])[rows_in(texts(labels["query_id"]), ids)].tolist(),
            "answers": [answers.texts(row) for row in answers.codes],
            "texts": [[_cut(table["text"][row].as_py() or "") for table in responses] for row in rows.tolist()],
        },
    }


def _stored_routes(files: "Files", settings: Mapping[str, Any], cell: Sequence[str], ids: np.ndarray) -> dict[str, Any]:
    """How the workflow routed the queries ``ids``; members are given by their index in the pool."""
    dataset, scenario, pool, router = cell
    routes = files.read(f"routes/{dataset}/{scenario}/{pool}/{router}.parquet")
    routes = routes.filter(routes["seed"].to_numpy() == settings["seed"])
    routes = routes.take(rows_in(texts(routes["query_id"]), ids).tolist())
    place = {member: number for number, member in enumerate(settings["pools"][pool])}
    variants = [name.removeprefix("answer_") for name in routes.column_names if name.startswith("answer_")]
    return {
        "variants": variants,
        "ranking": [[place[member] for member in row] for row in routes["ranking"].to_pylist()],
        "answers": list(map(list, zip(*(routes[f"answer_{each}"].to_pylist() for each in variants), strict=True))),
        "asked": [
            [[place[member] for member in asked] for asked in row]
            for row in zip(*(routes[f"asked_{each}"].to_pylist() for each in variants), strict=True)
        ],
    }


def _routed(router: Router, queries: TestQueries, pool: Mapping[str, Any]) -> dict[str, Any]:
    """The same as :func:`_stored_routes` for queries that the workflow did not route."""
    found = route(router, queries, pool["codes"], pool["confidence"])
    answers = {name: decode(codes, pool["vocabulary"]) for name, codes in found.answers.items()}
    return {
        "variants": list(found.asked),
        "ranking": found.ranking.tolist(),
        "answers": list(map(list, zip(*answers.values(), strict=True))),
        "asked": [
            [[member for member in asked if member >= 0] for asked in row]
            for row in zip(*(asked.tolist() for asked in found.asked.values()), strict=True)
        ],
    }


def _cell(
    files: "Files",
    settings: Mapping[str, Any],
    cell: Sequence[str],
    around: Around,
    pool: Mapping[str, Any],
    routes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    dataset, scenario, pool_name, name = cell
    spec = settings["routers"][name]
    unfitted = make(spec["method"], spec["parameters"], spec["variants"] or None, spec["aggregate"])
    fitted = files.read(f"routers/{dataset}/{scenario}/{pool_name}/{name}.parquet")
    fitted = fitted.filter(fitted["seed"].to_numpy() == settings["seed"])
    router = restore(fitted, lambda: unfitted)[settings["seed"]]
    queries = TestQueries(
        query_ids=around.ids.astype(np.str_),
        embeddings=around.vectors,
        neighbours=around.rows,
        tasks=around.tasks.astype(np.str_),
        training_embeddings=_training_vectors(files, settings, cell, around),
        options=around.options,
    )
    z = z_scores(usable_confidence(pool["codes"], pool["confidence"]), router.mu_, router.sigma_)
    return {
        "scenario": scenario,
        "pool": pool_name,
        "router": name,
        "aggregate": spec["aggregate"],
        "z": _numbers(z, 2),
        **(_routed(router, queries, pool) if routes is None else routes),
        **_why(router, queries),
    }


def _training_vectors(
    files: "Files", settings: Mapping[str, Any], cell: Sequence[str], around: Around
) -> np.ndarray | None:
    """The vectors of the training queries for a router that needs them."""
    file = _training_vectors_file(settings, cell)
    return None if file is None else vectors_of(files.path(file), around.training)


def _training_vectors_file(settings: Mapping[str, Any], cell: Sequence[str]) -> str | None:
    dataset, scenario, _, router = cell
    needed = load(settings["routers"][router]["method"]).needs_training_embeddings
    return f"embeddings/{dataset}/{settings['query_sets'][scenario]}.parquet" if needed else None


def _why(router: Router, queries: TestQueries) -> dict[str, Any]:
    """The scores, tasks and clusters behind the rankings, if the router gives any."""
    if router.use_features or router.transductive:
        return {"score": "", "scores": None, "tasks": None, "clusters": None}
    found = reasons(router, queries)
    clusters = None
    if found.clusters is not None and found.sizes is not None and found.similarity is not None:
        clusters = [
            [int(number), int(found.sizes[number]), round(float(value), 3)] if number >= 0 else None
            for number, value in zip(found.clusters.tolist(), found.similarity.tolist(), strict=True)
        ]
    return {
        "score": found.score,
        "standing": found.standing,
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
    """Rows of numbers, with None for NaN, which JSON lacks."""
    rounded = np.asarray(values, dtype=np.float64).round(decimals).tolist()
    return [[value if np.isfinite(value) else None for value in row] for row in rounded]


def _cut(words: str, most: int = LONGEST_TEXT) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def asked_files(settings: Mapping[str, Any]) -> Sequence[str]:
    """Every file that :func:`walk` reads, as a path relative to the results' folder."""
    names = []
    for dataset, scenario, pool, router in settings["cells"]:
        query_set, members = settings["query_sets"][scenario], settings["pools"][pool]
        names += [
            f"questions/{dataset}/{query_set}.parquet",
            f"consensus/{dataset}/{scenario}/{pool}.parquet",
            f"routers/{dataset}/{scenario}/{pool}/{router}.parquet",
        ]
        if dataset in _with_test_queries(settings):
            folder, labels = settings["answers"][dataset][pool]
            names += [
                f"questions/{dataset}/benchmark.parquet",
                f"embeddings/{dataset}/benchmark.parquet",
                f"neighbours/{dataset}/{scenario}.parquet",
                f"routes/{dataset}/{scenario}/{pool}/{router}.parquet",
            ]
        else:
            folder, labels = f"responses/{dataset}/{query_set}", f"labels/{dataset}/{query_set}.parquet"
            names.append(f"embeddings/{dataset}/{query_set}.parquet")
        vectors = _training_vectors_file(settings, (dataset, scenario, pool, router))
        names += [
            *([] if dataset in settings.get("unlabelled", []) else [labels]),
            *([] if vectors is None else [vectors]),
            *(f"{folder}/{member}.parquet" for member in members),
        ]
        names += [settings["descriptions"][dataset]] if dataset in settings["descriptions"] else []
    return list(dict.fromkeys(names))
