"""The pace of requests, on a clock that only waiting moves."""

import asyncio

import pytest

from rgd.engines import remote
from rgd.engines.remote import Pace


class Clock:
    """Stands in for the modules ``time`` and ``asyncio``: a wait takes no time, and the clock shows it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(remote, "time", clock)
    monkeypatch.setattr(remote, "asyncio", clock)
    return clock


def turns(pace: Pace, clock: Clock, idle: list[float]) -> list[float]:
    """When each turn comes, of requests that each come so long after the turn before."""

    async def all_of_them() -> list[float]:
        found = []
        for seconds in idle:
            clock.now += seconds
            await pace.turn()
            found.append(clock.now - 100.0)
        return found

    return asyncio.run(all_of_them())


def test_turns_are_evenly_spaced(clock: Clock) -> None:
    assert turns(Pace(1200), clock, [0.0] * 5) == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_a_turn_not_taken_is_not_made_up_for(clock: Clock) -> None:
    assert turns(Pace(60), clock, [0.0, 5.0, 0.0, 0.25]) == pytest.approx([0.0, 5.0, 6.0, 7.0])


def test_without_a_limit_nothing_waits(clock: Clock) -> None:
    assert turns(Pace(None), clock, [0.0] * 4) == [0.0] * 4
