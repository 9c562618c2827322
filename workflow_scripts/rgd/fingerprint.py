"""Fingerprints of code: they change when what the code does can have changed, and not when a comment does.

A rule's fingerprint is a hash of the syntax trees of its script and of every module of this package, and every script
beside it, that the script imports, directly or not. Comments, docstrings, positions and formatting are no part of it.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "rgd"
# What every script runs in (its log, its end, its provenance) decides no result.
SURROUNDINGS = "job"
ROOT = Path(__file__).parents[1]


def fingerprint(script: str, plugins: Iterable[str] = (), root: Path = ROOT) -> str:
    """The fingerprint, 16 hex digits, of ``root/script`` and of all it imports from the package.

    Args:
        script: path of the rule's script under ``root``.
        plugins: modules that the script loads by name, as ``rgd.routers.cascal``: they and their imports count too.
        root: the folder that holds the scripts and the package.

    Raises:
        ValueError: a relative import, or an import of a module of the package that does not exist.
    """
    start = root / script
    seen: dict[str, str] = {}
    waiting = [*_imports(start, root), *plugins]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        file = _file(module, root)
        if file is None:
            raise ValueError(f"{script}: the fingerprint cannot follow the import of {module}")
        seen[module] = _tree_hash(file, file.stat().st_mtime_ns)
        waiting.extend(_imports(file, root))
        # Importing a.b.c runs a and a.b too.
        parent = module.rpartition(".")[0]
        if parent:
            waiting.append(parent)
    parts = [_tree_hash(start, start.stat().st_mtime_ns), *(f"{module}={seen[module]}" for module in sorted(seen))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _parsed(file: Path, mtime: int) -> ast.Module:
    del mtime  # part of the cache's key: an edited file is parsed again
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _tree_hash(file: Path, mtime: int) -> str:
    return hashlib.sha256(ast.dump(_parsed(file, mtime)).encode()).hexdigest()


def _imports(file: Path, root: Path) -> list[str]:
    """Modules of the package, and scripts, that ``file`` imports anywhere, also inside functions."""
    return _imports_cached(file, file.stat().st_mtime_ns, root)


def _is_followed(module: str, root: Path) -> bool:
    first = module.split(".")[0]
    return first == PACKAGE or (first != SURROUNDINGS and (root / f"{first}.py").is_file())


@cache
def _imports_cached(file: Path, mtime: int, root: Path) -> list[str]:
    found = []
    for node in ast.walk(_parsed(file, mtime)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_followed(alias.name, root)]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(
                    f"{file}: a relative import, which the fingerprint does not follow; name the module whole"
                )
            if node.module and _is_followed(node.module, root):
                found.append(node.module)
                # `from rgd.routers import base` may import a module as well as a name.
                found += [
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if _file(f"{node.module}.{alias.name}", root) is not None
                ]
    return found
