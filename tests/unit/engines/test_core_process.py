"""An engine core in a process of its own ends with the job, however the job ends; its lease is free at once."""

import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rgd.engines.core_process import has_died, on_death
from rgd.store.leases import Leases
from tests import tiny_models

ROOT = Path(__file__).parents[3]


def run(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a job of its own, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def has_ended(process: int) -> bool:
    """Whether a process is gone; one that nobody has waited for is gone too."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def told(job: "subprocess.Popen[str]", word: str) -> list[int]:
    """The numbers after ``word`` in the job's output."""
    assert job.stdout is not None
    for line in job.stdout:
        if line.startswith(word):
            return [int(number) for number in line.split()[1:]]
    raise AssertionError(f"the job ended without {word}")


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def wait_for_end(processes: list[int]) -> None:
    wait_until(lambda: all(map(has_ended, processes)), "a process outlived the job")


FORK = """
    import multiprocessing, os, sys, time
    from rgd.engines.core_process import dependent_forks
    make = multiprocessing.get_context("fork").Process
    with dependent_forks():
        child = make(target=time.sleep, args=(600,)); child.start()
    other = make(target=time.sleep, args=(600,)); other.start()
    print("processes", child.pid, other.pid, flush=True)
    time.sleep(600)
"""


def test_a_fork_ends_with_its_parent_and_others_are_left_alone() -> None:
    job = run(FORK)
    child, other = told(job, "processes")
    try:
        # Ctrl-C reaches the terminal's process group: the parent alone, as soon as the child has begun.
        wait_until(lambda: os.getpgid(child) != job.pid, "the child stayed in the job's process group")
        assert os.getpgid(other) == job.pid
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
        wait_for_end([child])
        assert not has_ended(other)
    finally:
        os.kill(other, signal.SIGKILL)


def test_a_process_counts_as_dead_as_soon_as_its_death_is_told() -> None:
    """Its exit code may be known a moment later only; an error that names it is then looked at too soon."""
    for _ in range(50):
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        process.start()
        assert not has_died([process])
        told: queue.Queue[bool] = queue.Queue()
        on_death([process], lambda told=told, process=process: told.put(has_died([process])))
        process.kill()
        assert told.get(timeout=60)
        process.join()
        assert has_died([process])
    assert not has_died([])


CORE = """
    import multiprocessing, sys, threading, time
    from pathlib import Path
    import vllm.v1.engine.utils as utils
    # What vLLM does on a GPU; its CPU build would spawn.
    utils.get_mp_context = lambda: multiprocessing.get_context("fork")
    from rgd.engines import EngineSettings, vllm
    from rgd.store.answers import Store
    from rgd.store.fill import fill
    from tests.store_world import WRITING, questions

    class Engine(vllm.VllmEngine):
        def _load(self):
            self.in_own_process = True
            return super()._load()

        def step(self):
            if not self.told:
                print("core", *[process.pid for process in self.processes], flush=True)
                self.told = True
            time.sleep(0.05)
            return super().step()

    engine = Engine(EngineSettings(Path(sys.argv[1]), 256, "float32", memory_gb=1))
    engine.told = False
    count = fill(Store(sys.argv[2]), WRITING, questions(2000), lambda: engine, 8, print)
    engine.close()
    print("asked", count.asked, flush=True)
"""


@pytest.mark.slow
@pytest.mark.ci
def test_a_job_that_is_killed_leaves_no_core_and_no_lease(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    from tests.store_world import WRITING

    job = run(CORE, tiny_models.build(tmp_path / "model"), tmp_path / "store")
    core = told(job, "core")
    assert core
    assert not any(map(has_ended, core))
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    wait_for_end(core)
    assert Leases(tmp_path / "store" / WRITING.key).held() == set()


@pytest.mark.slow
@pytest.mark.ci
def test_a_core_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    """As the system does it where memory is short."""
    pytest.importorskip("vllm")
    script = CORE.replace(
        "self.in_own_process = True", "self.in_own_process, self.loaded = not hasattr(self, 'loaded'), True"
    )
    script = script.replace("questions(2000)", "questions(20)")
    job = run(script, tiny_models.build(tmp_path / "model"), tmp_path / "store")
    (core,) = told(job, "core")
    os.kill(core, signal.SIGKILL)
    assert told(job, "asked") == [20]
    assert job.wait() == 0
