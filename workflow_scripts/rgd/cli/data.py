"""The commands ``rgd data``: what the datasets read, what of it is here, and fetching the rest."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rgd.config import load
from rgd.config.hints import nearest
from rgd.config.products import listed
from rgd.config.schema import Config, Dataset
from rgd.config.slices import data_roots, fetching
from rgd.datasets.hub import fetch, readable_size
from rgd.datasets.mirror import manifest, source_files
from rgd.errors import UserError

PRESENT, FETCHED, MISSING, MADE = "present", "fetched", "missing", "made by the project"


def fetch_datasets(
    folder: Path,
    experiment: str,
    names: Iterable[str],
    root: Path,
    allow_moving: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Fetch what the named datasets (default: the experiment's) read of public repositories into ``root``/hub.

    Args:
        folder: the configuration.
        experiment: whose datasets are meant where none is named.
        names: files of config/dataset.
        root: the folder to be given as data_root.
        allow_moving: as in rgd.datasets.hub.fetch.
        report: told of each file.

    Raises:
        UserError: there is no such dataset, or as rgd.datasets.hub.fetch.
    """
    config = load(folder, experiment, data_root=str(root), check_data=False)
    # Datasets that share a source, such as one with recorded answers, are fetched once.
    done: list[dict[str, Any]] = []
    for name in _named(config, folder, names):
        source = config.dataset[name].source
        if source is None or source.repo is None:
            report(f"{name}: nothing to be fetched, {_where(config.dataset[name])}")
            continue
        wanted = fetching(config, name)
        if wanted not in done:
            fetch(wanted["source"], wanted["tasks"], root, allow_moving=allow_moving, report=report)
            done.append(wanted)


def files_of_datasets(
    folder: Path, experiment: str, names: Iterable[str], root: Path | None = None
) -> list[dict[str, Any]]:
    """A row for each file that the named datasets (default: all) read: dataset, file, state, bytes, revision.

    The state is ``present``, ``fetched`` (by rgd, at the revision), or ``missing``; of a dataset that reads nothing it is
    ``made by the project``. Looked at is ``root``, or without it the cache of what the workflow fetched.

    Raises:
        UserError: there is no such dataset.
    """
    config = load(folder, experiment, data_root=None if root is None else str(root), check_data=False)
    rows: list[dict[str, Any]] = []
    for name in _named(config, folder, names, default=config.dataset):
        source = config.dataset[name].source
        if source is None:
            rows.append({"dataset": name, "file": "", "state": MADE, "bytes": None, "revision": ""})
            continue
        roots = data_roots(config, name)
        place = Path(roots[0]) if roots else Path()
        home = place / "hub" / source.repo if source.repo else place
        known = manifest(home) if source.repo else {}
        for file in source_files(fetching(config, name)["source"], list(config.dataset[name].tasks)):
            path = home / file.name
            here = path.is_file()
            rows.append(
                {
                    "dataset": name,
                    "file": str(path),
                    "state": MISSING if not here else FETCHED if file.name in known else PRESENT,
                    "bytes": path.stat().st_size if here else None,
                    "revision": known.get(file.name, {}).get("revision", "") if here else "",
                }
            )
    return rows


def shown(rows: Iterable[dict[str, Any]]) -> str:
    """The rows of :func:`files_of_datasets` as a table for people."""
    import tabulate

    cells = [
        [
            row["dataset"],
            row["state"],
            "" if row["bytes"] is None else readable_size(row["bytes"]),
            row["revision"][:12],
            row["file"],
        ]
        for row in rows
    ]
    return tabulate.tabulate(cells, headers=["dataset", "state", "size", "revision", "file"])


def _named(config: Config, folder: Path, names: Iterable[str], default: Iterable[str] | None = None) -> list[str]:
    wanted = list(names) or list(listed(config).datasets if default is None else default)
    for name in wanted:
        if name not in config.dataset:
            raise UserError(
                f"{name} is no dataset: there is no {folder}/dataset/{name}.yaml. " + nearest(name, config.dataset)
            )
    return wanted


def _where(dataset: Dataset) -> str:
    return "the project makes it" if dataset.source is None else f"it is a file of your own, {dataset.source.file}"
