"""SIGTERM, which a scheduler sends some time before it kills: work that is nearly done is finished first."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Put SIGTERM off until the block ends; then it does what it would have done. A second one does it at once.

    In other threads than the main one, to which no signal comes, the block just runs.
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
