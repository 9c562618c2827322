"""What is at the root of a plan, and what follows from it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from rgd.config import load, slices
from rgd.config.schema import Config
from rgd.planning.causes import Entries, chain, merged, reached
from rgd.planning.changes import Change
from rgd.planning.graph import Job, Plan, Record
from rgd.planning.reasons import reasons
from rgd.planning.telling import Entry, Told

EXPERIMENT, POOL = "config/experiment/quickstart.yaml", "config/pool/quickstart.yaml"


@cache
def config() -> Config:
    return load("config", "quickstart")


def job(number: int, *needs: int, rule: str = "fit", **changes: Any) -> Job:
    content: dict[str, Any] = {
        "number": number,
        "rule": rule,
        "stage": "routing",
        "wildcards": {},
        "inputs": tuple(f"results/{need}.parquet" for need in needs),
        "outputs": (f"results/{number}.parquet",),
        "log": "",
        "benchmark": "",
        "parameters": {},
        "record": None,
        "missing": (),
        "is_cut": False,
        "newer": (),
        "needs": needs,
        "runs": True,
    }
    return Job(**{**content, **changes})


A, B = Change("configuration", "a"), Change("code", "b")
# 0 > 1 > 3 > 4 and 2 > 3; 5 follows from nothing.
JOBS = [job(0), job(1, 0), job(2), job(3, 1, 2), job(4, 3), job(5)]


def test_a_change_reaches_what_depends_on_its_own_jobs_and_nothing_else() -> None:
    own: dict[int, Sequence[Change]] = {0: [A], 1: [], 2: [B], 3: [A], 4: [], 5: []}
    found = reached(JOBS, own)
    assert {change: [each.number for each in jobs] for change, jobs in found.items()} == {A: [0, 1, 3, 4], B: [2, 3, 4]}
    # The change with most jobs is the first.
    assert list(found) == [A, B]


def test_a_chain_begins_at_the_earliest_job_that_has_the_change_itself() -> None:
    own: dict[int, Sequence[Change]] = {0: [A], 1: [], 2: [B], 3: [A], 4: [], 5: []}
    assert [each.number for each in chain(JOBS[4], A, JOBS, own)] == [0, 1, 3, 4]
    assert [each.number for each in chain(JOBS[4], B, JOBS, own)] == [2, 3, 4]
    assert chain(JOBS[5], A, JOBS, own) == []
    assert chain(JOBS[1], B, JOBS, own) == []


def new(kind: str, name: str, pool: str = "") -> Entry:
    return Entry(kind, name, pool, True)


def gone(kind: str, name: str, pool: str = "") -> Entry:
    return Entry(kind, name, pool, False)


def texts(*told: Told) -> list[list[str]]:
    plan = Plan(config(), (), frozenset(), False)
    found = merged(dict(enumerate(told)), Entries(told, config()), plan)
    return [[change.text for change in found[number]] for number in range(len(told))]


def of(*entries: Entry) -> Told:
    return Told("score", (), frozenset(entries))


def test_what_several_jobs_tell_of_one_list_is_one_change() -> None:
    one, other = texts(of(new("dataset", "a")), of(new("dataset", "b"), gone("dataset", "c")))
    assert one == other == [f"{EXPERIMENT}: datasets: + a, + b, - c"]


@pytest.mark.parametrize("is_new", [True, False])
def test_the_members_of_a_pool_that_comes_or_goes_are_told_as_the_pool(is_new: bool) -> None:
    pool = Entry("pool", "other", "", is_new)
    of_pool, unclear = Entry("member", "m", "other", is_new), Entry("member", "m", "", is_new)
    sign = "+" if is_new else "-"
    assert texts(of(pool), of(of_pool), of(unclear)) == 3 * [[f"{EXPERIMENT}: pools: {sign} other"]]
    # Another pool's own member is told as such.
    assert texts(of(pool), of(Entry("member", "m", "quickstart", is_new))) == [
        [f"{EXPERIMENT}: pools: {sign} other"],
        [f"{POOL}: members: {sign} m"],
    ]


def test_a_member_of_an_unclear_pool_is_the_member_that_another_job_knows() -> None:
    known = gone("member", "m", "quickstart")
    assert texts(of(gone("member", "m")), of(known)) == 2 * [[f"{POOL}: members: - m"]]
    # The only pool of the experiment is the one that had it.
    assert texts(of(gone("member", "m"))) == [[f"{POOL}: members: - m"]]


def test_where_members_came_the_order_is_no_other_change() -> None:
    order = new("member", "", "quickstart")
    (alone,), (named,) = texts(of(order))[0], texts(of(order, new("member", "m", "quickstart")))[0]
    assert alone != named
    assert named == f"{POOL}: members: + m"


def test_inputs_that_tell_of_something_new_or_gone_are_no_change_of_their_own() -> None:
    told = (
        of(new("dataset", "a"), gone("scenario", "g")),
        Told("report_page", (), came=("questions/a/benchmark.parquet",)),
        Told("report_page", (), went=("consensus/quickstart/g/quickstart.parquet",)),
        Told("report_page", (), went=("consensus/g/real/quickstart.parquet", "x/y.csv")),
        Told("report_page", (A,), went=("x/z.csv",)),
    )
    _, came, went, strange, explained = texts(*told)
    assert came == [f"{EXPERIMENT}: datasets: + a"]
    assert went == [f"{EXPERIMENT}: scenarios: - g"]
    assert len(strange) == 1
    assert "consensus/g/real" in strange[0]
    assert "x/y.csv" in strange[0]
    assert explained == ["a"]


def test_a_file_that_went_from_others_too_went_for_what_all_of_them_tell() -> None:
    other = Change("configuration", "other")
    *_, alone, too = texts(
        Told("comparison_table", (A,), went=("cells/x.parquet",)),
        Told("report_page", (other, A, B), went=("cells/x.parquet",)),
        Told("cost_table", (), went=("routes/y.parquet",)),
        Told("choice_table", (), went=("cells/x.parquet", "choices/x.parquet")),
    )
    assert too == ["a"]
    assert "routes/y.parquet" in alone[0]


def test_files_that_are_gone_are_one_change_however_many() -> None:
    found = texts(*(Told("fit", (), lost=(f"routers/{number}.parquet",)) for number in range(9)))
    assert len({tuple(each) for each in found}) == 1
    (one,) = texts(Told("fit", (), lost=("routers/x.parquet",)))
    assert one == ["routers/x.parquet is gone"]


def cells(*routers: str) -> str:
    return slices.canonical([["quickstart", "real", "quickstart", router] for router in routers])


def planned(*jobs: Job) -> dict[int, list[str]]:
    return {
        number: [change.text for change in found]
        for number, found in reasons(Plan(config(), jobs, frozenset(), False)).items()
    }


def test_what_is_made_for_the_first_time_is_there_for_what_its_users_have_now() -> None:
    table = job(
        2,
        0,
        1,
        rule="cost_table",
        parameters={"cells": cells("knn", "cascal")},
        record=Record((repr(cells("knn")),), ("results/0.parquet",)),
    )
    found = planned(
        job(0, missing=("results/0.parquet",), wildcards={"router": "cascal"}),
        job(1, missing=("results/1.parquet",)),
        table,
        job(3, missing=("results/3.parquet",), wildcards={"member": "m"}),
        job(4, missing=("results/4.parquet",)),
    )
    assert found[0] == found[1] == found[2] == [f"{EXPERIMENT}: routers: + cascal"]
    # Nothing uses these.
    assert found[3] == ["member m is new"]
    assert len(found[4]) == 1
    assert "4.parquet" in found[4][0]


def test_before_the_first_run_there_is_one_reason() -> None:
    found = planned(*(job(number, missing=(f"results/{number}.parquet",)) for number in range(3)))
    assert len({tuple(each) for each in found.values()}) == 1


def test_a_job_that_runs_without_a_known_change_says_so() -> None:
    found = planned(job(0, record=Record((), ())), job(1, 0, record=Record((), ("results/0.parquet",))))
    assert len(found[0]) == 1
    assert found[1] == []
