"""Fingerprints of code: they change when the code's behaviour may have changed, but not when a comment changes.

A rule's fingerprint is a hash of the syntax trees of its script and of every module of this package, and every script
beside it, that the script imports, directly or indirectly. Comments, docstrings, positions and formatting do not count.
Modules that a script loads by a name in its slice are followed as plugins. A rule's parameter also has the versions of
the libraries that affect its numbers: those that the followed modules name in a constant ``LIBRARIES``.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from rgd.artifacts.digests import remember
from rgd.errors import UserError

PACKAGE = "rgd"
DECIDES_NOTHING = {
    "_asking": "the order in which a loaded model is asked about several query sets",
    "_job": "the frame of every script: its log, exit and provenance",
    "rgd.artifacts.locks": "who may write when",
    "rgd.engines.budget": "what a job may spend",
    "rgd.store.ledger": "what has been spent",
    "_models": "the loading of a job's model",
    "_stored": "what is said if an answer is missing",
    "rgd.engines.opening": "the location of weights and the access to a server; the parameters say which model it is",
    "rgd.store.answers": "the place of answers; the parameters and the requests say which answers they are",
    "rgd.store.fill": "asking for the answers that the store lacks",
}
"""Modules that affect no result and are therefore not followed, and what they hold."""
ROOT = Path(__file__).parents[2]
LIBRARIES = "LIBRARIES"

DISPATCHES = {
    "rgd.routers": "the method of the rule's slice, which the rule names as a plugin",
    "rgd.datasets": "the adapter of the rule's slice, which the rule names as a plugin",
    "rgd.engines": "an engine, which is provenance and affects no fingerprint",
}
"""The modules that may import by a name known only at run time, and what they import this way."""

# Calls and names by which a file loads code or data that its import statements do not show.
_HIDDEN_IMPORTS = {"import_module", "__import__", "exec", "spec_from_file_location", "run_path", "run_module"}
_HIDDEN_DATA = {"__file__", "get_data"}
_HIDDEN_MODULES = {"runpy", "pkgutil", "importlib.resources", "importlib.util", "importlib.machinery"}
# Version of the form in which parsed files are cached; part of the cached files' names.
_FORM = 2


@dataclass(frozen=True)
class Source:
    """The parsed content of one file.

    Attributes:
        tree: a hash of the whole file.
        definitions: a hash of every function, method and constant by name, of the imports, and of all other statements.
        imports: what is imported: ``MODULE``, or ``MODULE:NAME`` where NAME may be a module or a name in it.
        libraries: what the constant ``LIBRARIES`` names.
        hidden_imports: lines that import in a way that cannot be followed, as ``LINE: what``.
        hidden_data: lines that find a file of the package, whose content would be missing from the fingerprint.
    """

    tree: str
    definitions: dict[str, str]
    imports: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    hidden_imports: tuple[str, ...] = ()
    hidden_data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """The code that a rule's script runs.

    Attributes:
        modules: the followed sources by name, the script under its file name.
        files: a hash of each data file that the rule names, by path.
    """

    modules: Mapping[str, Source]
    files: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any module or file."""
        trees = {name: source.tree for name, source in self.modules.items()}
        return _hash(f"{name}={value}" for name, value in sorted({**trees, **self.files}.items()))[:16]

    @property
    def libraries(self) -> dict[str, str]:
        """The versions of the libraries that affect the numbers, by name."""
        names = sorted({name for source in self.modules.values() for name in source.libraries})
        return {name: version(name) for name in names}

    def definitions(self) -> dict[str, dict[str, str]]:
        """The hashes of all definitions, by module, and of the data files."""
        return {name: dict(source.definitions) for name, source in sorted(self.modules.items())} | {
            name: {"": value} for name, value in sorted(self.files.items())
        }


def fingerprint(script: str, plugins: Iterable[str] = (), root: Path = ROOT) -> str:
    """The fingerprint, 16 hex digits, of ``root/script`` and everything it imports from the package; see :func:`follow`."""
    return follow(script, plugins, root=root).fingerprint


def follow(
    script: str,
    plugins: Iterable[str] = (),
    files: Iterable[str] = (),
    root: Path = ROOT,
    kept: Path | None = None,
) -> Code:
    """All code that the fingerprint of ``root/script`` covers.

    Args:
        script: path of the rule's script under ``root``.
        plugins: modules that the script loads by name, such as ``rgd.routers.cascal``; they and their imports count too.
        files: data files under ``root`` that the code reads.
        root: the folder that holds the scripts and the package.
        kept: a folder that caches parsed files by their content; None caches them only in memory.

    Raises:
        UserError: an import that cannot be followed, or a data file that no rule names.
    """
    files, plugins = tuple(files), tuple(plugins)
    modules = {script: _source(root / script, kept)}
    waiting = [*_followed(modules[script], root), *plugins]
    while waiting:
        module = waiting.pop()
        if module in modules:
            continue
        file = _file(module, root)
        if file is None:
            raise UserError(
                f"{root / script}: the fingerprint cannot follow the import of {module}, which does not exist."
            )
        modules[module] = _source(file, kept)
        waiting += _followed(modules[module], root)
    for name, source in modules.items():
        _refuse(name, source, script, bool(files))
    return Code(modules, {name: hashlib.sha256((root / name).read_bytes()).hexdigest()[:16] for name in files})


