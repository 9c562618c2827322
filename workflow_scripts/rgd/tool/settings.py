"""The parts of the configuration in a bundle: how its router routes, how queries are embedded, how members are asked."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LETTER
from rgd.config import scenarios, slices
from rgd.config.members import members
from rgd.config.routers import router_of
from rgd.config.schema import Config, Embedder, Model
from rgd.config.sweep import Cell, query_set
from rgd.errors import UserError
from rgd.routers import make
from rgd.routing.reduced import REAL, whole_pool, whole_router
from rgd.tool.exporting import check_routes_alone


def routing(config: Config, cell: Cell, seed: int | None = None) -> dict[str, Any]:
    """Everything that determines a bundle's rankings.

    Args:
        config: the experiment's configuration.
        cell: the router's cell.
        seed: the seed of the fit; by default the experiment's first.

    Raises:
        UserError: the router cannot be exported, or the seed is not one of the experiment's.
    """
    spec = slices.routing(config, cell.router)
    check_routes_alone(
        cell.router, make(spec["method"], spec["parameters"], spec["variants"] or None, spec["aggregate"])
    )
    seeds = config.experiment.seeds
    if seed is not None and seed not in seeds:
        raise UserError(
            f"--seed {seed}: the experiment {config.name} has no such seed. Give one of its seeds: {seeds}."
        )
    dataset = config.dataset[cell.dataset]
    embedder = config.embedder[dataset.embedder]
    pool = whole_pool(cell.pool)[0]
    return {
        **spec,
        "cell": cell._asdict(),
        "seed": seeds[0] if seed is None else seed,
        "neighbours": config.neighbours,
        "titles": {
            "dataset": dataset.title,
            "scenario": "real queries" if cell.scenario == REAL else slices.scenario_title(config, cell.scenario),
            "pool": config.pool[pool].title,
        },
        "embedder": _embedder(dataset.embedder, embedder),
    }


def asking(config: Config, folder: Path, cell: Cell) -> list[dict[str, Any]]:
    """The key, the title and the way of asking of each member of the cell's pool; the latter is None for recorded answers."""
    whole, missing = whole_pool(cell.pool)
    asked = members(config)
    return [
        {
            "key": key,
            "title": member_title(config, key),
            "asked": _asked(config, folder, key, config.dataset[cell.dataset].kind) if key in asked else None,
        }
        for key in config.pool[whole].members
        if key != missing
    ]


def paths(config: Config, cell: Cell) -> dict[str, Path]:
    """The result files from which the cell's bundle is made."""
    root, asked = Path(config.paths.results), query_set(cell.scenario)
    found = {
        "router": root / f"routers/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet",
        "training": root / f"training/{cell.dataset}/{cell.scenario}/{cell.pool}.parquet",
        "questions": root / f"questions/{cell.dataset}/{asked}.parquet",
        "embeddings": root / f"embeddings/{cell.dataset}/{asked}.parquet",
    }
    if router_of(config, cell.router).labels:
        found["to_label"] = root / f"queries_to_label/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet"
    variant = description_variant(config, cell)
    if variant is not None:
        found["descriptions"] = root / f"descriptions/{cell.dataset}/{variant}.parquet"
    return found


def description_variant(config: Config, cell: Cell) -> str | None:
    """The descriptions that the cell's scenario was generated from; None for real queries."""
    asked = query_set(cell.scenario)
    return None if cell.scenario.startswith(REAL) else scenarios.parse(config, asked).variant


def cell_of(path: Path) -> Cell:
    """The cell of a result file such as ``results/routers/D/S/P/R.parquet``.

    Raises:
        UserError: the path is not of this form.
    """
    parts = path.parts
    if path.suffix != ".parquet" or len(parts) < 5 or parts[-5] not in ("routers", "cells", "routes", "outcomes"):
        raise UserError(f"{path} is not a fitted router. Give results/routers/DATASET/SCENARIO/POOL/ROUTER.parquet.")
    return Cell(parts[-4], parts[-3], parts[-2], path.stem)


def check_cell(config: Config, cell: Cell) -> None:
    """Check that every name of the cell exists in the configuration.

    Raises:
        UserError: a name does not; the message suggests the nearest one.
    """
    from rgd.config.hints import nearest

    known: dict[str, Mapping[str, Any]] = {"dataset": config.dataset, "pool": config.pool, "router": config.router}
    given = {"dataset": cell.dataset, "pool": whole_pool(cell.pool)[0], "router": whole_router(cell.router)[0]}
    for kind, names in known.items():
        if given[kind] not in names:
            raise UserError(f"there is no {kind} {given[kind]} in config/{kind}. " + nearest(given[kind], list(names)))


def digest(members: Sequence[Mapping[str, Any]]) -> str:
    """A digest that changes when a bundle's members are asked differently; it does not reveal where they are."""
    return hashlib.sha256(slices.canonical(members).encode()).hexdigest()


def member_title(config: Config, key: str) -> str:
    """The title of a member: its model's title, and the name of the ask if it has one."""
    found = members(config).get(key)
    if found is None:
        return key
    ask = key.removeprefix(found.model_name).removeprefix("-")
    return f"{found.model.title}, {ask}" if ask else found.model.title


def _asked(config: Config, folder: Path, key: str, answer_kind: str) -> dict[str, Any]:
    found = members(config)[key]
    settings = slices.answering(config, folder, key, answer_kind)
    return {
        **_opened(found.model_name, found.model),
        "chat": settings["chat"],
        "gpus": found.model.gpus,
        "way": settings["way"],
        "reader": slices.reader(config, key),
        **({} if answer_kind == LETTER else {"answer_kind": answer_kind}),
        "prompt": settings["prompt"],
        "sampling": found.model.sampling.model_dump(),
    }


def _embedder(name: str, spec: Embedder) -> dict[str, Any]:
    return {**_opened(name, spec), "gpus": spec.gpus, "pooling": spec.pooling, "dimension": spec.dimension}


def _opened(name: str, spec: Model | Embedder) -> dict[str, Any]:
    """What is run, but not where: no address, no variable of a key and no folder is part of a bundle."""
    fetched = spec.weights is not None and (spec.weights.hub is not None or spec.weights.wheels is not None)
    own = {"revision", "base_url", "key_variable"}
    return {
        "name": name,
        "engine": spec.engine,
        "weights": spec.weights.model_copy(update={"path": None}).model_dump() if spec.weights and fetched else None,
        "api": None if spec.api is None else spec.api.model_dump(exclude=own),
        "max_model_len": spec.max_model_len,
        "dtype": spec.dtype,
    }
