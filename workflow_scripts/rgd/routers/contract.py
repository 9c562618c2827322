"""What a router must keep to, checked in one place: its module, class and parameters, what it learns, how it ranks.

A fault is told in one message that names the method, the class or value at fault, and what is expected. Whatever runs a
router runs it through this module, by :mod:`rgd.routers`.
"""

import inspect
import numbers
import traceback
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from rgd.errors import UserError
from rgd.routers.base import Clusters, Doubt, Family, Responses, Router, TestQueries, TrainingSet, rank_members
from rgd.routing.votes import AGGREGATES

# What of a training set and of test queries a router is given only if its class (or a parameter) declares it.
DECLARED = {
    TrainingSet: {
        "labels": "needs_labels",
        "answer_embeddings": "needs_answer_embeddings",
        "features": "use_features",
        "options": "counts_options",
        "parameters_billion": "knows_sizes",
        "prices": "weighs_prices",
        "labelled": "asks_for_labels",
    },
    TestQueries: {
        "tasks": "needs_test_tasks",
        "features": "use_features",
        "training_embeddings": "needs_training_embeddings",
        "options": "counts_options",
    },
}
# Those of them that may be unknown.
OPTIONAL = {"options", "parameters_billion", "prices", "labelled"}
FLAGS = sorted(
    {flag for declared in DECLARED.values() for flag in declared.values()}
    | {"fits_on_embeddings", "ranks_by_embeddings", "transductive"}
)

Part = TypeVar("Part", TrainingSet, TestQueries)


class RouterError(UserError):
    """A router does not keep to the contract."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a router: its type with range or choices, and its default."""

    hint: Any
    default: Any


def method_of(kind: type[Router]) -> str:
    """The name of the method, which is its module's."""
    return kind.__module__.rpartition(".")[2]


def hint_for(name: str, known: Sequence[str]) -> str:
    """What to say after a wrong name: the nearest of the ``known`` ones, else all of them."""
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(known)}." if known else "there are none."


def router_class(method: str, module: types.ModuleType) -> type[Router]:
    """The class that a method's module names ``ROUTER``.

    Raises:
        RouterError: there is none, or it does not have what a router must.
    """
    kind = getattr(module, "ROUTER", None)
    if not (inspect.isclass(kind) and issubclass(kind, Router) and kind is not Router):
        raise RouterError(
            f"router {method}: ROUTER is {_shown(kind)}; end the module with ROUTER = YourClass, a class that derives from "
            "rgd.routers.base.Router."
        )
    family = getattr(kind, "family", None)
    if family not in get_args(Family):
        _refuse(kind, f"family is {_shown(family)}", f"one of {', '.join(get_args(Family))}")
    for flag in FLAGS:
        value = inspect.getattr_static(kind, flag)
        if not isinstance(value, bool):
            _refuse(kind, f"{flag} is {_shown(value)}", "True or False")
    if (family == "query-only" and kind.needs_labels) or (family == "query-answer" and not kind.needs_labels):
        _refuse(
            kind,
            f"family is {family!r} and needs_labels is {kind.needs_labels}",
            "a query-only router without labels, or a query-answer router with them",
        )
    if kind.needs_labels and kind.asks_for_labels:
        _refuse(kind, "needs_labels and asks_for_labels are True", "one of them: all labels, or a few that it asks for")
    if kind.fit is Router.fit:
        _refuse(kind, "fit is missing", "fit(self, train) that returns self")
    if kind.asks_for_labels and kind.wants is Router.wants:
        _refuse(kind, "asks_for_labels is True and wants is missing", "wants(self, train, count)")
    if kind.rank is Router.rank and kind.scores is Router.scores:
        _refuse(kind, "scores and rank are missing", "scores(self, queries), or rank(self, queries)")
    _check_variants(kind, kind.variants)
    _check_aggregate(kind, kind.aggregate)
    parameters(kind)
    return kind


