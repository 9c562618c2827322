"""A child process that computes for this one, and ends when this one does, however it ends.

vLLM's engine core runs faster in a process of its own. By itself it would outlive a job that is killed, and keep its GPU.
"""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess

_PR_SET_PDEATHSIG = 1
_forking: list[int] = []


@contextlib.contextmanager
def dependent_forks() -> Iterator[None]:
    """Processes that this one forks in the block are killed as soon as this one ends (prctl, Linux).

    They also leave the terminal's process group, so that Ctrl-C reaches this process alone, which ends them in order.
    """
    _forking.append(os.getpid())
    try:
        yield
    finally:
        _forking.pop()


def can_fork() -> bool:
    """Whether a fork is possible: the system counts from the forking thread's end, and CUDA does not survive a fork."""
    import torch

    return threading.current_thread() is threading.main_thread() and not torch.cuda.is_initialized()


def has_died(processes: Sequence[BaseProcess]) -> bool:
    """Whether one of ``processes`` has ended, or is about to: the system closes its files before its exit code is known."""
    return bool(connection.wait([process.sentinel for process in processes], timeout=0)) if processes else False


def on_death(processes: Sequence[BaseProcess], tell: Callable[[], None]) -> None:
    """Call ``tell``, from another thread, once one of ``processes`` has ended."""

    def watch() -> None:
        connection.wait([process.sentinel for process in processes])
        tell()

    threading.Thread(target=watch, daemon=True).start()


def _depend() -> None:
    """In a forked process: depend on its parent, if that asked for it and still lives."""
    if not _forking:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _forking[-1]:
        os._exit(1)
    os.setsid()
    _forking.clear()


os.register_at_fork(after_in_child=_depend)
