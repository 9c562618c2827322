"""The fingerprint of a rule's code, as its parameter ``code``."""

import functools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rgd.artifacts import fingerprint
from rgd.config.products import unique
from rgd.config.sweep import Cell
from rgd.errors import UserError
from rgd.workflow.study import Study


def questions_beside(plugins: Iterable[str], scripts: Path = fingerprint.ROOT) -> list[str]:
    """The question files beside adapters, as paths relative to ``scripts``."""
    files = [f"{plugin.replace('.', '/')}.jsonl" for plugin in plugins]
    return [file for file in files if (scripts / file).is_file()]


class Code:
    """Fingerprints of the scripts in a folder.

    Args:
        scripts: workflow_scripts/.
        kept: a folder that caches each file's parse by its content, so that only edited files are parsed again.
    """

    def __init__(self, scripts: Path, kept: Path) -> None:
        self.scripts = scripts
        self._of = functools.cache(
            lambda script, plugins, files: fingerprint.parameter(
                fingerprint.follow(script, plugins, files, scripts, kept), script, plugins
            )
        )

    def __call__(self, script: str, plugins: Iterable[str] = (), files: Iterable[str] = ()) -> str:
        """The parameter ``code`` of a rule; if its code cannot be followed, the run ends with the message alone.

        Args:
            script: the rule's script.
            plugins: modules that the script loads by name, which are followed too.
            files: data files under workflow_scripts/ that the code reads and that are not inputs.
        """
        try:
            return self._of(script, tuple(plugins), tuple(files))
        except UserError as error:
            sys.exit(f"Code error: {error}")

    def of_router(self, script: str, study: Study) -> Any:
        """A function of the wildcards: the parameter ``code`` including the router's own module."""
        return lambda wildcards: self(script, [f"rgd.routers.{study.router(wildcards).method}"])

    def of_routers(self, script: str, cells: Iterable[Cell], study: Study) -> str:
        """The parameter ``code`` including the modules of these cells' routers."""
        methods = unique(study.router(cell).method for cell in cells)
        return self(script, [f"rgd.routers.{method}" for method in methods])

    def of_adapter(self, script: str, study: Study) -> Any:
        """A function of the wildcards: the parameter ``code`` including the dataset's adapter and its question files."""

        def of(wildcards: Any) -> str:
            adapter = study.dataset(wildcards).adapter
            plugins = [f"rgd.datasets.{adapter}"]
            return self(script, plugins, questions_beside(plugins, self.scripts))

        return of

    def files(self, pattern: str) -> list[str]:
        """The data files under workflow_scripts/ whose path matches ``pattern``."""
        return sorted(str(path.relative_to(self.scripts)) for path in self.scripts.glob(pattern))