def parameters(kind: type[Router]) -> dict[str, Parameter]:
    """The parameters that a router's class declares, by name.

    Raises:
        RouterError: one has no name or no default, or a type cannot be resolved.
    """
    own = inspect.signature(kind).parameters
    try:
        hints = get_type_hints(kind.__init__, include_extras=True) if own else {}
    except (NameError, TypeError) as error:
        raise RouterError(f"router {method_of(kind)}: a parameter of {kind.__name__} has no type: {error}.") from error
    for each in own.values():
        by_name = each.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if not by_name or each.default is inspect.Parameter.empty:
            _refuse(kind, f"its constructor takes {str(each)!r}", "parameters that each have a name and a default")
    undeclared = sorted(
        name
        for name in inspect.get_annotations(kind)
        if not name.endswith("_") and name not in own and not hasattr(Router, name)
    )
    if undeclared and "__init__" not in vars(kind):
        _refuse(kind, f"{undeclared[0]} is annotated, but no parameter", "@dataclass(kw_only=True) on the class")
    return {name: Parameter(hints.get(name, Any), each.default) for name, each in own.items()}


def build(
    kind: type[Router],
    values: Mapping[str, Any],
    variants: Mapping[str, int] | None = None,
    aggregate: str | None = None,
) -> Router:
    """An unfitted router; ``variants`` and ``aggregate`` replace those of the class where they are given.

    Raises:
        RouterError: a parameter is unknown, of the wrong type or out of range, two do not go together, or a variant or
            the aggregate is impossible.
    """
    method, known = method_of(kind), parameters(kind)
    for name, value in values.items():
        if name not in known:
            raise RouterError(f"router {method}: unknown parameter {name!r} = {value!r}; {hint_for(name, list(known))}")
        _check_value(method, name, value, known[name].hint)
    try:
        router = kind(**values)
    except ValueError as error:
        raise RouterError(f"router {method}: {error}") from error
    except Exception as error:
        raise _failed(kind, "__init__", error) from error
    if variants is not None:
        _check_variants(kind, variants)
        router.variants = dict(variants)
    if aggregate is not None:
        _check_aggregate(kind, aggregate)
        router.aggregate = aggregate  # type: ignore[assignment]
    twice = sorted(set(router.variants) & set(router.budgets))
    if twice:
        raise RouterError(
            f"router {method}: {twice[0]!r} is both a variant and a budget; give one of them another name."
        )
    return router


def given(router: Router, part: Part) -> Part:
    """Of a training set or of test queries, what the router's class declares that it needs.

    A test query's true task above all goes to no other router.

    Raises:
        ValueError: the caller does not give what the class declares.
    """
    kind = type(part)
    changes: dict[str, Any] = {}
    for name, flag in DECLARED[kind].items():
        value = getattr(part, name)
        if not getattr(router, flag):
            if value is not None:
                changes[name] = None
        elif value is None and name not in OPTIONAL:
            raise ValueError(f"router {method_of(type(router))} declares {flag}, but {kind.__name__}.{name} is None")
    reads = router.fits_on_embeddings if kind is TrainingSet else router.ranks_by_embeddings
    if not reads and part.embeddings.shape[1]:
        changes["embeddings"] = part.embeddings[:, :0]
    return replace(part, **changes) if changes else part


def fit(router: Router, train: TrainingSet) -> Router:
    """Fit the router to what it declares of ``train``.

    Raises:
        RouterError: ``fit`` fails, does not return the router, forgets the pool, or learns what cannot be saved.
    """
    kind, before = type(router), dict(vars(router))
    found = _call(router, "fit", given(router, train))
    if found is not router:
        _refuse(kind, f"fit returns {_shown(found)}", "`return self` at its end")
    for name, value in vars(router).items():
        if name.endswith("_"):
            continue
        if name not in before:
            _refuse(
                kind,
                f"fit sets {name}, which is not saved",
                f"a name that ends in an underscore, such as {name.lstrip('_')}_",
            )
        if value is not before[name]:
            _refuse(kind, f"fit changes {name}, which is not saved", "parameters that stay as they are")
    members, pool = getattr(router, "members_", None), len(train.members)
    if not isinstance(members, np.ndarray) or members.tolist() != list(train.members):
        _refuse(kind, f"fit leaves members_ as {_shown(members)}", "self.remember_pool(train) in fit")
    for name in ("mu_", "sigma_"):
        _check_array(kind, f"fit leaves {name} as", getattr(router, name, None), (pool,), "fiu")
    learned(router)
    return router


