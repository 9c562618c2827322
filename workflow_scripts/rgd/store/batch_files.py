"""The files that tell which requests are in a batch at a server, beside the leases in a settings' folder.

A batch's file is written before the server hears of the batch, and lives until its answers are stored: whatever is killed
when, each batch at a server has a file, and each request in such a file counts as being asked.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgd.artifacts.files import write_json
from rgd.errors import UserError
from rgd.store import chunks

SUFFIX = ".batch"
TURN = ".batches.lock"
"""The lock of the process that hands in and collects a folder's batches."""
RESERVATION = "batch"
"""The beginning of the name of a batch's reservation in a ledger."""

INTENDED, CREATING, SUBMITTED, COLLECTED = "intended", "creating", "submitted", "collected"
"""A batch's states: the server has no batch; it may have one; it has one; its answers are stored, but ``lines`` of it
were not answered and are to be asked again."""
_STATES = (INTENDED, CREATING, SUBMITTED, COLLECTED)


@dataclass(frozen=True)
class Line:
    """A request in a batch.

    Attributes:
        query_key: :attr:`rgd.engines.base.Request.query_key`.
        draw: number of the draw.
        prompt_tokens: the most tokens that the prompt can have.
        attempts: how often it was asked before.
        cost: what that cost or may have cost, in US dollars.
    """

    query_key: str
    draw: int
    prompt_tokens: int
    attempts: int = 0
    cost: float = 0.0

    @property
    def name(self) -> str:
        """The request's name, as :func:`rgd.store.listing.joined` gives it."""
        return f"{self.query_key}:{self.draw}"


@dataclass(frozen=True)
class BatchFile:
    """What is kept of a batch.

    Attributes:
        label: 32 hexadecimal digits that name the batch, at the server too.
        state: one of the states above.
        engine: kind of the engine that asks.
        address: the server's address.
        created: when the file was written, in seconds since the epoch.
        lines: the requests, in the order of the batch's lines.
        file: the server's name of the uploaded file; empty before.
        batch: the server's id of the batch; empty before.
        sent: parameters that the lines have and could do without.
        dropped: parameters that the server was known to refuse.
        at_most: how many lines the next batch shall have, as the server's queue was full; None: no limit.
    """

    label: str
    state: str
    engine: str
    address: str
    created: float
    lines: tuple[Line, ...]
    file: str = ""
    batch: str = ""
    sent: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    at_most: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether its requests count as being asked."""
        return self.state != COLLECTED


def path_of(folder: Path, label: str) -> Path:
    """The file of a batch of the settings in ``folder``."""
    return folder / f".{label}{SUFFIX}"


def write(folder: Path, batch: BatchFile) -> None:
    """Write a batch's file, whole or not at all, so that it survives a crash of the machine.

    Raises:
        UserError: the folder cannot be written.
    """
    lines = [list(dataclasses.astuple(line)) for line in batch.lines]
    write_json(path_of(folder, batch.label), {**vars(batch), "lines": lines})
    chunks.sync(folder)


def remove(folder: Path, label: str) -> None:
    """Remove a batch's file, if it is still there."""
    path_of(folder, label).unlink(missing_ok=True)


def read(path: Path) -> BatchFile:
    """The batch's file at ``path``.

    Raises:
        FileNotFoundError: another process has removed it.
        UserError: it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lines = tuple(Line(*each) for each in content["lines"])
        found = BatchFile(
            **content | {"lines": lines, "sent": tuple(content["sent"]), "dropped": tuple(content["dropped"])}
        )
        _check(found, path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}, which tells what is asked in a batch, cannot be read ({error}): restore it, or delete it to ask these "
            "requests again, which is paid for again."
        ) from error
    return found


def _check(found: BatchFile, path: Path) -> None:
    """Check the types of what was read.

    Raises:
        ValueError: a value is none that is ever written.
    """
    texts: list[Any] = [found.label, found.engine, found.address, found.file, found.batch, *found.sent, *found.dropped]
    numbers: list[Any] = [found.created, *(line.cost for line in found.lines)]
    counts: list[Any] = [
        each
        for line in found.lines
        for each in (line.draw, line.prompt_tokens, line.attempts)
        if type(each) is not bool
    ]
    is_right = (
        path.name == f".{found.label}{SUFFIX}"
        and found.state in _STATES
        and all(isinstance(text, str) for text in (*texts, *(line.query_key for line in found.lines)))
        and all(isinstance(number, int | float) and 0 <= number < math.inf for number in numbers)
        and len(counts) == 3 * len(found.lines)
        and all(isinstance(number, int) and number >= 0 for number in counts)
        and (found.at_most is None or (isinstance(found.at_most, int) and found.at_most > 0))
    )
    if not is_right:
        raise ValueError("a value is of a kind that is never written")


def batches(folder: Path) -> list[BatchFile]:
    """The batches of the settings in ``folder``, the oldest first.

    Raises:
        UserError: a file is damaged.
    """
    return sorted(_each(folder), key=lambda batch: (batch.created, batch.label))


def _each(folder: Path) -> Iterator[BatchFile]:
    for path in sorted(folder.glob(f".*{SUFFIX}")):
        try:
            yield read(path)
        except FileNotFoundError:
            continue


def names(batches: Iterable[BatchFile]) -> set[str]:
    """The names of the requests in ``batches``."""
    return {line.name for batch in batches for line in batch.lines}


def held(folder: Path) -> set[str]:
    """The names of the requests that are being asked in batches.

    Raises:
        UserError: a file is damaged.
    """
    return names(batch for batch in _each(folder) if batch.is_open)


def reservation(folder: Path, label: str) -> str:
    """The name of a batch's reservation in the ledger of its model."""
    return f"{RESERVATION}-{folder.name}-{label}"


def reserves(root: Path, name: str) -> bool | None:
    """Whether the batch of a reservation has a file in the store ``root``; None if the name is none of a batch's."""
    kind, _, rest = name.partition("-")
    folder, _, label = rest.partition("-")
    return path_of(root / folder, label).exists() if kind == RESERVATION else None
