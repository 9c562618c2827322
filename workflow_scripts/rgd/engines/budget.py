"""What a job may spend on a server: the largest cost of every attempt is reserved before it is sent."""

import asyncio
import contextlib
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rgd.errors import UserError

# A cost that frees no reservation another attempt waits for is written this much later, together with others.
SECONDS_BETWEEN_WRITES = 0.25
# Interval of checking whether other jobs have released what they reserved.
SECONDS_BETWEEN_LOOKS = 0.5
WAITING = "waiting: other jobs that ask this model have reserved what is left of api.budget_dollars"


@dataclass(frozen=True)
class Balance:
    """The state of a model's account after an update, in US dollars.

    Attributes:
        spent: by all jobs, and what jobs that died had reserved.
        others: reserved by other jobs that are running.
        granted: how many of the wanted amounts, in order, are now reserved.
    """

    spent: float
    others: float
    granted: int


class Account(Protocol):
    """Where a job's spending is recorded: :class:`rgd.store.ledger.Account`, shared by all jobs that ask a model."""

    def update(self, reserved: float, cost: float, wanted: Sequence[float], limit: float | None) -> Balance:
        """Record this job's spending, then reserve as many of ``wanted``, in order, as fit under ``limit``.

        Args:
            reserved: what this job's attempts in flight have reserved, in US dollars.
            cost: what this job has spent since the last update.
            wanted: further amounts to reserve.
            limit: what all jobs together may spend and reserve; None: no limit.

        Raises:
            UserError: the account cannot be written; nothing is recorded.
        """

    def close(self) -> None:
        """The job ends; what it still has reserved counts as spent."""


class OwnAccount:
    """The account of a job that shares it with no other."""

    def __init__(self, spent: float = 0.0) -> None:
        self.spent = spent

    def update(self, reserved: float, cost: float, wanted: Sequence[float], limit: float | None) -> Balance:
        """See :class:`Account`."""
        self.spent += cost
        return Balance(self.spent, 0.0, fitting(self.spent + reserved, wanted, limit))

    def close(self) -> None:
        """Nothing is kept."""


def fitting(taken: float, wanted: Sequence[float], limit: float | None) -> int:
    """How many of the amounts ``wanted``, in order, fit under ``limit`` beside ``taken``."""
    if limit is None:
        return len(wanted)
    sums = itertools.accumulate(wanted, initial=taken)
    next(sums)
    return sum(1 for _ in itertools.takewhile(lambda total: total <= limit, sums))


class _Wish:
    """An attempt that waits for its reservation."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.number: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Budget:
    """The spending limit of a model, kept in an account that its jobs share.

    Updates of the account are made by one task, which takes all that have come together meanwhile, since each of them
    waits for the disk.

    Attributes:
        dollars: the limit in US dollars; None: no limit.
        spent: by this job.
    """

    def __init__(self, dollars: float | None, account: Account) -> None:
        self.dollars, self.account = dollars, account
        self.spent = 0.0
        self._factor = 1.0
        self._unwritten = 0.0
        self._open: dict[int, float] = {}
        self._numbers = itertools.count()
        self._wishes: list[_Wish] = []
        self._changed = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def reserve(self, most: float) -> int:
        """Reserve ``most`` dollars; wait while only the reservations of attempts in flight, here or elsewhere, prevent it.

        Returns:
            The number of the reservation, for :meth:`settle`.

        Raises:
            UserError: less than ``most`` is left, or the account cannot be written.
        """
        wish = _Wish(most * self._factor)
        self._wishes.append(wish)
        self._wake()
        try:
            return await wish.number
        except asyncio.CancelledError:
            if wish in self._wishes:
                self._wishes.remove(wish)
            elif wish.number.done() and not wish.number.cancelled() and wish.number.exception() is None:
                self.settle(wish.number.result(), 0.0)
            raise

    def settle(self, number: int, cost: float) -> None:
        """Replace a reservation by what the attempt cost, or may have cost.

        A server may charge more than the request allows, such as reasoning beyond max_tokens. Then later reservations are as
        much larger.
        """
        reserved = self._open.pop(number)
        if 0 < reserved < cost:
            self._factor *= cost / reserved
            print(
                f"warning: an attempt cost {cost:.4f} dollars, though it should cost at most {reserved:.4f}: check the prices in the "
                "model's file, and whether the server keeps to max_tokens. From now on as much more is reserved.",
                file=sys.stderr,
                flush=True,
            )
        self.spent += cost
        self._unwritten += cost
        self._wake()

    def give_up(self) -> None:
        """Nothing more is to be sent: attempts that wait for other jobs' reservations stop waiting.

        Each gets a reservation number that stands for nothing.
        """
        for wish in self._wishes:
            if not wish.number.done():
                wish.number.set_result(self._opened(0.0))
        self._wishes.clear()
        self._changed.set()

    def flush(self) -> None:
        """Record what this job has spent. If that cannot be written, what it had reserved for it stays reserved."""
        with contextlib.suppress(UserError):
            self._update([])

    def close(self) -> None:
        """Record what this job has spent, and end its part of the account."""
        self.flush()
        self.account.close()

    def _opened(self, most: float) -> int:
        number = next(self._numbers)
        self._open[number] = most
        return number

    def _wake(self) -> None:
        self._changed.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    def _update(self, wanted: Sequence[float]) -> Balance:
        balance = self.account.update(math.fsum(self._open.values()), self._unwritten, wanted, self.dollars)
        self._unwritten = 0.0
        return balance

    async def _write(self) -> None:
        """Update the account as long as something is to be reserved or recorded."""
        is_told = False
        while self._wishes or self._unwritten:
            # What comes in this moment is written together.
            await asyncio.sleep(0 if self._wishes else SECONDS_BETWEEN_WRITES)
            self._changed.clear()
            wishes = [wish for wish in self._wishes if not wish.number.done()]
            try:
                balance = self._update([wish.most for wish in wishes])
            except UserError as error:
                self._refuse(wishes, error)
                return
            for wish in wishes[: balance.granted]:
                self._wishes.remove(wish)
                wish.number.set_result(self._opened(wish.most))
            never = [wish for wish in wishes[balance.granted :] if not self._can_fit(wish.most, balance)]
            for wish in never:
                self._refuse([wish], self._used_up(wish.most, balance))
            if self._wishes:
                if balance.others and not self._open and not is_told:
                    print(WAITING, file=sys.stderr, flush=True)
                    is_told = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), SECONDS_BETWEEN_LOOKS)

    def _refuse(self, wishes: Sequence[_Wish], error: UserError) -> None:
        for wish in wishes:
            self._wishes.remove(wish)
            if not wish.number.done():
                wish.number.set_exception(error)

    def _can_fit(self, most: float, balance: Balance) -> bool:
        """Whether ``most`` fits once nothing is reserved any more; what is spent never becomes less."""
        return self.dollars is None or balance.spent + most <= self.dollars

    def _used_up(self, most: float, balance: Balance) -> UserError:
        return UserError(
            f"api.budget_dollars = {self.dollars:g} is used up: earlier and other jobs spent "
            f"{max(0.0, balance.spent - self.spent):.4f} dollars on this model, this job spent {self.spent:.4f} dollars, and "
            f"the next request can cost up to {most:.4f} dollars. Raise api.budget_dollars in the model's file, or lower "
            "max_tokens, then run the same command again to resume. Stored answers are not paid for twice."
        )
