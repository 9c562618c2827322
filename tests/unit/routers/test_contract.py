"""The contract: what a router's module can get wrong is one message that names the router and the fault."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import rgd.routers
from rgd.config import load as load_config
from rgd.errors import UserError
from rgd.routers import contract, load, make, methods, restore, route, save
from rgd.routers.base import Labelled, Router, TestQueries, TrainingSet
from rgd.tool.reasons import reasons
from tests import ROOT
from tests.unit.config.test_compose import CONFIG
from tests.unit.routing_worlds import niches

GOOD = """
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge, Le

from rgd.routers.base import Clusters, Count, Responses, Router


@dataclass(kw_only=True)
class Own(Router):
    family = "query-only"
    k: Annotated[int, Ge(1), Le(9)] = 3
    far: float = 0.5
    how: Literal["near", "far"] = "near"
    weights: Mapping[str, float] | None = None

    def fit(self, train):
        self.remember_pool(train)
        self.centre_ = train.embeddings.mean(axis=0)
        return self

    def scores(self, queries):
        return np.tile(self.mu_, (len(queries.query_ids), 1))


ROUTER = Own
"""
FIT, SCORES = (
    GOOD[GOOD.index("    def fit") : GOOD.index("    def scores")],
    GOOD[GOOD.index("    def scores") : GOOD.index("\n\nROUTER")],
)
RETURNED = "        return np.tile(self.mu_, (len(queries.query_ids), 1))\n"


def learning(line: str) -> str:
    """The router with one more line in its fit."""
    return GOOD.replace("        return self\n", f"        {line}\n        return self\n")


def scoring(line: str) -> str:
    """The router with other scores."""
    return GOOD.replace(RETURNED, f"        {line}\n")


def ranking(line: str) -> str:
    """The router with a rank of its own; n queries, m members."""
    return GOOD.replace(
        SCORES,
        f"    def rank(self, queries):\n        n, m = len(queries.query_ids), len(self.members_)\n        {line}\n",
    )


def responding(line: str) -> str:
    return GOOD.replace(SCORES, f"{SCORES}\n    def respond(self, queries, ranking, answers, z):\n        {line}\n")


def asking(line: str) -> str:
    """A router that asks for labels; n queries."""
    return declaring('family = "query-only"; asks_for_labels = True').replace(
        SCORES, f"{SCORES}\n    def wants(self, train, count):\n        n = len(train.query_ids)\n        {line}\n"
    )


def declaring(line: str) -> str:
    return GOOD.replace('    family = "query-only"\n', f"    {line}\n")


LOADING = {
    "a module that is no Python": "def fit(:",
    "a module that fails": "missing_name",
    "a module that imports what is not there": "import no_such_library_of_anybody",
    "a module without ROUTER": GOOD.replace("ROUTER = Own", ""),
    "ROUTER is an instance": GOOD.replace("ROUTER = Own", "ROUTER = Own()"),
    "ROUTER is the base class": GOOD.replace("ROUTER = Own", "ROUTER = Router"),
    "a class that is no Router": GOOD.replace("class Own(Router)", "class Own"),
    "no family": declaring("pass"),
    "an unknown family": declaring('family = "query_only"'),
    "a family that is no text": declaring("family = ['query-only']"),
    "a flag that is no bool": declaring('family = "query-only"; counts_options = "yes"'),
    "labels without a reason": declaring('family = "query-only"; needs_labels = True'),
    "no labels where they are needed": declaring('family = "query-answer"'),
    "a wish for labels without a word on which": declaring('family = "query-only"; asks_for_labels = True'),
    "all labels and a wish for some": asking("pass").replace(
        'family = "query-only"', 'family = "query-answer"; needs_labels = True'
    ),
    "no fit": GOOD.replace(FIT, ""),
    "neither scores nor rank": GOOD.replace(SCORES, ""),
    "variants in a list": declaring('family = "query-only"; variants = ["top1"]'),
    "a variant that asks nobody": declaring('family = "query-only"; variants = {"top0": 0}'),
    "an aggregate of its own": declaring('family = "query-only"; aggregate = "loudest"'),
    "a constructor that wants positional arguments": GOOD.replace("@dataclass(kw_only=True)\n", "").replace(
        "    def fit", "    def __init__(self, k, /):\n        self.k = k\n\n    def fit"
    ),
    "a constructor with any arguments": GOOD.replace("@dataclass(kw_only=True)\n", "").replace(
        "    def fit", "    def __init__(self, **options):\n        self.options = options\n\n    def fit"
    ),
    "a parameter without a default": GOOD.replace("far: float = 0.5", "far: float"),
    "a parameter of an unknown type": GOOD.replace("far: float = 0.5", 'far: "Far" = 0.5'),
    "parameters of no dataclass": GOOD.replace("@dataclass(kw_only=True)\n", ""),
}
BUILDING = {
    "a constructor that fails": GOOD.replace(
        "    def fit", "    def __post_init__(self):\n        self.k.near\n\n    def fit"
    ),
    "a constructor that objects": GOOD.replace(
        "    def fit", "    def __post_init__(self):\n        raise ValueError('k and far')\n\n    def fit"
    ),
}
FITTING = {
    "no return self": GOOD.replace("        return self\n", ""),
    "another router is returned": GOOD.replace("        return self\n", "        return Own()\n"),
    "the pool is forgotten": GOOD.replace("        self.remember_pool(train)\n", ""),
    "the pool in another order": learning("self.members_ = self.members_[::-1]"),
    "mu is a number": learning("self.mu_ = 0.0"),
    "sigma is NaN": learning("self.sigma_ = self.sigma_ * np.nan"),
    "what is learned has no underscore": learning("self.centre = 1.0"),
    "a private attribute is lost": learning("self._centre = 1.0"),
    "a parameter is changed": learning("self.k = 4"),
    "a dict is learned": learning("self.table_ = {'a': 1}"),
    "nothing is learned": learning("self.table_ = None"),
    "a function is learned": learning("self.how_ = lambda: 1"),
    "an uneven list is learned": learning("self.rows_ = [[1], [1, 2]]"),
    "objects are learned": learning("self.rows_ = np.array([1, 'a'], dtype=object)"),
    "complex numbers are learned": learning("self.rows_ = np.array([1j])"),
    "dates are learned": learning("self.rows_ = np.array(['2026-01-01'], dtype='datetime64[D]')"),
    "long doubles are learned": learning("self.rows_ = np.array([1], dtype=np.longdouble)"),
    "fit changes its input": learning("train.answers[:] = 0"),
    "fit sorts its input": learning("train.embeddings.sort()"),
    "fit fails": learning("train.answers[:, 99]"),
    "fit looks at labels": learning("train.labels.sum()"),
    "fit takes too little": GOOD.replace("def fit(self, train)", "def fit(self)"),
}
RANKING = {
    "rank returns nothing": ranking("pass"),
    "rank gives all zeros": ranking("return np.zeros((n, m), dtype=np.int32)"),
    "rank gives one member twice": ranking("r = np.tile(np.arange(m), (n, 1)); r[-1, 0] = 1; return r"),
    "rank counts from 1": ranking("return np.tile(np.arange(1, m + 1), (n, 1))"),
    "rank counts from the end": ranking("return np.tile(np.arange(-m, 0), (n, 1))"),
    "rank gives one row": ranking("return np.arange(m)"),
    "rank gives the best alone": ranking("return np.zeros((n, 1), dtype=int)"),
    "rank gives members by queries": ranking("return np.tile(np.arange(m), (n, 1)).T"),
    "rank gives a row too few": ranking("return np.tile(np.arange(m), (n - 1, 1))"),
    "rank gives floats": ranking("return np.tile(np.arange(m) * 1.0, (n, 1))"),
    "rank gives NaN": ranking("return np.full((n, m), np.nan)"),
    "rank gives bools": ranking("return np.ones((n, m), dtype=bool)"),
    "rank gives names": ranking("return np.tile(self.members_, (n, 1))"),
    "rank gives a list": ranking("return [list(range(m))] * n"),
    "rank fails": ranking("return queries.embeddings @ np.ones(3)"),
    "rank changes its input": ranking("queries.embeddings[:] = 0"),
    "rank changes the neighbours": ranking("queries.neighbours.sort(axis=1)"),
    "rank looks at what is not given": ranking("return queries.tasks[0]"),
    "scores with NaN": scoring("return np.full((len(queries.query_ids), len(self.members_)), np.nan)"),
    "scores of the first member alone": scoring("return np.zeros((len(queries.query_ids), 1))"),
    "scores for one query": scoring("return self.mu_"),
    "scores in words": scoring("return np.full((len(queries.query_ids), len(self.members_)), 'good')"),
    "scores in a list": scoring("return [[1.0] * len(self.members_)] * len(queries.query_ids)"),
    "respond returns nothing": responding("pass"),
    "respond asks nobody it names": responding("return Responses({}, {})"),
    "respond forgets the members asked": responding("return Responses({'a': answers[:, 0]}, {})"),
    "respond asks a member that is not there": responding(
        "return Responses({'a': answers[:, 0]}, {'a': np.full((len(answers), 1), len(self.members_))})"
    ),
    "respond asks members by name": responding(
        "return Responses({'a': answers[:, 0]}, {'a': np.full((len(answers), 1), 'm0')})"
    ),
    "respond asks more than the pool": responding(
        "return Responses({'a': answers[:, 0]}, {'a': np.zeros((len(answers), 99), dtype=int)})"
    ),
    "respond answers for one query": responding("return Responses({'a': answers[0]}, {'a': ranking[:, :1]})"),
    "respond answers in floats": responding("return Responses({'a': answers[:, 0] * 1.0}, {'a': ranking[:, :1]})"),
    "respond changes the answers": responding("answers[:] = 0"),
}
WANTING = {
    "wants returns nothing": asking("pass"),
    "wants gives a list": asking("return [0]"),
    "wants gives floats": asking("return np.zeros(1)"),
    "wants gives bools": asking("return np.arange(n) < count"),
    "wants gives rows by columns": asking("return np.zeros((1, 1), dtype=int)"),
    "wants gives too many": asking("return np.arange(count + 1)"),
    "wants gives a row twice": asking("return np.zeros(2, dtype=int)"),
    "wants gives a row that is not there": asking("return np.array([n])"),
    "wants counts from the end": asking("return np.array([-1])"),
    "wants fails": asking("return train.answers[:, 99]"),
    "wants changes its input": asking("train.answers[:] = 0"),
    "wants looks at all labels": asking("return train.labels[:count]"),
    "wants looks at the labels of before": asking("return train.labelled.rows"),
}
EXPLAINING = {
    "scores with NaN": RANKING["scores with NaN"],
    "scores for one query": RANKING["scores for one query"],
    "clusters that are no Clusters": GOOD.replace(
        SCORES, f"{SCORES}\n    def clusters(self, queries):\n        return 3\n"
    ),
    "a cluster that is not there": GOOD.replace(
        SCORES,
        f"{SCORES}\n    def clusters(self, queries):\n        n = len(queries.query_ids)\n"
        "        return Clusters(np.full(n, 2), np.ones(n), np.array([5, 5]))\n",
    ),
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """A function that makes a source the module of a method, and gives its name."""
    monkeypatch.setattr(rgd.routers, "__path__", [*rgd.routers.__path__, str(tmp_path)])

    def write(source: str) -> str:
        (tmp_path / "own.py").write_text(source)
        monkeypatch.delitem(sys.modules, "rgd.routers.own", raising=False)
        return "own"

    yield write
    sys.modules.pop("rgd.routers.own", None)


def world() -> tuple[TrainingSet, TestQueries, np.ndarray, np.ndarray]:
    train, queries, answers, confidence, *_ = niches(0, per_niche=6, tests=2)
    return train, queries, answers, confidence


def refused(work: Callable[[], object], *named: str) -> None:
    with pytest.raises(UserError) as caught:
        work()
    message = str(caught.value)
    assert "\n" not in message
    for name in ("own", *named):
        assert name in message, message


def test_a_router_that_keeps_to_the_contract_fits_ranks_answers_and_is_restored(written: Callable[[str], str]) -> None:
    method = written(GOOD)
    train, queries, answers, confidence = world()
    assert method in methods()
    router = contract.fit(make(method, {"k": 9, "far": 2, "how": "far", "weights": {"a": 1}}), train)
    again = restore(save({0: router}), lambda: make(method))[0]
    routes = [route(each, queries, answers, confidence) for each in (router, again)]
    assert routes[0].ranking.dtype == np.int32
    np.testing.assert_array_equal(routes[0].ranking, routes[1].ranking)
    np.testing.assert_array_equal(reasons(router, queries).scores, np.tile(router.mu_, (len(answers), 1)))


@pytest.mark.parametrize("fault", LOADING)
def test_a_bad_module_or_class_is_one_message(fault: str, written: Callable[[str], str]) -> None:
    method = written(LOADING[fault])
    refused(lambda: load(method))


@pytest.mark.parametrize("fault", BUILDING)
def test_a_constructor_that_fails_is_one_message(fault: str, written: Callable[[str], str]) -> None:
    method = written(BUILDING[fault])
    refused(lambda: make(method))


@pytest.mark.parametrize("fault", FITTING)
def test_a_fit_that_breaks_the_contract_is_one_message(fault: str, written: Callable[[str], str]) -> None:
    router = make(written(FITTING[fault]))
    refused(lambda: contract.fit(router, world()[0]), "Own")


@pytest.mark.parametrize("fault", RANKING)
def test_a_rank_or_an_answer_that_breaks_the_contract_is_one_message(fault: str, written: Callable[[str], str]) -> None:
    train, *asked = world()
    router = contract.fit(make(written(RANKING[fault])), train)
    refused(lambda: route(router, *asked), "Own", "respond" if fault.startswith("respond") else "")


@pytest.mark.parametrize("fault", WANTING)
def test_wants_that_break_the_contract_are_one_message(fault: str, written: Callable[[str], str]) -> None:
    train = replace(world()[0], labelled=Labelled(np.array([0]), np.array([0])))
    router = make(written(WANTING[fault]))
    refused(lambda: contract.wants(router, train, 3), "wants")


def test_only_a_router_that_asks_for_labels_is_given_any(written: Callable[[str], str]) -> None:
    train = replace(world()[0], labelled=Labelled(np.array([0, 2]), np.array([1, 1])))
    router = make(written(asking("return np.arange(n)[::-1][:count]")))
    assert contract.given(router, train).labelled is not None
    wanted = contract.wants(router, train, 2)
    assert wanted.dtype == np.int64
    assert wanted.tolist() == [len(train.query_ids) - 1, len(train.query_ids) - 2]
    with pytest.raises(ValueError, match="-1"):
        contract.wants(router, train, -1)
    without = make(written(GOOD))
    assert contract.given(without, train).labelled is None
    with pytest.raises(ValueError, match="own"):
        contract.wants(without, train, 2)


@pytest.mark.parametrize(
    ("rows", "codes"),
    [([1, 0], [0, 0]), ([0, 0], [0, 0]), ([-1], [0]), ([0], [0, 1]), ([0.0], [0]), ([0], [0.5]), ([[0]], [[0]])],
)
def test_labels_that_are_none_of_the_training_rows_are_refused(rows: list[int], codes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"rows|codes"):
        Labelled(np.array(rows), np.array(codes))


def test_labels_of_a_larger_training_set_are_refused() -> None:
    train = world()[0]
    n = len(train.query_ids)
    labelled = Labelled(np.array([n - 1]), np.array([0]))
    kept = replace(train, labelled=labelled).labelled
    assert kept is not None
    assert not kept.rows.flags.writeable
    assert kept.codes.dtype == np.int32
    with pytest.raises(ValueError, match=str(n)):
        replace(train, labelled=Labelled(np.array([n]), np.array([0])))


@pytest.mark.parametrize("fault", EXPLAINING)
def test_reasons_that_break_the_contract_are_one_message(fault: str, written: Callable[[str], str]) -> None:
    train, queries, *_ = world()
    router = contract.fit(make(written(EXPLAINING[fault])), train)
    refused(lambda: reasons(router, queries), "Own")


def test_a_failing_router_names_the_line_of_its_own_module(written: Callable[[str], str]) -> None:
    source = RANKING["rank fails"]
    train, *asked = world()
    router = contract.fit(make(written(source)), train)
    line = next(number for number, text in enumerate(source.splitlines(), start=1) if "@ np.ones" in text)
    refused(lambda: route(router, *asked), f"own.py, line {line})")


@pytest.mark.parametrize("method", methods())
def test_the_defaults_of_every_router_are_allowed(method: str) -> None:
    for parameter in contract.parameters(load(method)).values():
        assert contract.allowed(parameter.hint)
    made = make(method)
    own = {name: getattr(made, name) for name in contract.parameters(load(method))}
    assert vars(make(method, own)) == vars(made)


@pytest.mark.parametrize(
    ("router", "parameters", "named"),
    [
        ("cascal", {"merge_distance": "far"}, ["merge_distance = 'far'", "number"]),
        ("cascal", {"silhouette_threshold": "low"}, ["silhouette_threshold = 'low'", "number"]),
        ("cascal", {"n_init": 1.5}, ["n_init = 1.5", "whole number"]),
        ("cascal", {"n_init": -5}, ["n_init = -5", "from 1"]),
        ("cascal", {"n_init": True}, ["n_init = True", "whole number"]),
        ("cascal", {"n_init": None}, ["n_init = None", "whole number"]),
        ("cascal", {"min_share": float("nan")}, ["min_share = nan"]),
        ("cascal", {"far_distance": float("inf")}, ["far_distance = inf"]),
        ("cascal", {"weight_by_share": 1}, ["weight_by_share = 1", "true or false"]),
        ("cascal", {"score_decimals": -1}, ["score_decimals = -1", "null"]),
        ("cascal", {"k_min": 5, "k_max": 3}, ["k_min = 5", "k_max = 3"]),
        ("cascal", {"merge_order": "closed"}, ["merge_order = 'closed'", "'closest'"]),
        ("cascal_gt", {"k_mx": 3}, ["k_mx", "'k_max'"]),
        ("avengers", {"n_clusters": [64]}, ["n_clusters = [64]"]),
        ("knn", {"k_grid": []}, ["k_grid = []", "at least 1"]),
        ("knn", {"k_grid": [1, 0]}, ["k_grid.1 = 0"]),
        ("knn", {"k_grid": 5}, ["k_grid = 5", "list"]),
        ("knn", {"k_grid": "135"}, ["k_grid = '135'", "list"]),
        ("latent_truth", {"budgets": {"cheap": "free"}}, ["budgets.cheap = 'free'", "above 0"]),
        ("latent_truth", {"budgets": [1.5]}, ["budgets = [1.5]", "map"]),
        ("latent_truth", {"budgets": {"a/b": 1.5}}, ["budgets", "'a/b'"]),
        ("topk", {"k": 1}, ["'k'"]),
    ],
)
def test_a_wrong_parameter_is_one_message_of_the_configuration(
    router: str, parameters: dict[str, object], named: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        make(router, parameters)
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    file = folder / "router" / f"{router}.yaml"
    content = yaml.safe_load(file.read_text())
    content["parameters"] |= parameters
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        load_config(folder)
    message = str(caught.value)
    assert "\n" not in message
    for name in (f"router/{router}.yaml", *named):
        assert name in message, message


SECRETS = {
    "tasks": "needs_test_tasks",
    "training_embeddings": "needs_training_embeddings",
    "options": "counts_options",
    "features": "use_features",
}


class Seen(Exception):
    """What a router was given."""


def shown(_: Router, part: object, *more: object) -> None:
    raise Seen(part)


def everything() -> tuple[TrainingSet, TestQueries, np.ndarray, np.ndarray]:
    """A training set and test queries of which every field is known."""
    train, queries, answers, confidence = world()
    n, m = train.answers.shape
    train = replace(
        train,
        answer_embeddings=np.ones((n, m, 4), dtype=np.float32),
        features=train.embeddings,
        options=np.full(n, 10),
        parameters_billion=np.ones(m),
        prices=np.ones(m),
    )
    queries = replace(
        queries,
        tasks=np.array(["third", "fourth"] * (len(answers) // 2)),
        features=queries.embeddings,
        training_embeddings=train.embeddings,
        options=np.full(len(answers), 10),
    )
    return train, queries, answers, confidence


@pytest.mark.parametrize("method", methods())
def test_whoever_runs_a_router_gives_it_what_its_class_declares_and_no_more(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, (train, queries, answers, confidence) = load(method), everything()
    router = contract.fit(make(method), train)
    runs = {
        "rank": lambda: contract.rank(router, queries),
        "scores": lambda: reasons(router, queries),
        "clusters": lambda: contract.clusters(router, queries),
        "respond": lambda: contract.respond(router, queries, np.zeros_like(answers), answers, confidence),
        "remarks_on": lambda: contract.remarks_on(router, queries, confidence),
    }
    if kind.scores is Router.scores:
        del runs["scores"]
    for name, run in runs.items():
        with monkeypatch.context() as patch:
            patch.setattr(kind, name, shown)
            with pytest.raises(UserError) as caught:
                run()
        part = caught.value.__cause__.args[0]
        for field, flag in SECRETS.items():
            assert (getattr(part, field) is not None) == getattr(router, flag), (name, field)
        assert part.embeddings.shape[1] == (queries.embeddings.shape[1] if kind.ranks_by_embeddings else 0)
    monkeypatch.setattr(kind, "fit", shown)
    with pytest.raises(UserError) as caught:
        contract.fit(make(method), train)
    part = caught.value.__cause__.args[0]
    assert (part.labels is not None) == kind.needs_labels
    assert (part.answer_embeddings is not None) == kind.needs_answer_embeddings
    assert (part.prices is not None) == kind.weighs_prices


def test_the_true_tasks_of_test_queries_go_to_benchmark_routing_alone() -> None:
    assert [method for method in methods() if load(method).needs_test_tasks] == ["benchmark_routing"]


@pytest.mark.parametrize("method", ["benchmark_routing", "llmrank"])
def test_a_caller_that_leaves_out_what_a_router_needs_is_told(method: str) -> None:
    train, queries, answers, confidence = everything()
    router = contract.fit(make(method), train)
    for field, flag in SECRETS.items():
        if getattr(router, flag):
            with pytest.raises(ValueError, match=field):
                route(router, replace(queries, **{field: None}), answers, confidence)


def test_a_ranking_is_that_of_the_scores_where_no_two_are_near() -> None:
    train, queries, *_ = everything()
    for method in methods():
        router = contract.fit(make(method), train)
        scores = contract.scores(router, queries)
        if scores is None:
            assert method in ("majority", "single")
            continue
        in_order = np.take_along_axis(np.asarray(scores, dtype=np.float64), contract.rank(router, queries), axis=1)
        assert (np.diff(in_order, axis=1) <= 2e-5).all(), method


def test_the_shape_of_test_queries_is_checked() -> None:
    queries = world()[1]
    for field, value in {"tasks": np.array(["a"]), "options": np.ones(2), "neighbours": queries.neighbours[0]}.items():
        with pytest.raises(ValueError, match=field):
            replace(queries, **{field: value})


def test_every_method_has_a_file_of_the_configuration() -> None:
    named = {yaml.safe_load(path.read_text())["method"] for path in (ROOT / "config/router").glob("*.yaml")}
    assert named == set(methods())
