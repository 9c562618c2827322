"""Which code would run, and whether jobs can start from where a checkout lies."""

import os
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest

from rgd.workflow import checkout
from tests import ROOT

HARMLESS = "#%+,-./=@_^~!é"


def stub(path: Path, text: str = "#!/bin/sh\necho started\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def installed(folder: Path, interpreter: Path | None = None) -> Path:
    """An environment whose commands start ``interpreter``, by default its own."""
    environment = folder / ".venv"
    python = stub(environment / "bin/python")
    stub(environment / "bin/snakemake", f"#!{interpreter or python}\n")
    return environment


@pytest.mark.parametrize("character", sorted({*string.punctuation, " ", "\t", "\n", "é"} - {"/"}))
def test_what_breaks_the_shell_is_refused_and_nothing_else(tmp_path: Path, character: str) -> None:
    python = stub(tmp_path / f"x{character}y{character}z/python")
    # What else a folder's name may match as a pattern, or name together with a colon or a brace, decides these.
    depends = character in "*?[]{}:"
    done = subprocess.run(["bash", "-c", f"{python} x"], cwd=tmp_path, capture_output=True, text=True, check=False)
    starts = done.stdout == "started\n"
    assert (checkout.path_problem(python) is None) == (starts and not depends)
    assert (character in HARMLESS) == (starts and not depends)


def test_a_complaint_names_the_path_and_the_character() -> None:
    complaint = checkout.path_problem("/home/me/my project/.venv/bin/python")
    assert complaint is not None
    assert "/home/me/my project/.venv/bin/python" in complaint
    assert "' '" in complaint


def test_an_environment_is_whole_where_it_was_installed_also_through_a_link(tmp_path: Path) -> None:
    environment = installed(tmp_path / "a")
    assert checkout.environment_problem(environment) is None
    assert checkout.environment_problem(tmp_path / "without") is None
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert checkout.environment_problem(tmp_path / "b/.venv") is None
    (tmp_path / "c").mkdir()
    (tmp_path / "c/.venv").symlink_to(environment)
    assert checkout.environment_problem(tmp_path / "c/.venv") is None


@pytest.mark.parametrize("keep", [True, False])
def test_a_moved_or_copied_environment_is_found_out(tmp_path: Path, keep: bool) -> None:
    environment = installed(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (shutil.copytree if keep else shutil.move)(environment, tmp_path / "b/.venv")
    complaint = checkout.environment_problem(tmp_path / "b/.venv")
    assert complaint is not None
    assert str(environment / "bin/python") in complaint


def test_a_dangling_interpreter_is_found_out(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to(tmp_path / "python3.99")
    complaint = checkout.environment_problem(environment)
    assert complaint is not None
    assert "python3.99" in complaint


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("#!/a/.venv/bin/python3.11\nimport x\n", "/a/.venv/bin/python3.11"),
        ("#!/bin/sh\n'''exec' \"/a b/.venv/bin/python3\" \"$0\" \"$@\"\n' '''\n", "/a b/.venv/bin/python3"),
        ("#!/bin/sh\n'''exec' /a/.venv/bin/python \"$0\" \"$@\"\n' '''\n", "/a/.venv/bin/python"),
        ("#!/bin/sh\necho\n", None),
        ("", None),
    ],
)
def test_the_interpreter_is_read_off_a_command(tmp_path: Path, text: str, interpreter: str | None) -> None:
    found = checkout.interpreter_of(stub(tmp_path / "rgd", text))
    assert found == (None if interpreter is None else Path(interpreter))


def test_the_commands_of_this_environment_name_its_interpreter() -> None:
    scripts = [Path(sys.prefix) / "bin" / name for name in checkout.SCRIPTS]
    named = [checkout.interpreter_of(script) for script in scripts if script.exists()]
    assert all(path is not None and path.parent.samefile(Path(sys.prefix) / "bin") for path in named)


def test_the_code_that_runs_is_this_checkouts_also_through_a_link(tmp_path: Path) -> None:
    assert checkout.code_problem(ROOT) is None
    (tmp_path / "link").symlink_to(ROOT)
    assert checkout.code_problem(tmp_path / "link") is None
    other = stub(tmp_path / "other/workflow_scripts/rgd/__init__.py", "").parents[2]
    complaint = checkout.code_problem(other)
    assert complaint is not None
    assert str(ROOT / "workflow_scripts/rgd") in complaint
    assert str(other / "workflow_scripts/rgd") in complaint


def test_a_checkout_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    assert checkout.checkout_of(ROOT / "config/model") == ROOT.resolve()
    assert checkout.checkout_of(tmp_path) is None


def test_it_runs_by_its_path_with_the_standard_library_alone(tmp_path: Path) -> None:
    script = stub(tmp_path / "checkout.py", Path(checkout.__file__).read_text())
    command = [sys.executable, "-I", "-S", str(script), "path"]
    (tmp_path / "a b").mkdir()
    for folder, code in ((tmp_path, 0), (tmp_path / "a b", 1)):
        done = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert bool(done.stdout) == bool(code)
