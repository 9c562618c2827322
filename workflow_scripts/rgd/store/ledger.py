"""The ledger of a model: what all jobs have spent on its server, and what the running ones have reserved.

A job reserves the largest cost of a request before it sends it, and replaces the reservation by the actual cost
afterwards. Every update reads and replaces the model's ledger file under a lock (flock), so jobs at once cannot pass a
budget together. A job keeps a file of its own locked; once it is not, the job is dead, and what it had reserved counts
as spent, because the server may have done the work.

What a batch at a server may cost is reserved under the batch's own name as long as the batch has its file
(:mod:`rgd.store.batch_files`), whatever becomes of the job that handed it in.

Without a ledger, spending begins with the costs of the model's answers in the store. An import writes the ledger before
it adds answers, so what others have paid does not count.

Without file locks two jobs could overwrite each other's reservations, so a model with a budget is refused there.
"""

import contextlib
import hashlib
import json
import math
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rgd.artifacts.files import write_json
from rgd.artifacts.locks import Lock, lock
from rgd.engines.budget import Balance, fitting
from rgd.errors import UserError
from rgd.store import batch_files, chunks
from rgd.store.answers import Store

FOLDER = "ledger"
"""The folder of the ledgers in the store's folder."""
_LOCK, _JOB = ".lock", ".job"


@dataclass(frozen=True)
class Spending:
    """The content of a ledger, in US dollars: what is spent, and what each job has reserved."""

    spent: float
    reserved: Mapping[str, float]


