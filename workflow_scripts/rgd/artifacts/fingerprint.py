"""Fingerprints of code: they change when what the code does can have changed, and not when a comment does.

A rule's fingerprint is a hash of the syntax trees of its script and of every module of this package, and every script
beside it, that the script imports, directly or not. Comments, docstrings, positions and formatting are no part of it.
Modules that a script loads by the name in its slice are followed as plugins. Beside the code stand the versions of the
libraries that decide the rule's numbers: those that the modules followed name in a constant ``LIBRARIES``.
"""

import ast
import hashlib
import json
import os
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from rgd.errors import UserError

PACKAGE = "rgd"
DECIDES_NOTHING = {
    "_job": "what every script runs in: its log, its end, its provenance",
    "rgd.engines.opening": "where weights lie and how a server is asked; which model it is stands in the parameters",
}
"""Modules that decide no result, so that they are not followed, and what they hold."""
ROOT = Path(__file__).parents[2]
LIBRARIES = "LIBRARIES"

DISPATCHES = {
    "rgd.routers": "the method of the rule's slice, which the rule names as a plugin",
    "rgd.datasets": "the adapter of the rule's slice, which the rule names as a plugin",
    "rgd.engines": "an engine, which is provenance and decides no fingerprint",
}
"""The modules that may import a module by a name that is known only when they run, and what they import so."""

# Calls and names by which a file brings in code or data that its import statements do not show.
_HIDDEN_IMPORTS = {"import_module", "__import__", "exec", "spec_from_file_location", "run_path", "run_module"}
_HIDDEN_DATA = {"__file__", "get_data"}
_HIDDEN_MODULES = {"runpy", "pkgutil", "importlib.resources", "importlib.util", "importlib.machinery"}
# Part of the name of what is kept of a file: another form of it has another number.
_FORM = 2


@dataclass(frozen=True)
class Source:
    """What one file says.

    Attributes:
        tree: a hash of the whole file.
        definitions: a hash of every function, method and constant by name, of the imports, and of all other statements.
        imports: what is imported: ``MODULE``, or ``MODULE:NAME`` where NAME may be a module or something in it.
        libraries: what the constant ``LIBRARIES`` names.
        hidden_imports: lines that import in a way that cannot be followed, as ``LINE: what``.
        hidden_data: lines that find a file of the package, whose content would be no part of a fingerprint.
    """

    tree: str
    definitions: dict[str, str]
    imports: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    hidden_imports: tuple[str, ...] = ()
    hidden_data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """What a rule's script runs.

    Attributes:
        modules: by name the sources followed, the script under its file name.
        files: by path a hash of the data files that the rule names.
    """

    modules: Mapping[str, Source]
    files: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """16 hex digits, which change with any of it."""
        trees = {name: source.tree for name, source in self.modules.items()}
        return _hash(f"{name}={value}" for name, value in sorted({**trees, **self.files}.items()))[:16]

    @property
    def libraries(self) -> dict[str, str]:
        """The versions of the libraries that decide the numbers, by name."""
        names = sorted({name for source in self.modules.values() for name in source.libraries})
        return {name: version(name) for name in names}

    def definitions(self) -> dict[str, dict[str, str]]:
        """The hashes of all that is defined, by module, and of the data files."""
        return {name: dict(source.definitions) for name, source in sorted(self.modules.items())} | {
            name: {"": value} for name, value in sorted(self.files.items())
        }


def fingerprint(script: str, plugins: Iterable[str] = (), root: Path = ROOT) -> str:
    """The fingerprint, 16 hex digits, of ``root/script`` and of all it imports from the package; see :func:`follow`."""
    return follow(script, plugins, root=root).fingerprint


