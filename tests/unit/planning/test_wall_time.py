"""How long jobs take with a number of GPUs, which chain decides it, and what to raise."""

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rgd.config.schema import Model
from rgd.planning.estimates import Estimate, shared
from rgd.planning.graph import Job
from rgd.planning.plan import Outlook, content, lines
from rgd.planning.wall_time import Suggestion, Task, schedule, suggestions, tasks_of, wall_time

MODEL: dict[str, Any] = {
    "title": "M",
    "licence": "none",
    "max_model_len": 100,
    "asks": {"default": {"way": "generate", "prompt": "p"}},
}


def local(**changes: Any) -> Model:
    return Model.model_validate(MODEL | {"engine": "vllm", "weights": {"path": "/nowhere"}, "gpus": 1} | changes)


def served(**api: Any) -> Model:
    return Model.model_validate(MODEL | {"engine": "openai", "api": {"model": "m", **api}})


def config(**models: Model) -> Any:
    return SimpleNamespace(name="e", model=models, dataset={}, featurizer={}, generator={}, config=None)


def test_tasks_share_the_gpus() -> None:
    tasks = [Task(number, 10.0, 1, ()) for number in range(8)]
    assert schedule(tasks, 8) == (10.0, (7,))
    assert schedule(tasks, 4)[0] == 20.0
    assert schedule(tasks, 3)[0] == 30.0
    assert schedule(tasks, 1) == (80.0, tuple(range(8)))


def test_a_task_waits_for_what_it_needs_and_for_all_its_gpus() -> None:
    tasks = [Task(0, 5.0, 1, ()), Task(1, 7.0, 2, ()), Task(2, 1.0, 0, (0,))]
    assert schedule(tasks, 2) == (13.0, (1, 0, 2))
    assert schedule(tasks, 3)[0] == 7.0


def test_tasks_without_gpus_wait_for_none() -> None:
    assert schedule([Task(number, 3.0, 0, ()) for number in range(100)], 1)[0] == 3.0


def test_tasks_that_run_alone_run_one_after_the_other() -> None:
    tasks = [Task(number, 3.0, 1, (), alone="m" if number < 3 else None) for number in range(6)]
    seconds, chain = schedule(tasks, 6)
    assert (seconds, set(chain)) == (9.0, {0, 1, 2})


def test_the_longest_chain_goes_first() -> None:
    tasks = [Task(0, 4.0, 1, ()), Task(1, 1.0, 1, ()), Task(2, 9.0, 0, (1,))]
    assert schedule(tasks, 1) == (10.0, (1, 2))


def test_nothing_takes_no_time() -> None:
    assert schedule([], 1) == (0.0, ())


@pytest.mark.parametrize("seed", range(20))
def test_no_schedule_is_shorter_than_its_bounds_and_every_chain_is_as_long_as_the_whole(seed: int) -> None:
    chance = random.Random(seed)
    gpus = chance.randint(1, 8)
    tasks = [
        Task(
            number,
            float(chance.randint(0, 9)),
            chance.randint(0, gpus),
            tuple(need for need in range(number) if chance.random() < 0.1),
            chance.choice([None, "a", "b"]),
        )
        for number in range(40)
    ]
    seconds, chain = schedule(tasks, gpus)
    longest = [0.0] * len(tasks)
    for task in tasks:
        longest[task.number] = task.seconds + max((longest[need] for need in task.needs), default=0.0)
    assert seconds >= max(longest)
    assert seconds >= sum(task.gpus * task.seconds for task in tasks) / gpus
    for alone in "ab":
        assert seconds >= sum(task.seconds for task in tasks if task.alone == alone)
    assert sum(tasks[number].seconds for number in chain) == pytest.approx(seconds)


def asking(number: int, member: str = "m", replica: int | None = None, needs: tuple[int, ...] = ()) -> Job:
    rule, wildcards = "ask_answers", {"dataset": "d", "query_set": f"q{number % 10}", "member": member}
    if replica is not None:
        rule, wildcards = "share_answers", wildcards | {"replica": str(replica)}
    return Job(number, rule, "inference", wildcards, (), (), "", "", {}, None, (), False, (), needs, True)


def reading(number: int, *needs: int) -> Job:
    return replace(asking(number, needs=needs), rule="read_answers")


def test_what_follows_waits_for_all_replicas() -> None:
    jobs = [asking(0), asking(10, replica=2), asking(20, replica=3), reading(1, 0)]
    one = shared(Estimate(90, seconds=100.0, gpus=1, model="m", loading_s=10.0), 3)
    assert one.seconds == 40.0
    assert one.gpu_hours == pytest.approx(40 / 3600)
    taken = {0: one, 10: one, 20: one, 1: Estimate(seconds=5.0)}
    tasks = tasks_of(config(m=local()), jobs, taken)
    assert [task.needs for task in tasks] == [(), (), (), (0, 10, 20)]
    assert [task.replicas for task in tasks] == [3, 3, 3, 1]
    assert len({task.alone for task in tasks[:3]}) == 3
    assert schedule(tasks, 3)[0] == 45.0
    assert schedule(tasks, 1)[0] == 125.0


