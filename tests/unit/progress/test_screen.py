"""The picture of a run fits the terminal, whatever its size and whatever names are shown."""

import io

import pytest
from rich.console import Console

from rgd.progress import words
from rgd.progress.logs import Count
from rgd.progress.run import Job, Run, State
from rgd.progress.screen import Screen
from rgd.progress.words import MOST_AT_WORK

HOSTILE = "a\x1b[2J[bold]b[/bold]\r\n"


def drawn(run: Run, width: int = 80, height: int = 24, has_ended: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(Screen(run, 100, has_ended))
    return captured.get().splitlines()


@pytest.fixture
def run() -> Run:
    jobs = [Job(n, "ask_answers", asks=f"member-{n // 2}", planned_s=60) for n in range(40)]
    jobs += [Job(100 + n, "fit", needs=(n,), planned_s=5) for n in range(40)]
    run = Run("mine", 2, True, {job.number: job for job in jobs})
    for number in range(10):
        run.start(number, "ask_answers", f"member-{number // 2} answers {HOSTILE}", "", 0)
    for number in range(3):
        run.end(number, State.DONE, 50)
    run.jobs[4].count = Count("answers", 128, 420, "", 12.3)
    return run


def test_the_stages_the_members_and_the_jobs_at_work_are_shown(run: Run) -> None:
    text = "\n".join(drawn(run, width=100, height=40))
    for shown in ("mine", "responses", "3/40", "routers", "0/40", "member-2", "128 of 420", "12.3/s"):
        assert shown in text
    assert text.count("now:") == MOST_AT_WORK + 1
    assert "\x1b" not in text
    assert "[bold]" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (200, 50), (80, 12)])
def test_it_fits(run: Run, width: int, height: int) -> None:
    lines = drawn(run, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height


def test_the_end_names_no_time_left(run: Run) -> None:
    assert "left" in drawn(run)[0]
    assert "left" not in drawn(run, has_ended=True)[0]


def test_a_share_says_what_it_is_of(run: Run) -> None:
    assert "of the time" in words.share(run, 100)
    assert "failed" not in words.share(run, 100)
    run.end(3, State.FAILED, 100)
    assert "1 job failed" in words.share(run, 100)
    run.is_planned = False
    assert "of the jobs" in words.share(run, 100)


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.9, "1:05"), (3661, "1:01:01")])
def test_a_clock(seconds: float, shown: str) -> None:
    assert words.clock(seconds) == shown


def test_one_failure_names_its_reason_and_its_log_and_steers_no_terminal() -> None:
    lines = words.failed(HOSTILE, ["because\x1b[2J"], ["results/logs/fit/a.log"])
    assert sum("because" in line for line in lines) == 1
    assert sum("results/logs/fit/a.log" in line for line in lines) == 1
    assert not any("\x1b" in line for line in lines)
    assert "SIGKILL" in "".join(words.failed("a", [], [], "died with <Signals.SIGKILL: 9>"))