def follow(
    script: str,
    plugins: Iterable[str] = (),
    files: Iterable[str] = (),
    root: Path = ROOT,
    kept: Path | None = None,
) -> Code:
    """Everything that the fingerprint of ``root/script`` is made of.

    Args:
        script: path of the rule's script under ``root``.
        plugins: modules that the script loads by name, as ``rgd.routers.cascal``: they and their imports count too.
        files: data files under ``root`` that the code reads.
        root: the folder that holds the scripts and the package.
        kept: a folder that keeps what is read off each file, by the file's content; None keeps it in memory alone.

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
                f"{root / script}: the fingerprint cannot follow the import of {module}: there is no such module."
            )
        modules[module] = _source(file, kept)
        waiting += _followed(modules[module], root)
    for name, source in modules.items():
        _refuse(name, source, script, bool(files))
    return Code(modules, {name: hashlib.sha256((root / name).read_bytes()).hexdigest()[:16] for name in files})


def parameter(code: Code, script: str, plugins: Iterable[str] = ()) -> str:
    """What a rule has as its parameter ``code``: the fingerprint, what it is of, and the libraries' versions, as JSON."""
    content = {
        "fingerprint": code.fingerprint,
        "of": [script, *plugins],
        **({"files": sorted(code.files)} if code.files else {}),
        **({"libraries": code.libraries} if code.libraries else {}),
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


@cache
def version(library: str) -> str:
    """The version of an installed distribution, without what names a build of it (``+cpu``).

    Raises:
        UserError: it is not installed.
    """
    try:
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        raise UserError(
            f"the library {library}, which a constant LIBRARIES names, is not installed: run make install."
        ) from None


def _refuse(name: str, source: Source, script: str, has_files: bool) -> None:
    if name in DISPATCHES:
        return
    if source.hidden_imports:
        raise UserError(
            f"{name}, line {source.hidden_imports[0]}: the fingerprint of {script} cannot follow this import. Name the "
            "module whole in an import statement, or load it through a dispatch function that the rule names the plugins of."
        )
    if source.hidden_data and not has_files:
        raise UserError(
            f"{name}, line {source.hidden_data[0]}: {script} finds a file by the code's own place, so that an edit of this "
            "file would go unnoticed. Make it an input of the rule, or name it: code(SCRIPT, files=[...])."
        )


def _followed(source: Source, root: Path) -> list[str]:
    """The modules of the package, and the scripts, among what a file imports.

    The packages that hold an imported module run as well, but what they define is not what is imported: they count where
    something is imported from them.
    """
    found = []
    for name in source.imports:
        module, _, member = name.partition(":")
        first = module.split(".")[0]
        if first != PACKAGE and not (root / f"{first}.py").is_file():
            continue
        # `from rgd.routers import base` may import a module as well as a name.
        found.append(f"{module}.{member}" if member and _file(f"{module}.{member}", root) else module)
    return [module for module in found if module not in DECIDES_NOTHING]


def _file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source(file: Path, kept: Path | None) -> Source:
    """What ``file`` says; what was read off the same content before is not worked out again."""
    state = file.stat()
    return _source_of(file, state.st_mtime_ns, state.st_size, kept)


@cache
def _source_of(file: Path, mtime: int, size: int, kept: Path | None) -> Source:
    del mtime, size  # parts of the cache's key: an edited file is read again
    content = file.read_bytes()
    if kept is None:
        return read_source(content, str(file))
    # Another Python may see another tree in the same text.
    name = f"{_FORM}-{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(content).hexdigest()[:32]}.json"
    try:
        tree, definitions, *lists = json.loads((kept / name).read_text(encoding="utf-8"))
        return Source(tree, definitions, *map(tuple, lists))
    except (OSError, ValueError, TypeError):
        source = read_source(content, str(file))
        _keep(kept / name, list(asdict(source).values()))
        return source


def _keep(path: Path, content: list[Any]) -> None:
    """Write what is only there to save time: where it cannot be written, nothing is lost."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)


def read_source(content: bytes, name: str) -> Source:
    """What a file of this ``content`` says; ``name`` is its name in messages.

    Raises:
        UserError: it is no Python.
    """
    try:
        tree = ast.parse(content, filename=name)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{name} cannot be read as Python: {error}") from None
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
    """The statements of a module, classes taken apart into their head and their members."""
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
    """A docstring, or any other text that stands alone and does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(node: Any) -> str:
    """A syntax tree as text, without positions, docstrings and what is empty, which differs between Pythons."""
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
