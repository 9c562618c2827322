"""The file of a new pool of models."""

from collections.abc import Sequence
from pathlib import Path

from rgd.config.checks import find_member
from rgd.config.files import Broken
from rgd.config.members import member_key, members
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.tool.new_files import as_yaml, check_name, read_any, write_new

FEWEST_MEMBERS = 2


def write_pool(name: str, config: Path, chosen: Sequence[str], title: str | None = None) -> list[Path]:
    """Write ``config/pool/NAME.yaml``.

    Args:
        name: of the file.
        config: the folder of configuration.
        chosen: the members, in order: MODEL, or MODEL-ASK with an ask of the model's file.
        title: name in tables; None for ``name``.

    Returns:
        The file, alone.

    Raises:
        UserError: there are fewer than two members, one is given twice or is none, the file exists, or the configuration
            does not allow the name. Nothing is written then.
    """
    check_name(name)
    if twice := next((member for member in chosen if chosen.count(member) > 1), None):
        raise UserError(f"--models names {twice} twice. Name each model once.")
    if len(chosen) < FEWEST_MEMBERS:
        raise UserError(f"--models {' '.join(chosen)}: a pool has at least {FEWEST_MEMBERS} models. Name another one.")
    path = config / "pool" / f"{name}.yaml"

    def check() -> None:
        found, broken = read_any(config)
        for member in chosen:
            _check_member(member, found, broken)
        if ("pool", name) in broken:
            raise UserError(broken["pool", name])

    return write_new({path: as_yaml({"title": title or name, "members": list(chosen)})}, check, "give another NAME")


def _check_member(member: str, config: Config, broken: Broken) -> None:
    known = members(config)
    if member not in known and member in config.model:
        keys = [member_key(member, ask) for ask in config.model[member].asks]
        raise UserError(f"--models {member}: the model's file has no ask `default`. Name {' or '.join(keys)}.")
    find_member(member, known, broken, "--models", "member (a model in config/model, or MODEL-ASK)")