class Ledger:
    """The ledger of one model.

    Attributes:
        root: the store.
        weights: identity of the model (:attr:`rgd.store.answers.AnswerSettings.weights`).
        path: the ledger's file.
    """

    def __init__(self, root: str | Path, weights: str) -> None:
        self.root, self.weights = Path(root), weights
        self.name = hashlib.sha256(weights.encode()).hexdigest()[:20]
        self.folder = self.root / FOLDER
        self.path = self.folder / f"{self.name}.json"

    def spent(self) -> float | None:
        """What is spent in US dollars, with the reservations of dead jobs; None if there is no ledger.

        Raises:
            UserError: the ledger is damaged.
        """
        found = self._read()
        if found is None:
            return None
        return found.spent + sum(most for job, most in found.reserved.items() if self._is_dead(job))

    def begin(self) -> None:
        """Write the ledger if there is none, with the costs of the answers in the store.

        Raises:
            UserError: the store is damaged, or its folder cannot be written.
        """
        with self._locked():
            if self._read() is None:
                self._write(Spending(Store(self.root).spent(self.weights), {}))

    def account(self) -> "Account":
        """The part of the ledger that belongs to one job, which must close it."""
        return Account(self, f"{self.name}-{uuid.uuid4().hex}")

    def enter(self, job: str) -> BinaryIO:
        """A job's file, locked as long as it stays open; removes what killed jobs left, but for what they had reserved.

        Raises:
            UserError: the folder cannot be written.
        """
        with self._locked():
            found = self._read()
            reserved = {} if found is None else found.reserved
            # Ledgers are written under the lock, so this file's writer was killed.
            for path in self.folder.glob(f".{self.path.name}.*.tmp"):
                with contextlib.suppress(OSError):
                    path.unlink()
            for path in self.folder.glob(f".{self.name}-*{_JOB}"):
                name = path.name.removeprefix(".").removesuffix(_JOB)
                if name not in reserved and self._is_dead(name):
                    with contextlib.suppress(OSError):
                        path.unlink()
            try:
                file = self.job_file(job).open("xb+")
            except OSError as error:
                raise _unwritable(self.job_file(job), error) from error
            lock(file, wait=True)
            return file

    def update(self, job: str, reserved: float, cost: float, wanted: Sequence[float], limit: float | None) -> Balance:
        """See :class:`rgd.engines.budget.Account`; ``job`` is the account's name."""
        with self._locked() as state:
            if limit is not None and state is Lock.UNSUPPORTED:
                raise UserError(
                    f"the file system of {self.folder} has no file locks, so jobs at once could pass api.budget_dollars: "
                    "mount it with locks, set paths.store to a folder that has them, or remove budget_dollars."
                )
            found = self._read() or Spending(Store(self.root).spent(self.weights), {})
            dead = {name for name in found.reserved if name != job and self._is_dead(name)}
            spent = found.spent + cost + math.fsum(found.reserved[name] for name in dead)
            others = {name: most for name, most in found.reserved.items() if name != job and name not in dead}
            taken = math.fsum([spent, reserved, *others.values()])
            granted = fitting(taken, wanted, limit)
            own = math.fsum([reserved, *wanted[:granted]])
            self._write(Spending(spent, others | ({job: own} if own else {})))
            for name in dead:
                with contextlib.suppress(OSError):
                    self.job_file(name).unlink()
            return Balance(spent, math.fsum(others.values()), granted)

    def settle(self, name: str, cost: float) -> None:
        """Replace a batch's reservation by what the batch cost; nothing changes if that was done before.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        with self._locked():
            found = self._read()
            if found is not None and name in found.reserved:
                left = {other: most for other, most in found.reserved.items() if other != name}
                self._write(Spending(found.spent + cost, left))

    def job_file(self, job: str) -> Path:
        """The file that a job keeps locked."""
        return self.folder / f".{job}{_JOB}"

    def _is_dead(self, job: str) -> bool:
        is_open = batch_files.reserves(self.root, job)
        if is_open is not None:
            return not is_open
        try:
            with self.job_file(job).open("rb") as file:
                return lock(file, wait=False, exclusive=False) is not Lock.BUSY
        except OSError:
            return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Lock]:
        """Keep other processes from updating the ledger while the block runs."""
        path = self.folder / f".{self.name}{_LOCK}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+")
        except OSError as error:
            raise _unwritable(path, error) from error
        with file:
            state = lock(file, wait=True)
            # A network file system may show a folder as it was a minute ago, until this machine changes the folder.
            with contextlib.suppress(OSError):
                os.utime(self.folder)
            yield state

    def _read(self) -> Spending | None:
        return read(self.path)

    def _write(self, spending: Spending) -> None:
        write_json(
            self.path,
            {"model": self.weights, "spent": spending.spent, "reserved": dict(sorted(spending.reserved.items()))},
        )
        # Or the file could be the former one after a crash of the machine.
        chunks.sync(self.folder)


class Account:
    """One job's part of a ledger (:class:`rgd.engines.budget.Account`)."""

    def __init__(self, ledger: Ledger, job: str) -> None:
        self.ledger, self.job = ledger, job
        # One update at a time, also by threads.
        self._turn = threading.Lock()
        self._file: BinaryIO | None = None

    def update(self, reserved: float, cost: float, wanted: Sequence[float], limit: float | None) -> Balance:
        """See :class:`rgd.engines.budget.Account`."""
        with self._turn:
            if self._file is None:
                self._file = self.ledger.enter(self.job)
            return self.ledger.update(self.job, reserved, cost, wanted, limit)

    def close(self) -> None:
        """The job ends; what it still has reserved counts as spent."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self.ledger.job_file(self.job).unlink()
            self._file.close()
            self._file = None


def read(path: Path) -> Spending | None:
    """The ledger at ``path``; None if there is none.

    Raises:
        UserError: it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        spending = Spending(float(found["spent"]), {job: float(most) for job, most in found["reserved"].items()})
        if not all(0 <= each < math.inf for each in (spending.spent, *spending.reserved.values())):
            raise ValueError("an amount is negative or no number")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"the ledger {path} cannot be read ({error}): correct its amounts, which are US dollars. Without the file, "
            "spending begins with the costs of the answers in the store, without failed attempts."
        ) from error
    return spending


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror or error}. Check the folder's permissions and free space, then run the same "
        "command again."
    )
