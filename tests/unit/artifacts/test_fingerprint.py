"""Code fingerprints: what changes them, and what does not."""

import ast
import json
import re
from pathlib import Path

import pytest

from rgd.artifacts import fingerprint as module
from rgd.artifacts.fingerprint import DECIDES_NOTHING, DISPATCHES, ROOT, fingerprint, follow, parameter, read_source
from rgd.datasets import adapters
from rgd.errors import UserError
from rgd.report.leaderboard import FILES as LEADERBOARD_FILES
from rgd.report.page import FILES as PAGE_FILES
from rgd.routers import methods
from rgd.workflow.code import questions_beside

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
RULES = "".join(path.read_text() for path in sorted((ROOT.parent / "rules").glob("*.smk")))
RULE_SCRIPTS = sorted(set(re.findall(r'\bcode(?:\.\w+)?\(\s*"(\w+\.py)"', RULES)))
ROUTERS = methods()
ADAPTERS = adapters()

DECIDE_NOTHING = {
    "annotated-types": "names the ranges of parameters",
    "pydantic": "checks parameters, and changes none",
    "httpx2": "asks a server; what was said is in the store",
    "jinja2": "renders chat templates in the engines",
    "dotenv": "reads keys",
    "numpy": "in nearly every module; named by the rules whose sums and random draws are its work",
    "pandas": "in the analysis; named by the tables",
    "safetensors": "writes and reads the vectors of a bundle, and a value read is a value",
    "pyarrow": "reads and writes tables, and a value read is a value",
    "sympy": "says which whole numbers are prime",
    "torch": "in the engines provenance; named by the routers that learn with it",
    "transformers": "in the engines provenance",
    "huggingface_hub": "fetches files that are checked by their hashes",
    "packaging": "compares versions",
    "tqdm": "shows progress",
}
"""Libraries that a rule's code may import without naming their versions, and why."""
NAMED_ELSEWHERE = {
    "scikit-learn": "projects the map of queries alone",
    "matplotlib": "draws the figures of the scripts that name it",
    "math-verify": "compares answers in the scripts that name it; others look up what was found equal",
    "latex2sympy2-extended": "reads answers for math-verify",
    "antlr4-python3-runtime": "runs the grammar of latex2sympy2-extended, which pins it",
    "scipy": "gives the intervals of the comparisons alone",
}
"""Libraries that a function of a shared module imports, and whose scripts name them: the module's other functions do not."""
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "math_verify": "math-verify",
    "latex2sympy2_extended": "latex2sympy2-extended",
    "antlr4": "antlr4-python3-runtime",
    "annotated_types": "annotated-types",
    "google": "google-genai",
}


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


def test_a_text_that_stands_beside_a_constant_does_not_count(root: Path) -> None:
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "deep.py").write_text('value = 1\n"""What the value is for."""\n')
    assert fingerprint("script.py", root=root) == before


@pytest.mark.parametrize("file", ["script.py", "rgd/core.py", "rgd/deep.py"])
def test_an_edit_of_the_script_or_of_what_it_imports_counts(root: Path, file: str) -> None:
    before = fingerprint("script.py", root=root)
    text = (root / file).read_text()
    (root / file).write_text(text + "\nextra = 1\n")
    assert fingerprint("script.py", root=root) != before
    (root / file).write_text(text)
    assert fingerprint("script.py", root=root) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ()"),
        ("a = 1\nb = 2", "b = 2\na = 1"),
        ("f()\ny = 1\ng()", "f()\ng()\ny = 1"),
        ("class A:\n    def f(self): return 1", "class A:\n    def f(self): return 2"),
        ("class A:\n    x = 1", "class A(B):\n    x = 1"),
        ("def f(x=1): return x", "def f(x=2): return x"),
        ("@cache\ndef f(): return 1", "def f(): return 1"),
        ("def f(): return 1", "async def f(): return 1"),
        ("x = [1, 2]", "x = [2, 1]"),
        ("x = not y", "x = ~y"),
        ("x = f'{y!r}'", "x = f'{y}'"),
    ],
)
def test_what_can_change_a_result_changes_the_tree(before: str, after: str) -> None:
    assert read_source(before.encode(), "a").tree != read_source(after.encode(), "a").tree


