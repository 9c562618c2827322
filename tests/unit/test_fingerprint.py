"""Code fingerprints: what changes them, and what does not."""

from pathlib import Path

import pytest

from rgd.fingerprint import fingerprint

SCRIPT = '''"""A script."""
from rgd.core import work

work(1)  # a comment
'''
CORE = '''"""A module."""
from rgd.deep import value


def work(x):
    """Docstring."""
    return value + x
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "rgd"
    (package / "routers").mkdir(parents=True)
    for folder in (package, package / "routers"):
        (folder / "__init__.py").write_text("")
    (tmp_path / "script.py").write_text(SCRIPT)
    (package / "core.py").write_text(CORE)
    (package / "deep.py").write_text("value = 1\n")
    (package / "other.py").write_text("value = 2\n")
    (package / "routers" / "one.py").write_text("from rgd.other import value\n")
    (package / "routers" / "two.py").write_text("value = 3\n")
    return tmp_path


def test_comments_docstrings_and_formatting_do_not_count(root: Path) -> None:
    before = fingerprint("script.py", root=root)
    (root / "script.py").write_text("from rgd.core import (\n    work,\n)\n\n\nwork( 1 )\n")
    (root / "rgd" / "core.py").write_text("from rgd.deep import value\ndef work(x): return (value + x) # other\n")
    assert fingerprint("script.py", root=root) == before


@pytest.mark.parametrize("file", ["script.py", "rgd/core.py", "rgd/deep.py", "rgd/__init__.py"])
def test_an_edit_of_the_script_or_of_what_it_imports_counts(root: Path, file: str) -> None:
    before = fingerprint("script.py", root=root)
    text = (root / file).read_text()
    (root / file).write_text(text + "\nextra = 1\n")
    assert fingerprint("script.py", root=root) != before
    (root / file).write_text(text)
    assert fingerprint("script.py", root=root) == before


def test_a_module_that_is_not_imported_does_not_count(root: Path) -> None:
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", root=root) == before


def test_only_the_named_plugin_and_its_imports_count(root: Path) -> None:
    before = fingerprint("script.py", ["rgd.routers.one"], root=root)
    (root / "rgd" / "routers" / "two.py").write_text("value = 4\n")
    assert fingerprint("script.py", ["rgd.routers.one"], root=root) == before
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", ["rgd.routers.one"], root=root) != before


def test_an_import_inside_a_function_counts(root: Path) -> None:
    (root / "rgd" / "core.py").write_text("def work(x):\n    from rgd.other import value\n    return value\n")
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", root=root) != before


def test_what_cannot_be_followed_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        fingerprint("script.py", ["rgd.routers.absent"], root=root)
    (root / "rgd" / "core.py").write_text("from . import deep\n")
    with pytest.raises(ValueError, match="relative import"):
        fingerprint("script.py", root=root)


def test_a_script_beside_it_counts_but_not_what_every_script_runs_in(root: Path) -> None:
    (root / "job.py").write_text("running = 1\n")
    (root / "shared.py").write_text("from rgd.other import value\n")
    (root / "script.py").write_text("from job import running\nfrom shared import value\n")
    before = fingerprint("script.py", root=root)
    (root / "job.py").write_text("running = 2\n")
    assert fingerprint("script.py", root=root) == before
    (root / "rgd" / "other.py").write_text("value = 5\n")
    other = fingerprint("script.py", root=root)
    assert other != before
    (root / "shared.py").write_text("from rgd.other import value\nvalue += 1\n")
    assert fingerprint("script.py", root=root) not in (before, other)
