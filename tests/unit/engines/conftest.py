"""What tests of several engines use."""

import pytest

from rgd.engines.remote import RemoteEngine


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that engines decide to wait before further attempts."""
    found: list[float] = []
    pause = RemoteEngine._pause

    def noted(self: RemoteEngine, attempt: int, asked: float | None) -> float:
        found.append(pause(self, attempt, asked))
        return found[-1]

    monkeypatch.setattr(RemoteEngine, "_pause", noted)
    return found
