"""Handling of SIGTERM, which a scheduler sends some time before SIGKILL: work in progress is finished first."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Postpone SIGTERM until the block ends; a second SIGTERM takes effect at once.

    Only the main thread receives signals, so in other threads the block just runs.
    """
    before = signal.getsignal(signal.SIGTERM)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def put_off(*_: object) -> None:
        nonlocal told
        told = True
        signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, put_off)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if told:
            signal.raise_signal(signal.SIGTERM)