def test_jobs_of_a_member_run_one_at_a_time_and_those_of_a_pace_too() -> None:
    jobs = [asking(0), asking(1), asking(2, "n")]
    taken = {job.number: Estimate(1, seconds=10.0, gpus=1, model=job.wildcards["member"]) for job in jobs}
    first, second, other = (task.alone for task in tasks_of(config(m=local(), n=local()), jobs, taken))
    assert first == second != other
    paced = config(m=served(requests_per_minute=60), n=served())
    assert len({task.alone for task in tasks_of(paced, jobs, taken)}) == 2


def test_replicas_of_the_member_that_decides_are_suggested() -> None:
    jobs = [asking(0, "slow"), asking(1, "quick")]
    taken = {
        0: Estimate(900, seconds=1000.0, gpus=1, model="slow", loading_s=100.0),
        1: Estimate(900, seconds=200.0, gpus=1, model="quick", loading_s=100.0),
    }
    found = wall_time(config(slow=local(), quick=local()), jobs, taken, 8)
    assert (found.seconds, found.chain, found.unknown) == (1000.0, (0,), 0)
    assert found.busy == pytest.approx(1200 / 8000)
    # With four, each of which loads the model, 325 s; with eight there would be no GPU for the other.
    assert found.suggestions[0] == Suggestion("slow", "replicas", 4, 325.0)
    assert found.with_twice_the_gpus == 1000.0


def test_no_replicas_are_suggested_where_the_gpus_are_full() -> None:
    jobs = [asking(number, f"m{number}") for number in range(8)]
    taken = {job.number: Estimate(9, seconds=100.0, gpus=1, model=job.wildcards["member"]) for job in jobs}
    models = {f"m{number}": local() for number in range(8)}
    found = wall_time(config(**models), jobs, taken, 2)
    assert (found.busy, found.suggestions, found.with_twice_the_gpus) == (1.0, (), 200.0)


@pytest.mark.parametrize(("pace", "most"), [(None, 512), (120.0, 16), (30.0, None)])
def test_more_requests_at_a_time_are_suggested_up_to_the_pace(pace: float | None, most: int | None) -> None:
    model = served(concurrency=8, requests_per_minute=pace)
    taken = {0: Estimate(60, seconds=60.0, model="m")}
    found = wall_time(config(m=model), [asking(0)], taken, 8)
    assert {each.key for each in found.suggestions} <= {"api.concurrency"}
    values = [each.value for each in found.suggestions if each.key == "api.concurrency"]
    assert bool(values) == (most is not None)
    assert all(8 < value <= (most or 0) for value in values)


def test_a_batch_is_no_faster_for_more_requests_at_a_time() -> None:
    taken = {0: Estimate(60, seconds=60.0, model="m")}
    assert wall_time(config(m=served(batch=True)), [asking(0)], taken, 8).suggestions == ()


def test_a_model_that_needs_more_gpus_is_named() -> None:
    taken = {0: Estimate(1, seconds=10.0, gpus=4, model="large"), 1: Estimate(1, seconds=10.0, gpus=1, model="small")}
    found = wall_time(config(large=local(gpus=4), small=local()), [asking(0, "large"), asking(1, "small")], taken, 2)
    assert (found.seconds, found.too_large) == (None, ("large",))


def test_what_is_unknown_is_said_and_counts_nothing() -> None:
    jobs = [asking(0), reading(1, 0)]
    taken = {0: Estimate(1, seconds=10.0, gpus=1, model="m"), 1: Estimate(seconds=None)}
    wall = wall_time(config(m=local()), jobs, taken, 2)
    assert (wall.seconds, wall.unknown) == (10.0, 1)
    outlook = Outlook("e", tuple(jobs), 2, {0: (), 1: ()}, taken, jobs, 3600.0, wall=wall)
    said = next(line for line in lines(outlook) if line.startswith("With 2 GPUs"))
    assert "at least 10 s" in said
    told = content(outlook)["wall_time"]
    assert (told["gpus"], told["seconds"], told["unknown"]) == (2, 10.0, 1)
    assert told["chain"][0]["job"] == jobs[0].name
    without = replace(outlook, wall=None)
    assert content(without)["wall_time"] is None
    assert not any(line.startswith("With ") for line in lines(without))


def test_suggestions_end() -> None:
    assert suggestions(config(), [], 4) == ()
    assert suggestions(config(), [Task(0, 5.0, 1, ())], 4) == ()
