"""Scripts that load a bundle and end in whatever way: nothing is printed but what they print, and models are closed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny_models
from tests.unit.tool import tool_world

# Closing needs a module that nobody has imported, as the engines' closing does.
STAND_IN = """
import contextlib, os, signal, sys, threading
import numpy as np
from rgd import tool
from rgd.engines import opening
from rgd.tool import answering, places

class Engine:
    def embed(self, texts):
        return np.eye(16, dtype=np.float32)[: len(texts)]
    def generate(self, requests, sampling):
        return [answering.Answer("hello", -0.5, None, 7, 3, "stop", False) for _ in requests]

@contextlib.contextmanager
def opened(spec, *_):
    try:
        yield Engine()
    finally:
        import colorsys
        print("closed")

opening.opened = answering.opened = opened
router = tool.load(sys.argv[1])
print(router.route("a question").best)
"""
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)\n"
ENDS = {
    "the end": ("", 0, None),
    "sys.exit": ("sys.exit(3)", 3, None),
    "an exception": ("1 / 0", 1, "ZeroDivisionError"),
    "Ctrl-C": (INTERRUPT, -signal.SIGINT, "KeyboardInterrupt"),
    "a thread's end": ("threading.Thread(target=lambda: router.route('another one')).start()", 0, None),
    "no more use": ("del router", 0, None),
    "closed before": ("router.close()", 0, None),
    "in a block": ("with router:\n    sys.exit(3)", 3, None),
    "held by a function": ("def ask(text, router=router):\n    return router\nsys.modules['kept'] = ask", 0, None),
    "a cycle": ("router.itself = router", 0, None),
}


def ran(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tool_world.written(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.mark.parametrize("end", ENDS)
def test_a_script_with_a_bundle_ends_quietly(end: str, folder: Path) -> None:
    script, code, told = ENDS[end]
    done = ran(STAND_IN + script, folder)
    lines = done.stderr.splitlines()
    assert done.returncode == code
    assert done.stdout.splitlines()[1:] == ["closed"]
    assert "Exception ignored" not in done.stderr
    assert lines[-1].startswith(told) if told else not lines, done.stderr


def test_members_that_answered_are_closed_too(folder: Path) -> None:
    done = ran(STAND_IN + "asked = answering.Answering(router)\nprint(asked.answer('a question').text)", folder)
    assert done.stdout.splitlines()[1:] == ["hello", "closed", "closed"]
    assert not done.stderr


def test_a_server_that_cannot_be_left_at_the_end_is_not_told(folder: Path) -> None:
    stand_in = STAND_IN.replace("import colorsys", "raise RuntimeError('no new thread')")
    done = ran(stand_in, folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.ci
def test_a_script_with_a_real_embedder_ends_quietly(tmp_path: Path) -> None:
    folder = tool_world.written(tmp_path / "bundle")
    encoder = tiny_models.build_encoder(tmp_path / "encoder", tool_world.DIMENSION)
    done = ran(
        "import sys\n"
        "from rgd import tool\n"
        "from rgd.tool.places import Places\n"
        f"router = tool.load(sys.argv[1], use_hub=False, places=Places(folders={{'embedder': {str(encoder)!r}}}))\n"
        "print(router.route('a question').best)\n",
        folder,
    )
    assert (done.returncode, done.stderr) == (0, "")