def test_definitions_tell_which_function_was_edited() -> None:
    text = "LIMIT = 3\n\n\nclass A:\n    size = 1\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    before, after = (
        read_source(each.encode(), "a").definitions for each in (text, text.replace("return 2", "return 3"))
    )
    assert {name for name in before if before[name] != after[name]} == {"A.g"}
    assert set(before) == {"LIMIT", "A", "A.size", "A.f", "A.g"}


def test_a_module_that_is_not_imported_does_not_count(root: Path) -> None:
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", root=root) == before


def test_a_package_counts_where_something_is_imported_from_it_and_not_as_the_holder_of_a_module(root: Path) -> None:
    init = root / "rgd" / "__init__.py"
    before = fingerprint("script.py", root=root)
    init.write_text("__version__ = '2'\n")
    assert fingerprint("script.py", root=root) == before
    (root / "rgd" / "deep.py").write_text("from rgd import __version__ as value\n")
    before = fingerprint("script.py", root=root)
    init.write_text("__version__ = '3'\n")
    assert fingerprint("script.py", root=root) != before


def test_only_the_named_plugin_and_its_imports_count(root: Path) -> None:
    before = fingerprint("script.py", ["rgd.routers.one"], root=root)
    (root / "rgd" / "routers" / "two.py").write_text("value = 4\n")
    assert fingerprint("script.py", ["rgd.routers.one"], root=root) == before
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", ["rgd.routers.one"], root=root) != before


@pytest.mark.parametrize("line", ["from rgd.other import value", "import rgd.other", "from rgd import other"])
def test_an_import_inside_a_function_counts(root: Path, line: str) -> None:
    (root / "rgd" / "core.py").write_text(f"def work(x):\n    {line}\n    return x\n")
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "other.py").write_text("value = 5\n")
    assert fingerprint("script.py", root=root) != before


def test_a_module_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"script\.py: .*rgd\.routers\.absent"):
        fingerprint("script.py", ["rgd.routers.absent"], root=root)
    (root / "rgd" / "core.py").write_text("import rgd.absent\n")
    with pytest.raises(UserError, match=r"script\.py: .*rgd\.absent"):
        fingerprint("script.py", root=root)