def wants(router: Router, train: TrainingSet, count: int) -> np.ndarray:
    """The training rows (k,) int64, k at most ``count``, whose labels would tell the router most, the most telling first.

    Labels that ``train`` has are kept from the router.

    Raises:
        ValueError: the router's class does not ask for labels, or ``count`` is negative.
        RouterError: ``wants`` fails, or gives anything but training rows, none twice.
    """
    kind = type(router)
    if not kind.asks_for_labels:
        raise ValueError(f"router {method_of(kind)} asks for no labels")
    if count < 0:
        raise ValueError(f"{count} labels cannot be asked for")
    unlabelled = replace(train, labels=None, correctness=None, labelled=None)
    found = _call(router, "wants", given(router, unlabelled), count)
    if not isinstance(found, np.ndarray) or found.ndim != 1 or len(found) > count:
        _refuse(kind, f"wants gives {_shown(found)}", f"an array of at most {count} training rows")
    _check_array(kind, "wants gives", found, (len(found),), "iu", least=0, below=len(train.query_ids))
    if len(np.unique(found)) < len(found):
        _refuse(kind, "wants gives a training row twice", "each row at most once")
    return found.astype(np.int64)


def learned(router: Router) -> dict[str, np.ndarray]:
    """What the router learned, by the name of the attribute, sorted.

    Raises:
        RouterError: an attribute is of a type that is not saved.
    """
    found = {}
    for name in sorted(name for name in vars(router) if name.endswith("_")):
        value = vars(router)[name]
        try:
            found[name] = np.asarray(value)
        except ValueError:
            found[name] = np.array(None)
        if found[name].dtype.kind not in "Uiubf" or (found[name].dtype.kind != "U" and found[name].dtype.itemsize > 8):
            _refuse(type(router), f"{name} is {_shown(value)}", "an array of numbers or texts, a number or a text")
    return found


def rank(router: Router, queries: TestQueries) -> np.ndarray:
    """The router's ranking (n, M) int32 of the pool for each query.

    Raises:
        RouterError: ``rank`` or ``scores`` fails, or gives anything but a permutation of the pool for each query.
    """
    kind, pool = type(router), len(router.members_)
    # What Router.rank does, with the scores checked on the way.
    found = scores(router, queries) if kind.rank is Router.rank else None
    ranking = _call(router, "rank", given(router, queries)) if found is None else rank_members(found, router.members_)
    _check_array(kind, "rank gives", ranking, (len(queries.query_ids), pool), "iu")
    wrong = np.flatnonzero((np.sort(ranking, axis=1) != np.arange(pool)).any(axis=1))
    if len(wrong):
        _refuse(
            kind,
            f"rank gives {ranking[wrong[0]].tolist()} for query {wrong[0]}",
            f"each of the members 0 to {pool - 1} once, best first",
        )
    return ranking.astype(np.int32)


def scores(router: Router, queries: TestQueries) -> np.ndarray | None:
    """The scores (n, M) behind the router's ranking; None where it ranks without any.

    Raises:
        RouterError: ``scores`` fails, or gives anything but numbers for each query and member.
    """
    if type(router).scores is Router.scores:
        return None
    found = _call(router, "scores", given(router, queries))
    _check_array(type(router), "scores gives", found, (len(queries.query_ids), len(router.members_)), "fiu")
    return found


def clusters(router: Router, queries: TestQueries) -> Clusters | None:
    """The cluster of each query; None where the router has no clusters.

    Raises:
        RouterError: ``clusters`` fails, or gives anything but a number below that of the clusters for each query.
    """
    found = _call(router, "clusters", given(router, queries))
    if found is None:
        return None
    kind, n = type(router), len(queries.query_ids)
    if not isinstance(found, Clusters):
        _refuse(kind, f"clusters gives {_shown(found)}", "rgd.routers.base.Clusters, or None")
    _check_array(kind, "clusters gives numbers as", found.numbers, (n,), "iu", least=-1, below=len(found.sizes))
    _check_array(kind, "clusters gives similarity as", found.similarity, (n,), "f")
    return found