def parameter(code: Code, script: str, plugins: Iterable[str] = ()) -> str:
    """The value of a rule's parameter ``code``: fingerprint, what it covers, and the libraries' versions, as JSON."""
    content = {
        "fingerprint": code.fingerprint,
        "of": [script, *plugins],
        **({"files": sorted(code.files)} if code.files else {}),
        **({"libraries": code.libraries} if code.libraries else {}),
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


@cache
def version(library: str) -> str:
    """The version of an installed distribution, without the label of its build (``+cpu``).

    Raises:
        UserError: it is not installed.
    """
    try:
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        raise UserError(
            f"the library {library}, named in a constant LIBRARIES, is not installed: run `make install`."
        ) from None


def _refuse(name: str, source: Source, script: str, has_files: bool) -> None:
    if name in DISPATCHES:
        return
    if source.hidden_imports:
        raise UserError(
            f"{name}, line {source.hidden_imports[0]}: the fingerprint of {script} cannot follow this import. Import "
            "the module by its full name, or load it through a dispatch function whose plugins the rule names."
        )
    if source.hidden_data and not has_files:
        raise UserError(
            f"{name}, line {source.hidden_data[0]}: {script} finds a file relative to its code, so an edit of that file "
            "would go unnoticed. Make the file an input of the rule, or name it: code(SCRIPT, files=[...])."
        )


def _followed(source: Source, root: Path) -> list[str]:
    """The package's modules and the scripts among a file's imports.

    The packages above an imported module run as well, but their definitions are not imported: they count only if
    something is imported from them.
    """
    found = []
    for name in source.imports:
        module, _, member = name.partition(":")
        first = module.split(".")[0]
        if first != PACKAGE and not (root / f"{first}.py").is_file():
            continue
        # `from rgd.routers import base` may import a module or a name.
        found.append(f"{module}.{member}" if member and _file(f"{module}.{member}", root) else module)
    return [module for module in found if module not in DECIDES_NOTHING]


def _file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source(file: Path, kept: Path | None) -> Source:
    """The parsed ``file``; content that was parsed before comes from the cache."""
    state = file.stat()
    return _source_of(file, state.st_mtime_ns, state.st_size, kept)


@cache
def _source_of(file: Path, mtime: int, size: int, kept: Path | None) -> Source:
    del mtime, size  # parts of the cache's key: an edited file is read again
    content = file.read_bytes()
    if kept is None:
        return read_source(content, str(file))
    # Another version of Python may parse the same text into another tree.
    name = f"{_FORM}-{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(content).hexdigest()[:32]}.json"
    try:
        tree, definitions, *lists = json.loads((kept / name).read_text(encoding="utf-8"))
        return Source(tree, definitions, *map(tuple, lists))
    except (OSError, ValueError, TypeError):
        source = read_source(content, str(file))
        remember(kept / name, list(asdict(source).values()))
        return source


def read_source(content: bytes, name: str) -> Source:
    """Parse a file's ``content``; ``name`` is the file's name in messages.

    Raises:
        UserError: the content is not Python.
    """
    try:
        tree = ast.parse(content, filename=name)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{name} is not valid Python: {error}") from None
    imports: list[str] = []
    hidden_imports: list[str] = []
    hidden_data: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                hidden_imports.append(f"{node.lineno}: a relative import")
            elif node.module in _HIDDEN_MODULES:
                hidden_imports.append(f"{node.lineno}: {node.module}")
            else:
                imports += [f"{node.module}:{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute | ast.Name):
            word = node.attr if isinstance(node, ast.Attribute) else node.id
            if word in _HIDDEN_IMPORTS:
                hidden_imports.append(f"{node.lineno}: {word}")
            elif word in _HIDDEN_DATA:
                hidden_data.append(f"{node.lineno}: {word}")
    hidden_imports += [f"1: {each}" for each in imports if each in _HIDDEN_MODULES]
    parts = [(_name(part, owner), _canonical(part)) for owner, part in _parts(tree.body, "")]
    texts: dict[str, list[str]] = {}
    for label, text in parts:
        texts.setdefault(label, []).append(text)
    return Source(
        _hash(f"{label}={text}" for label, text in parts),
        {label: _hash(found)[:12] for label, found in texts.items()},
        tuple(sorted(set(imports))),
        _libraries(tree),
        tuple(hidden_imports),
        tuple(hidden_data),
    )


def _parts(body: list[ast.stmt], owner: str) -> Iterator[tuple[str, ast.AST]]:
    """The statements of a module, with classes split into their header and their members."""
    for node in body:
        if _is_bare_text(node):
            continue
        if isinstance(node, ast.ClassDef):
            yield owner, ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
            yield from _parts(node.body, f"{owner}{node.name}.")
        else:
            yield owner, node


def _name(node: ast.AST, owner: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return owner + node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    if len(targets) == 1 and isinstance(targets[0], ast.Name):
        return owner + targets[0].id
    return f"{owner}import" if isinstance(node, ast.Import | ast.ImportFrom) else f"{owner}statements"


def _libraries(tree: ast.Module) -> tuple[str, ...]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and _name(node, "") == LIBRARIES:
            return tuple(ast.literal_eval(node.value))
    return ()


def _is_bare_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring, or another string without effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(node: Any) -> str:
    """A syntax tree as text, without positions, docstrings and empty fields, which differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_canonical(value)}"
            for name, value in ast.iter_fields(node)
            if name not in ("kind", "type_comment") and value is not None and value != []
        )
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_canonical(item) for item in node if not _is_bare_text(item))}]"
    return repr(node)


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
