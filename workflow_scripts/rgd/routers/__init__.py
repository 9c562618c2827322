"""Routers by name: load a method, build it from its configuration, save and restore what it learned, and route.

A method is a module of this package with one public class, which the module names ``ROUTER``.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.artifacts import schemas
from rgd.errors import UserError
from rgd.routers.base import Router, TestQueries
from rgd.routing.consensus import usable_confidence, z_scores
from rgd.routing.votes import AGGREGATES


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
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in {"__init__", "base"})


def load(method: str) -> type[Router]:
    """The class of a routing method; imports that one module alone.

    Raises:
        UserError: there is no such method.
    """
    if method not in methods():
        close = get_close_matches(method, methods(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known methods: {', '.join(methods())}."
        raise UserError(f"router: unknown method {method!r}; {hint}")
    router_class: type[Router] = importlib.import_module(f"{__name__}.{method}").ROUTER
    return router_class


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
    router_class = load(method)
    parameters = dict(parameters or {})
    known = [name for name in inspect.signature(router_class).parameters if name != "self"]
    for name in parameters:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {known or 'no parameters'}."
            raise UserError(f"router {method}: unknown parameter {name!r} = {parameters[name]!r}; {hint}")
    try:
        router = router_class(**parameters)
    except (TypeError, ValueError) as error:
        raise UserError(f"router {method}: {error}") from error
    if variants is not None:
        for name, count in variants.items():
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise UserError(
                    f"router {method}: variant {name!r} asks {count!r} members; give a whole number from 1."
                )
        router.variants = dict(variants)
    twice = sorted(set(router.variants) & set(router.budgets))
    if twice:
        raise UserError(f"router {method}: {twice[0]!r} is both a variant and a budget; give one of them another name.")
    if aggregate is not None:
        if aggregate not in AGGREGATES:
            raise UserError(f"router {method}: aggregate {aggregate!r} is none of {', '.join(AGGREGATES)}.")
        router.aggregate = aggregate  # type: ignore[assignment]
    return router


def route(router: Router, queries: TestQueries, answers: np.ndarray, confidence: np.ndarray) -> Routes:
    """Rank the pool for every query and let each variant's members answer.

    Args:
        router: a fitted router.
        queries: n test queries.
        answers: (n, M) int32 codes of the pool's answers to them, -1 missing.
        confidence: (n, M), NaN missing; measured by the mu and sigma of the training queries.
    """
    z = z_scores(usable_confidence(answers, confidence), router.mu_, router.sigma_)
    ranking = router.rank(queries)
    found = router.respond(queries, ranking, answers, z)
    return Routes(ranking, found.answers, found.asked, tuple(router.remarks_on(queries, z)))


def save(routers: Mapping[int, Router]) -> pa.Table:
    """What fitted routers learned, one row per learned attribute and seed (``schemas.ROUTER``)."""
    rows = []
    for seed in sorted(routers):
        learned = {name: value for name, value in vars(routers[seed]).items() if name.endswith("_")}
        for name in sorted(learned):
            array = np.asarray(learned[name])
            flat = array.reshape(-1)
            kind = "str" if array.dtype.kind == "U" else array.dtype.name
            if array.dtype.kind not in "Uiubf":
                raise TypeError(f"the learned attribute {name} has the type {kind}, which is not saved")
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
