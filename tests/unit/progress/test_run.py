"""The share of the time that is over, and the time that is left."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.progress.logs import Count
from rgd.progress.run import JOB_S, Job, Run, State
from rgd.progress.stages import OTHER, STAGES, stage_of
from tests import ROOT


def chain(*seconds: float | None, cores: int = 2) -> Run:
    """A run whose jobs each need the one before."""
    jobs = [Job(n, "fit", needs=(n - 1,) if n else (), planned_s=each) for n, each in enumerate(seconds)]
    return Run("e", cores, True, {job.number: job for job in jobs})


def beside(*seconds: float | None, cores: int = 2, threads: int = 1) -> Run:
    """A run whose jobs need none."""
    jobs = [Job(n, "fit", planned_s=each, threads=threads) for n, each in enumerate(seconds)]
    return Run("e", cores, True, {job.number: job for job in jobs})


def play(run: Run, number: int, start: float, end: float) -> None:
    run.start(number, run.jobs[number].rule, "", "", start)
    run.end(number, State.DONE, end)


def test_a_chain_takes_the_sum_and_jobs_side_by_side_share_the_cores() -> None:
    assert chain(10, 20, 30).left(0) == 60
    assert beside(10, 20, 30).left(0) == 30
    assert beside(20, 20, 20, 20).left(0) == 40
    assert beside(20, 20, threads=2).left(0) == 40
    # A job with more threads than there are cores gets them all.
    assert beside(20, 20, threads=8).left(0) == 40


def test_a_cluster_waits_for_the_longest_chain_alone() -> None:
    run = beside(20, 20, 20, 30)
    run.cores = None
    assert run.left(0) == 30


def test_the_share_is_one_of_time_and_not_of_jobs() -> None:
    run = chain(90, 1, 1, 1, 1, 1, 1, 1, 1, 2)
    run.start(0, "fit", "", "", 0)
    assert run.share(50) == pytest.approx(0.5)
    assert len(run.of(State.DONE)) == 0
    run.end(0, State.DONE, 90)
    assert run.share(90) == pytest.approx(0.9)


def test_jobs_that_take_otherwise_than_planned_correct_the_rest() -> None:
    run = chain(10, 10, 10)
    play(run, 0, 0, 20)
    assert run.left(20) == 40


def test_of_jobs_without_a_plan_the_others_of_their_rule_tell() -> None:
    run = chain(None, None, None)
    assert run.left(0) == 3 * JOB_S
    play(run, 0, 0, 30)
    assert run.left(30) == 60


def test_a_job_that_counts_is_taken_at_its_word() -> None:
    run = chain(10, 5)
    run.jobs[1].rule = "score"
    run.start(0, "fit", "", "", 0).count = Count("answers", 100, 400, "", 3.0)
    assert run.left(8) == 105


def test_a_job_that_counts_tells_of_its_kind_from_a_part_on() -> None:
    run = chain(100, 100, 100)
    job = run.start(0, "fit", "", "", 0)
    job.count = Count("answers", 39, 400, "", 10.0)
    assert run.left(4) == pytest.approx(36.1 + 200)
    # It will take 40 s in all.
    job.count = Count("answers", 40, 400, "", 10.0)
    assert run.left(4) == pytest.approx(36 + 2 * 40)
    job.count = Count("answers", 40, 400)
    assert run.left(4) == pytest.approx(96 + 200)


def test_a_job_over_its_time_is_not_over() -> None:
    run = chain(10)
    run.start(0, "fit", "", "", 0)
    assert run.left(100) > 0
    assert run.share(100) < 1


def test_what_needs_a_failed_job_is_not_waited_for() -> None:
    run = chain(10, 1000)
    run.start(0, "fit", "", "", 0)
    run.end(0, State.FAILED, 5)
    assert run.left(5) == 0
    run.start(0, "fit", "", "", 6)
    assert run.left(6) == 1010


def test_without_a_plan_the_share_is_one_of_the_jobs() -> None:
    run = Run(counts={"fit": 3, "route": 1})
    assert run.left(0) is None
    play_unknown = run.start(7, "fit", "a", "", 0)
    run.end(play_unknown.number, State.DONE, 50)
    assert run.share(50) == 0.25
    assert run.total == 4
    assert not run.is_over


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 200)), min_size=1, max_size=8), st.integers(1, 4))
def test_the_share_never_falls_and_ends_at_one(jobs: list[tuple[float, float]], cores: int) -> None:
    run, now, shares = chain(*(planned for planned, _ in jobs), cores=cores), 0.0, []
    for number, (_, real) in enumerate(jobs):
        run.start(number, "fit", "", "", now)
        for step in range(5):
            shares.append(run.share(now + step * real / 5))
        now += real
        run.end(number, State.DONE, now)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert run.is_over
    assert run.left(now) == 0
    assert run.share(now) == (1 if now else 0)


def test_every_rule_has_a_stage() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = re.findall(r"^\s*(?:rule|use rule \w+ as) (\w+)", text, re.MULTILINE)
    assert len(rules) > 60
    assert [rule for rule in rules if stage_of(rule) == OTHER] == []


def test_stages_count_their_jobs_in_the_order_of_the_data() -> None:
    run = Run(counts={"score": 4, "ask_answers": 2})
    for number, state in enumerate((State.DONE, State.FAILED, State.RUNNING)):
        run.start(number, "score", "", "", 0)
        if state is not State.RUNNING:
            run.end(number, state, 10)
    first, second = run.stages(20)
    assert STAGES.index(first.stage) < STAGES.index(second.stage)
    assert (first.done, first.total) == (0, 2)
    assert (second.done, second.total, second.running, second.failed, second.seconds) == (1, 4, 1, 1, 40)
