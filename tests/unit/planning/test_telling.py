"""What has changed for a job, in a person's words."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rgd.config import load, slices
from rgd.config.command_line import FOLDER
from rgd.config.products import listed
from rgd.config.schema import Config
from rgd.config.sweep import Cell
from rgd.planning.arranged import arranged
from rgd.planning.causes import Entries, merged
from rgd.planning.graph import Job, Plan, Record
from rgd.planning.telling import Telling
from rgd.tool import settings as tool_settings

POOL = "quickstart"
NEW = "qwen2.5-coder-1.5b-statement"
LISTED = f"config/pool/{POOL}.yaml: members"
CELL = Cell("quickstart", "real", POOL, "cascal")


@cache
def config() -> Config:
    return load("config", "quickstart")


MEMBERS = list(config().pool[POOL].members)
OTHERS = [member for member in MEMBERS if member != NEW]


def job(rule: str, parameters: Mapping[str, Any], inputs: tuple[str, ...] = (), **wildcards: str) -> Job:
    return Job(
        number=0,
        rule=rule,
        stage="routing",
        wildcards=wildcards,
        inputs=inputs,
        outputs=(f"results/{rule}",),
        log="",
        benchmark="",
        parameters=parameters,
        record=None,
        missing=(),
        is_cut=False,
        newer=(),
        needs=(),
        runs=True,
    )


def told(one: Job, before: Mapping[str, Any], inputs: tuple[str, ...] | None = None) -> list[str]:
    plan = Plan(config(), (one,), frozenset(), False)
    telling = Telling(one, plan)
    telling.parameters(before, lambda _: None)
    names = [path.removeprefix("results/") for path in one.inputs]
    telling.inputs(names if inputs is None else inputs, names)
    said = telling.told()
    return [change.text for change in merged({0: said}, Entries([said], config()), plan)[0]]


def edited(content: Any, *path: str, to: Any) -> Any:
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy


ROWS = {
    "task_table": {"members": lambda members: [["quickstart", members]]},
    "cost_table": {"pools": lambda members: [["quickstart", POOL, members]]},
    "benchmark_routing_table": {"pools": lambda members: [["quickstart", members, {POOL: members}]]},
    "ranking_transfer_table": {"pools": lambda members: {POOL: members}},
    "audit_table": {
        "query_sets": lambda members: [["quickstart", "benchmark", members]],
        "members": lambda members: [[member, {"letter": {"dtype": "float32"}}] for member in members],
    },
    "diagnostics_table": {"slice": lambda members: {"pools": {POOL: members}}},
    "report_page": {"slice": lambda members: {"pools": {POOL: members}, "members": dict.fromkeys(members, "A title")}},
    "train": {"members": lambda members: members},
    "fit": {
        "members": lambda members: members,
        "slice": lambda members: {
            "parameters_billion": [float(len(member)) for member in members],
            "prices": {
                "call": [1.0] * len(members),
                "prompt": [2.0] * len(members),
                "completion": [3.0] * len(members),
            },
        },
    },
}


@pytest.mark.parametrize("rule", ROWS)
def test_a_member_that_comes_goes_or_moves_is_told_in_one_sentence(rule: str) -> None:
    wildcards = {"pool": POOL} if rule in ("train", "fit") else {}
    with_all, without, moved = (
        {name: slices.canonical(make(members)) for name, make in ROWS[rule].items()}
        for members in (MEMBERS, OTHERS, [*MEMBERS[1:], MEMBERS[0]])
    )
    assert told(job(rule, with_all, **wildcards), without) == [f"{LISTED}: + {NEW}"]
    assert told(job(rule, without, **wildcards), with_all) == [f"{LISTED}: - {NEW}"]
    if rule != "audit_table":
        (text,) = told(job(rule, moved, **wildcards), with_all)
        assert text.startswith(f"{LISTED}: ")
        assert not any(member in text for member in MEMBERS)


def test_a_new_members_files_are_told_as_the_member() -> None:
    files = tuple(f"results/responses/quickstart/benchmark/{member}.parquet" for member in MEMBERS)
    kept = tuple(file.removeprefix("results/") for file in files if NEW not in file)
    assert told(job("train", {}, files, pool=POOL), {}, kept) == [f"{LISTED}: + {NEW}"]
    (text,) = told(job("train", {}, ("results/a/b.parquet",), pool=POOL), {}, ())
    assert text.endswith("+ a/b.parquet")


@pytest.mark.parametrize("rule", ["diagnostics_table", "report_page"])
def test_a_routers_parameter_is_blamed_on_the_routers_file(rule: str) -> None:
    content = {"routers": {"cascal": slices.routing(config(), "cascal"), "knn": slices.routing(config(), "knn")}}
    before = edited(content, "routers", "cascal", "parameters", "k_max", to=9)
    now = {"slice": slices.canonical(content)}
    assert told(job(rule, now), {"slice": slices.canonical(before)}) == [
        "config/router/cascal.yaml: parameters.k_max: 9 → 5"
    ]
    less = {"routers": {"knn": content["routers"]["knn"]}}
    assert told(job(rule, now), {"slice": slices.canonical(less)}) == [
        "config/experiment/quickstart.yaml: routers: + cascal"
    ]


def test_new_cells_are_told_as_what_is_new_in_them() -> None:
    before, now = (
        {"cells": slices.canonical([["quickstart", "real", POOL, router] for router in routers])}
        for routers in (["knn"], ["knn", "cascal@20-labels"])
    )
    assert told(job("cost_table", now), before) == ["config/experiment/quickstart.yaml: routers: + cascal"]
    other = {
        "cells": slices.canonical([["quickstart", "real", POOL, "knn"], ["quickstart", "real", POOL, "knn@5-labels"]])
    }
    (text,) = told(job("cost_table", other), before)
    assert text.startswith("config/experiment/quickstart.yaml: ")
    assert "[" not in text


def test_another_model_is_told_as_the_key_that_names_it() -> None:
    asked = slices.generation(config(), FOLDER, "qwen2.5-coder-0.5b")
    before = asked | {"weights": slices.model_identity(config().model["smollm2-135m"]), "max_model_len": 7}
    one = job("ask_queries", {"settings": slices.canonical(asked)}, dataset="quickstart", drawn="qwen2.5-coder-0.5b")
    assert told(one, {"settings": slices.canonical(before)}) == [
        "config/generator/qwen2.5-coder-0.5b.yaml: model: smollm2-135m → qwen2.5-coder-0.5b"
    ]


def test_what_a_bundle_asks_is_compared_with_what_the_bundle_says(tmp_path: Path) -> None:
    now = tool_settings.asking(config(), FOLDER, CELL)
    manifest = tmp_path / "bundle.json"

    def since(members: list[dict[str, Any]]) -> list[str]:
        manifest.write_text(json.dumps({"members": members}))
        one = job("bundle", {"members": tool_settings.digest(now)}, **CELL._asdict())
        written = Job(**{**vars(one), "outputs": (str(manifest),)})
        return told(written, {"members": tool_settings.digest(members)})

    assert since([each for each in now if each["key"] != NEW]) == [f"{LISTED}: + {NEW}"]
    longer = [{**each, "asked": {**each["asked"], "max_model_len": 7}} for each in now if each["key"] == NEW]
    assert since([each for each in now if each["key"] != NEW] + longer) == [
        "config/model/qwen2.5-coder-1.5b.yaml: max_model_len: 7 → 2048"
    ]


@pytest.mark.parametrize("rule", ROWS)
def test_a_parameter_of_another_form_stays_as_it_is(rule: str) -> None:
    for value in ([1, 2], [["a"], [None]], {"pools": [3], "cells": [[]], "prices": 4}, None, "text"):
        for name in ROWS[rule]:
            assert name in arranged(rule, {"pool": POOL}, {name: value})


@pytest.mark.parametrize("is_new", [False, True], ids=["none left", "some at last"])
def test_of_cells_that_come_or_go_together_only_what_the_experiment_has_else_is_told(is_new: bool) -> None:
    """Without a generated scenario some lists of cells are empty, although datasets and pools are as before."""
    gone = "qwen2.5-coder-7b"
    scenario = listed(config()).scenarios[1] if is_new else gone
    rows = [["quickstart", "real", POOL], ["quickstart", scenario, POOL]]
    full = {"cells": json.dumps(rows), "pools": json.dumps({POOL: MEMBERS})}
    empty = {"cells": "[]", "pools": "{}"}
    before, now = (empty, full) if is_new else (full, empty)
    record = Record(parameters=(), inputs=())
    made = replace(job("fit", {}, dataset="quickstart", scenario="real", pool=POOL), record=record)
    table = job("ranking_transfer_table", now)
    telling = Telling(table, Plan(config(), (table, made), frozenset(), False))
    telling.parameters(before, lambda _: None)
    assert {(entry.kind, entry.name, entry.is_new) for entry in telling.told().entries} == {
        ("scenario", scenario, is_new)
    }
