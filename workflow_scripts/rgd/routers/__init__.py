"""Routers by name: load a method, build it from its configuration, fit it, save and restore what it learned, and route.

A method is a module of this package with one public class, which the module names ``ROUTER``. All that runs a router is
here; :mod:`rgd.routers.contract` checks what goes in and what comes out.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.artifacts import schemas
from rgd.errors import UserError
from rgd.routers import contract
from rgd.routers.base import Router, TestQueries
from rgd.routing.consensus import usable_confidence, z_scores

NO_METHODS = {"__init__", "base", "contract"}
"""Modules of this package that are no routing method."""


@dataclass(frozen=True)
class Routes:
    """What a router decided for n test queries.

    Attributes:
        ranking: (n, M) int32 member indices, best first.
        answers: per variant the (n,) int32 code answered, -1 missing.
        asked: per variant the (n, k) int32 members asked, best first; -1 where fewer were.
        remarks: sentences for the log.
    """

    ranking: np.ndarray
    answers: dict[str, np.ndarray]
    asked: dict[str, np.ndarray]
    remarks: tuple[str, ...] = ()


def methods() -> list[str]:
    """The names of all routing methods, sorted."""
    return sorted({path.stem for folder in __path__ for path in Path(folder).glob("*.py")} - NO_METHODS)


def load(method: str) -> type[Router]:
    """The class of a routing method; imports that one module alone.

    Raises:
        UserError: there is no such method, its module cannot be imported, or its class is no router.
    """
    if method not in methods():
        raise UserError(f"router: unknown method {method!r}; {contract.hint_for(method, methods())}")
    try:
        module = importlib.import_module(f"{__name__}.{method}")
    except Exception as error:
        raise contract.RouterError(
            f"router {method}: its module cannot be imported ({type(error).__name__}: {error}); mend "
            f"rgd/routers/{method}.py."
        ) from error
    return contract.router_class(method, module)


def make(
    method: str,
    parameters: Mapping[str, Any] | None = None,
    variants: Mapping[str, int] | None = None,
    aggregate: str | None = None,
) -> Router:
    """Build an unfitted router from its configuration; what is None keeps the method's own setting.

    Raises:
        UserError: unknown method, parameter or aggregate, a parameter out of range, or a variant that asks no member.
    """
    return contract.build(load(method), parameters or {}, variants, aggregate)


def route(router: Router, queries: TestQueries, answers: np.ndarray, confidence: np.ndarray) -> Routes:
    """Rank the pool for every query and let each variant's members answer.

    Args:
        router: a fitted router.
        queries: n test queries.
        answers: (n, M) int32 codes of the pool's answers to them, -1 missing.
        confidence: (n, M), NaN missing; measured by the mu and sigma of the training queries.

    Raises:
        UserError: the router fails, or what it gives is no ranking or no answer.
    """
    z = z_scores(usable_confidence(answers, confidence), router.mu_, router.sigma_)
    queries = contract.given(router, queries)
    ranking = contract.rank(router, queries)
    found = contract.respond(router, queries, ranking, answers, z)
    return Routes(ranking, found.answers, found.asked, contract.remarks_on(router, queries, z))


def save(routers: Mapping[int, Router]) -> pa.Table:
    """What fitted routers learned, one row per learned attribute and seed (``schemas.ROUTER``)."""
    rows = []
    for seed in sorted(routers):
        for name, array in contract.learned(routers[seed]).items():
            flat = array.reshape(-1)
            kind = "str" if array.dtype.kind == "U" else array.dtype.name
            rows.append(
                {
                    "seed": seed,
                    "name": name,
                    "kind": kind,
                    "shape": list(array.shape),
                    "integers": flat.astype(np.int64) if array.dtype.kind in "iub" else None,
                    "floats": flat.astype(np.float64) if array.dtype.kind == "f" else None,
                    "strings": flat.tolist() if kind == "str" else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=schemas.ROUTER)


def restore(table: pa.Table, build: Callable[[], Router]) -> dict[int, Router]:
    """The fitted routers of ``table`` by seed; ``build`` makes an unfitted one with the same parameters."""
    routers: dict[int, Router] = {}
    for index in range(table.num_rows):
        row = {name: table.column(name)[index] for name in table.column_names}
        seed, name, kind = row["seed"].as_py(), row["name"].as_py(), row["kind"].as_py()
        if kind == "str":
            array = np.array(row["strings"].as_py(), dtype=np.str_)
        else:
            held = row["floats"] if kind.startswith("float") else row["integers"]
            array = held.values.to_numpy(zero_copy_only=False).astype(kind)
        array = array.reshape(row["shape"].as_py())
        router = routers.setdefault(seed, build())
        setattr(router, name, array if array.ndim else array.item())
    return routers