def centroids(router: Router) -> tuple[np.ndarray, np.ndarray] | None:
    """The router's centroids (C, d) and the ranking (C, M) of each; None where it does not rank by the nearest one.

    Raises:
        RouterError: ``centroids`` fails, or gives anything else.
    """
    found = _call(router, "centroids")
    if found is None:
        return None
    vectors, rankings = found
    pool = len(router.members_)
    _check_array(type(router), "centroids gives vectors as", vectors, np.shape(vectors)[:2], "f")
    _check_array(type(router), "centroids gives rankings as", rankings, (len(vectors), pool), "iu", least=0, below=pool)
    return vectors, rankings


def respond(router: Router, queries: TestQueries, ranking: np.ndarray, answers: np.ndarray, z: np.ndarray) -> Responses:
    """What each variant of the router answers; arguments as in :meth:`rgd.routers.base.Router.respond`.

    Raises:
        RouterError: ``respond`` fails, or names members or answers that there are not.
    """
    kind, n = type(router), len(answers)
    found = _call(router, "respond", given(router, queries), *map(_read_only, (ranking, answers, z)))
    if not isinstance(found, Responses) or not found.asked or list(found.answers) != list(found.asked):
        _refuse(
            kind, f"respond gives {_shown(found)}", "rgd.routers.base.Responses, answers and asked for each variant"
        )
    for name, members in found.asked.items():
        _check_asked(router, f"respond gives asked[{name!r}] as", members, n)
        _check_array(kind, f"respond gives answers[{name!r}] as", found.answers[name], (n,), "iu", least=-1)
    return found


def standing(router: Router) -> str:
    """The router's sentence on how surely its first member is the best one; empty if it has none."""
    return str(_call(router, "standing"))


def certainty(router: Router) -> dict[str, np.ndarray]:
    """How surely each member is the best one, by name of the figure; empty if the router cannot tell.

    Raises:
        RouterError: ``certainty`` fails, or gives anything but a number for each member.
    """
    found = _call(router, "certainty")
    for name, values in found.items():
        _check_array(type(router), f"certainty gives {name} as", values, (len(router.members_),), "f")
    return dict(found)


def intervals(router: Router, queries: TestQueries) -> np.ndarray | None:
    """The intervals (n, M, 2) of the router's scores; None where it has none.

    Raises:
        RouterError: ``intervals`` fails, or gives anything but two numbers for each query and member.
    """
    found = _call(router, "intervals", given(router, queries))
    if found is not None:
        _check_array(type(router), "intervals gives", found, (len(queries.query_ids), len(router.members_), 2), "f")
    return None if found is None else np.asarray(found)


def plans(router: Router, queries: TestQueries, ranking: np.ndarray) -> dict[str, np.ndarray]:
    """The members (n, k) that each variant asks before there is an answer, in order.

    Raises:
        RouterError: ``plans`` fails, or names members that there are not.
    """
    found = _call(router, "plans", given(router, queries), _read_only(ranking))
    for name, members in found.items():
        _check_asked(router, f"plans gives {name!r} as", members, len(ranking))
    return dict(found)


def doubts(router: Router) -> tuple[Doubt, ...]:
    """The router's reasons to distrust what was fitted."""
    return tuple(_call(router, "doubts"))


def explanations(router: Router) -> dict[str, str]:
    """Why the router asks whom it asks, by variant."""
    return dict(_call(router, "explanations"))


def remarks_on(router: Router, queries: TestQueries, z: np.ndarray) -> tuple[str, ...]:
    """The router's sentences on the test queries; ``z`` (n, M) as in :meth:`rgd.routers.base.Router.respond`."""
    return tuple(_call(router, "remarks_on", given(router, queries), _read_only(z)))


