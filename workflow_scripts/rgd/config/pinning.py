"""The hub's commits that models' files name: list them, check them against the hub, and replace branches by commits."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rgd.config.schema.base import COMMIT
from rgd.errors import UserError

_LINE = re.compile(r"^(?P<key>[ \t]*revision:[ \t]*)(?P<value>[^\s#]+)[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """A file of the configuration whose weights come from the hub.

    Attributes:
        file: in config/model or config/embedder.
        repo: as owner/name.
        revision: as the file says.
    """

    file: Path
    repo: str
    revision: str

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit."""
        return COMMIT.fullmatch(self.revision) is not None


def pins(folder: Path, names: Iterable[str] = ()) -> Iterator[Pin]:
    """The files of models and embedders under ``folder`` with weights on the hub; with ``names``, only those.

    Raises:
        UserError: there is no such file of one of the names.
    """
    import yaml

    wanted, found = set(names), set()
    for file in sorted([*folder.glob("model/*.yaml"), *folder.glob("embedder/*.yaml")]):
        hub = ((yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("weights") or {}).get("hub")
        if hub and (not wanted or file.stem in wanted):
            found.add(file.stem)
            yield Pin(file, hub["repo"], str(hub["revision"]))
    if missing := sorted(wanted - found):
        raise UserError(
            f"there is no {folder}/model/{missing[0]}.yaml with weights on the hub. Run `rgd models` for a list."
        )


def catalogue(folder: Path) -> list[dict[str, object]]:
    """A row for every model: where it comes from, which commit, its GPUs and memory, its licence, what to accept first.

    Raises:
        UserError: a file is not a valid model.
    """
    import yaml
    from pydantic import ValidationError

    from rgd.config.schema import Model

    rows: list[dict[str, object]] = []
    for file in sorted(folder.glob("model/*.yaml")):
        try:
            model = Model.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise UserError(f"{file}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
        hub = model.weights.hub if model.weights is not None else None
        rows.append(
            {
                "model": file.stem,
                "billion": model.parameters_billion,
                "source": hub.repo if hub else model.api.model if model.api else "a folder",
                "revision": hub.revision[:12] if hub else "",
                "GPUs": model.gpus,
                "GB": round(model.memory_mb / 1000),
                "licence": model.licence,
                "accept first": (hub.accept if hub else None) or "",
            }
        )
    return rows


def commit_on_the_hub(repo: str, revision: str) -> str:
    """The commit that ``revision`` of ``repo`` points to on the hub.

    Raises:
        UserError: the hub does not answer, or does not have the repository or revision.
    """
    import huggingface_hub

    try:
        found = huggingface_hub.HfApi().model_info(repo, revision=revision, timeout=10).sha
    except Exception as error:  # the client's network errors share no base class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"the hub returned no commit for the revision {revision} of {repo}: {reason}") from error
    assert found is not None
    return found


def pin(pinned: Pin, ask: Callable[[str, str], str]) -> str:
    """Replace a file's branch or tag by the commit that it points to now, and return that commit.

    Args:
        pinned: the file.
        ask: returns the commit of a repository and a revision, as :func:`commit_on_the_hub`.

    Raises:
        UserError: the hub returns none, or the file does not have exactly one line ``revision:``.
    """
    text = pinned.file.read_text(encoding="utf-8")
    if len(_LINE.findall(text)) != 1:
        raise UserError(
            f"{pinned.file}: expected exactly one line that begins with revision:. Write the commit yourself."
        )
    commit = ask(pinned.repo, pinned.revision)
    pinned.file.write_text(_LINE.sub(lambda line: line["key"] + commit, text), encoding="utf-8")
    return commit