@pytest.mark.parametrize(
    "line",
    [
        "from . import deep",
        "import importlib\nimportlib.import_module('rgd.deep')",
        "from importlib import import_module\nimport_module(name)",
        "__import__('rgd.deep')",
        "exec('import rgd.deep')",
        "import runpy",
        "from importlib.util import spec_from_file_location",
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(root: Path, line: str) -> None:
    (root / "rgd" / "core.py").write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"rgd\.core, line \d: .*script\.py.*import"):
        fingerprint("script.py", root=root)


def test_a_data_file_found_by_the_codes_place_must_be_named_and_then_counts(root: Path) -> None:
    (root / "rgd" / "core.py").write_text(
        "from pathlib import Path\nTEXT = (Path(__file__).parent / 'a.csv').read_text()\n"
    )
    (root / "rgd" / "a.csv").write_text("1\n")
    with pytest.raises(UserError, match=r"rgd\.core, line 2: .*script\.py .*files="):
        follow("script.py", root=root)
    before = follow("script.py", files=["rgd/a.csv"], root=root)
    (root / "rgd" / "a.csv").write_text("2\n")
    after = follow("script.py", files=["rgd/a.csv"], root=root)
    assert before.fingerprint != after.fingerprint
    assert before.definitions()["rgd/a.csv"] != after.definitions()["rgd/a.csv"]


def test_a_script_beside_it_counts_but_not_what_every_script_runs_in(root: Path) -> None:
    (root / "_job.py").write_text("running = 1\n")
    (root / "shared.py").write_text("from rgd.other import value\n")
    (root / "script.py").write_text("from _job import running\nfrom shared import value\n")
    before = fingerprint("script.py", root=root)
    (root / "_job.py").write_text("running = 2\n")
    assert fingerprint("script.py", root=root) == before
    (root / "rgd" / "other.py").write_text("value = 5\n")
    other = fingerprint("script.py", root=root)
    assert other != before
    (root / "shared.py").write_text("from rgd.other import value\nvalue += 1\n")
    assert fingerprint("script.py", root=root) not in (before, other)


def test_how_a_model_is_opened_counts_in_no_fingerprint(root: Path) -> None:
    (root / "rgd" / "engines").mkdir()
    for name in ("__init__", "opening"):
        (root / "rgd" / "engines" / f"{name}.py").write_text("settings = 1\n")
    (root / "script.py").write_text("from rgd.engines import opening\nfrom rgd.engines.opening import settings\n")
    before = fingerprint("script.py", root=root)
    (root / "rgd" / "engines" / "opening.py").write_text("settings = 2\n")
    assert fingerprint("script.py", root=root) == before
    assert DECIDES_NOTHING.keys() >= {"_job", "rgd.engines.opening"}


@pytest.mark.parametrize("name", sorted(DECIDES_NOTHING))
def test_what_decides_nothing_is_there(name: str) -> None:
    assert ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()


def test_what_is_kept_of_files_gives_the_same_fingerprint_and_is_read_instead(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    plain = follow("script.py", root=root)
    assert follow("script.py", root=root, kept=kept) == plain
    module._source_of.cache_clear()
    monkeypatch.setattr(ast, "parse", None)
    assert follow("script.py", root=root, kept=kept) == plain


def test_what_is_kept_and_damaged_is_worked_out_again(root: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    plain = follow("script.py", root=root, kept=kept)
    for path in kept.iterdir():
        path.write_text("{")
    module._source_of.cache_clear()
    assert follow("script.py", root=root, kept=kept) == plain


def test_the_version_of_a_library_counts_and_its_build_does_not(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "rgd" / "deep.py").write_text('LIBRARIES = ("torch",)\nvalue = 1\n')
    versions = iter(["2.13.0+cpu", "2.13.0", "2.14.0"])
    monkeypatch.setattr(module.metadata, "version", lambda name: next(versions))
    found = []
    for _ in range(3):
        module.version.cache_clear()
        found.append(parameter(follow("script.py", root=root), "script.py"))
    module.version.cache_clear()
    assert json.loads(found[0])["libraries"] == {"torch": "2.13.0"}
    assert found[0] == found[1] != found[2]


def plugins_of(script: str) -> list[list[str]]:
    """What the rule of a script may name as plugins, one after the other."""
    if script in ("fit.py", "route.py"):
        return [[f"rgd.routers.{name}"] for name in ROUTERS]
    if script == "benchmark_questions.py":
        return [[f"rgd.datasets.{name}"] for name in ADAPTERS]
    return [[]]


@pytest.mark.parametrize("script", RULE_SCRIPTS)
def test_every_script_can_be_followed_and_names_the_libraries_that_decide_its_numbers(script: str) -> None:
    own = {path.stem for path in ROOT.glob("*.py")} | {"rgd"}
    published = [f"rgd/analysis/paper/{path.name}" for path in (ROOT / "rgd/analysis/paper").glob("*.csv")]
    files = {"published_table.py": published, "report_page.py": PAGE_FILES, "leaderboard_table.py": LEADERBOARD_FILES}
    for plugins in plugins_of(script):
        code = follow(script, plugins, [*files.get(script, []), *questions_beside(plugins)])
        named = set(code.libraries)
        for name, source in code.modules.items():
            if name.startswith(("rgd.engines", "rgd.weights", "rgd.config")):
                continue
            tops = {each.partition(":")[0].split(".")[0] for each in source.imports} - own
            libraries = {DISTRIBUTIONS.get(top, top) for top in tops if top not in module.sys.stdlib_module_names}
            assert libraries <= named | {*DECIDE_NOTHING, *NAMED_ELSEWHERE}, (
                f"{script} runs {name}; name the library in LIBRARIES"
            )


@pytest.mark.parametrize("name", sorted(DISPATCHES))
def test_what_may_import_by_name_does(name: str) -> None:
    path = ROOT.joinpath(*name.split("."), "__init__.py")
    assert read_source(path.read_bytes(), name).hidden_imports