def allowed(hint: Any) -> str:
    """The values that a type with its range allows, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is type(None):
        return "null"
    if origin is Annotated:
        bounds = [
            f"{words} {getattr(bound, attribute)}"
            for bound in hint.__metadata__
            for attribute, words in (("ge", "from"), ("gt", "above"), ("le", "up to"), ("lt", "below"))
            if getattr(bound, attribute, None) is not None
        ]
        few = [f"at least {bound.min_length} of them" for bound in hint.__metadata__ if hasattr(bound, "min_length")]
        return " ".join([allowed(arguments[0]), *bounds]) + "".join(f", {each}" for each in few)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(map(allowed, arguments))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"a map, each value {allowed(arguments[-1])}"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list, each item {allowed(arguments[0])}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return words.get(hint, str(getattr(hint, "__name__", hint)))


def _check_value(method: str, name: str, value: Any, hint: Any) -> None:
    """A parameter's value must be of its type and in its range; a whole number counts as a number, nothing else is turned."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    strict = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    try:
        TypeAdapter(hint, config=strict).validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join([name, *map(str, fault["loc"])]) if isinstance(value, Mapping | list | tuple) else name
        wrong = fault["input"] if place != name else value
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        close = get_close_matches(str(value), choices, n=1, cutoff=0.5)
        end = f"; did you mean {close[0]!r}?" if close else "."
        raise RouterError(f"router {method}: {place} = {wrong!r}, but {name} must be {allowed(hint)}{end}") from None


def _check_variants(kind: type[Router], variants: Any) -> None:
    if not isinstance(variants, Mapping):
        _refuse(kind, f"variants is {_shown(variants)}", "a map of names to numbers of members")
    for name, count in variants.items():
        if not isinstance(count, numbers.Integral) or isinstance(count, bool) or count < 1:
            _refuse(kind, f"variant {name!r} asks {count!r} members", "a whole number from 1")


def _check_aggregate(kind: type[Router], aggregate: Any) -> None:
    if aggregate not in AGGREGATES:
        _refuse(kind, f"aggregate is {aggregate!r}", f"one of {', '.join(AGGREGATES)}")


def _check_array(
    kind: type[Router],
    what: str,
    value: Any,
    shape: tuple[int, ...],
    kinds: str,
    least: int | None = None,
    below: int | None = None,
) -> None:
    """``value`` must be an array of this shape, of a type among ``kinds`` (of numpy), without NaN, in the range."""
    expected = f"{'integers' if 'f' not in kinds else 'numbers'} of shape {shape}"
    if not isinstance(value, np.ndarray):
        _refuse(kind, f"{what} {_shown(value)}", f"an array of {expected}")
    if value.shape != shape or value.dtype.kind not in kinds:
        _refuse(kind, f"{what} {value.dtype} of shape {value.shape}", expected)
    if value.dtype.kind == "f" and np.isnan(value).any():
        _refuse(kind, f"{what} NaN for {int(np.isnan(value).sum())} of {value.size}", "numbers")
    if least is None:
        return
    outside = value[(value < least) | (value >= (np.inf if below is None else below))]
    if len(outside):
        _refuse(kind, f"{what} {outside[0]}", f"from {least}" + ("" if below is None else f" to below {below}"))


def _check_asked(router: Router, what: str, members: Any, n: int) -> None:
    """The members that are asked must be at most the pool's for each of ``n`` queries; -1 is none."""
    pool = len(router.members_)
    width = min(np.shape(members)[-1], pool) if np.ndim(members) == 2 else pool
    _check_array(type(router), what, members, (n, width), "iu", least=-1, below=pool)


def _call(router: Router, name: str, *arguments: Any) -> Any:
    try:
        return getattr(router, name)(*arguments)
    except UserError:
        raise
    except Exception as error:
        raise _failed(type(router), name, error) from error


def _failed(kind: type[Router], name: str, error: Exception) -> RouterError:
    """An error in a router's own code, with the last line of its module that was running."""
    modules = {base.__module__ for base in kind.__mro__ if issubclass(base, Router) and base is not Router}
    lines = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") in modules
    ]
    advice = " What a router is given is shared: copy it before changing it." if "read-only" in str(error) else ""
    return RouterError(
        f"router {method_of(kind)}: {kind.__name__}.{name} ends in {type(error).__name__}: {error}{(lines or [''])[-1]}.{advice}"
    )


def _refuse(kind: type[Router], found: str, expected: str) -> NoReturn:
    raise RouterError(f"router {method_of(kind)}: {kind.__name__}: {found}; expected {expected}.")


def _shown(value: Any) -> str:
    """A value in a message: its text where it is short, else its type."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    said = repr(value)
    return said if len(said) <= 60 else f"a {type(value).__name__}"


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
