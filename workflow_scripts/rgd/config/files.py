"""Where the files of the configuration lie: what users read, and under ``test/`` what only tests use."""

import re
from pathlib import Path

from rgd.config.hints import nearest
from rgd.config.schema import KEY_PATTERN
from rgd.errors import UserError

CATALOGUES = ("dataset", "descriptor", "embedder", "featurizer", "generator", "model", "pool", "router")
"""Groups of which every file is part of the tree, under its own name."""

Broken = dict[tuple[str, str], str]
"""What is wrong with the files of catalogues that cannot be used, by group and name."""

TEST = "test"
"""The subfolder with the experiments and catalogues that only tests use; a user's experiment does not see them."""


def searched(folder: Path, experiment: str) -> list[Path]:
    """The folders whose catalogues ``experiment`` sees: ``folder``, and for an experiment of the tests ``folder/test``.

    Raises:
        UserError: there is no such experiment.
    """
    if (folder / "experiment" / f"{experiment}.yaml").is_file():
        return [folder]
    if (folder / TEST / "experiment" / f"{experiment}.yaml").is_file():
        return [folder, folder / TEST]
    if unread := other_endings([folder, folder / TEST], "experiment").get(experiment):
        raise UserError(unread)
    known = [path.stem for path in (folder / "experiment").glob("*.yaml")]
    raise UserError(
        f"--config experiment={experiment}: there is no {folder}/experiment/{experiment}.yaml. "
        + nearest(experiment, known)
    )


def names_in(folders: list[Path], group: str) -> list[str]:
    """The names of a catalogue's files, sorted.

    Raises:
        UserError: two of the folders have a file of the same name.
    """
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted((folder / group).glob("*.yaml"))):
        if path.stem in found:
            raise UserError(f"{path} and {found[path.stem]} have the same name. Rename one of them.")
        found[path.stem] = path
    return sorted(found)


def other_endings(folders: list[Path], group: str) -> dict[str, str]:
    """What is said of the files of a group that are not read because they end in .yml or .YAML, by their name without it."""
    paths = (path for folder in folders for path in sorted((folder / group).glob("*.*")))
    return {
        path.stem: f"{path} is not read, since its name does not end in .yaml. Rename it to {path.stem}.yaml."
        for path in paths
        if path.suffix.lower() in (".yml", ".yaml") and path.suffix != ".yaml"
    }


def file_of(folder: Path, group: str, name: str) -> Path:
    """The file that holds an entry of a catalogue or an experiment, also where only tests use it."""
    return _own_or_test(folder, f"{group}/{name}.yaml")


def prompt_file(folder: Path, name: str) -> Path:
    """The file that holds a prompt, also where only tests use it."""
    return _own_or_test(folder, f"prompts/{name}.txt")


def _own_or_test(folder: Path, name: str) -> Path:
    own, test = folder / name, folder / TEST / name
    return test if test.is_file() and not own.is_file() else own


def fault_of_name(name: str) -> str | None:
    """Why a file's name cannot be part of a result's path; None where it can."""
    if re.fullmatch(KEY_PATTERN, name) and not name.endswith("\n"):
        return None
    return (
        "the name becomes part of paths, so it may hold only letters, digits, dots, underscores and hyphens, and starts "
        "with a letter or digit. Rename the file."
    )
