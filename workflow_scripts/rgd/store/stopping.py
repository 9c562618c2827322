"""Handling of SIGTERM, which a scheduler sends some time before SIGKILL: work in progress is finished first."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator


class Stop:
    """Whether the process has been told to end, and whether its time is up.

    Attributes:
        grace_s: seconds from the signal to the end.
        told_at: when the signal came (``time.monotonic``); None before that.
    """

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self.told_at: float | None = None

    @property
    def is_told(self) -> bool:
        """Whether to begin nothing new."""
        return self.told_at is not None

    @property
    def is_over(self) -> bool:
        """Whether to give up what is in progress."""
        return self.told_at is not None and time.monotonic() - self.told_at >= self.grace_s


@contextlib.contextmanager
def stoppable(grace_s: float) -> Iterator[Stop]:
    """Note SIGTERM, and let it take effect when the block ends; a second SIGTERM takes effect at once.

    Only the main thread receives signals, so in other threads the block just runs.
    """
    stop = Stop(grace_s)
    before = signal.getsignal(signal.SIGTERM)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(*_: object) -> None:
        stop.told_at = time.monotonic()
        signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
        if stop.is_told:
            signal.raise_signal(signal.SIGTERM)
