"""Whether the code that would run belongs to this checkout, and whether jobs can start from the checkout's folder.

The Snakefile, every job and ``make`` run this file by its path, so that no other checkout's copy runs instead. ``make``
runs it before anything is installed, so it imports only the standard library.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

PACKAGE = Path("workflow_scripts", "rgd")
# Snakemake writes the interpreter's path into a shell command without quotes; a colon separates the folders of PATH.
BREAKING = re.compile(r"""[\s"'$&();<>\\`|*?\[\]{}:]""")
# Every installation has some of these; their first lines name its interpreter.
SCRIPTS = ("rgd", "snakemake", "pip")
# `#!PYTHON` or, if the path is too long or contains a space, a line with which sh executes PYTHON.
INTERPRETER = re.compile(r"""^(?:#!|'''exec' )"?(/.*/python[0-9.]*)"?(?: "\$0" "\$@")?$""", re.MULTILINE)


def problem(checkout: str | os.PathLike[str]) -> str | None:
    """Why this interpreter cannot run the workflow of ``checkout``, and the fix; None if it can."""
    broken = environment_problem(Path(checkout, ".venv"))
    return (
        path_problem(sys.executable)
        or (broken and f"{broken} Run `make install` in {Path(checkout).absolute()}: it rebuilds .venv.")
        or code_problem(checkout)
    )


def path_problem(path: str | os.PathLike[str]) -> str | None:
    """Which characters in ``path``, the interpreter's or its future folder's, would break a job's command."""
    found = sorted(set(BREAKING.findall(os.fspath(path))))
    if not found:
        return None
    return (
        f"the path {os.fspath(path)} contains {' and '.join(map(repr, found))}. Snakemake does not quote the path of the "
        "Python interpreter in a job's command, so every job would fail. Move the project to a folder without spaces, "
        "quotes, colons, brackets or other characters that a shell interprets, and run `make install` there."
    )


def environment_problem(environment: Path) -> str | None:
    """Why a checkout's virtual environment cannot work: its interpreter is missing, or it was installed elsewhere."""
    python = environment / "bin" / "python"
    if python.is_symlink() and not python.exists():
        return f"{python} is a link to {os.readlink(python)}, which does not exist."
    for name in SCRIPTS:
        interpreter = interpreter_of(environment / "bin" / name)
        if interpreter is not None and not _same(interpreter.parent, python.parent):
            return f"{environment} was moved or copied after it was installed: its command {name} starts {interpreter}."
    return None


def interpreter_of(script: Path) -> Path | None:
    """The interpreter that the first lines of ``script`` name; None if there is no such script or it names none."""
    try:
        with script.open("rb") as file:
            found = INTERPRETER.search(file.read(4096).decode("utf-8", "replace"))
    except OSError:
        return None
    return Path(found[1]) if found else None


def code_problem(checkout: str | os.PathLike[str]) -> str | None:
    """Why ``import rgd`` would not run the code of ``checkout``."""
    folder, imported = Path(os.path.abspath(checkout)), imported_package()
    own = folder / PACKAGE
    if imported is not None and _same(imported, own):
        return None
    found = "finds no package rgd" if imported is None else f"would run the code of {imported}"
    return (
        f"{sys.executable} {found}, but results would be attributed to the code of {own}. Run `make install` in "
        f"{folder}, then `source .venv/bin/activate`. PYTHONPATH must not name another checkout."
    )


def imported_package() -> Path | None:
    """The folder of the package rgd that this interpreter would import; None if there is none."""
    found = importlib.util.find_spec("rgd")
    return None if found is None or found.origin is None else Path(found.origin).parent


def checkout_of(path: str | os.PathLike[str]) -> Path | None:
    """The nearest folder from ``path`` upwards that is a checkout; None if there is none."""
    place = Path(path).resolve()
    return next((each for each in (place, *place.parents) if (each / PACKAGE / "__init__.py").is_file()), None)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def main(subject: str) -> int:
    """Print what is wrong with the checkout's path or environment; ``make`` calls this in the checkout's folder.

    Args:
        subject: ``path`` or ``environment``.

    Returns:
        1 if something is wrong.
    """
    here = Path.cwd()
    complaint = path_problem(here) if subject == "path" else environment_problem(here / ".venv")
    if complaint:
        print(complaint)
    return int(complaint is not None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
