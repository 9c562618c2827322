"""What a job has to ask, claimed under leases a block at a time, so that jobs on one folder share it."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rgd.engines.base import Request
from rgd.store.leases import Lease, Leases
from rgd.store.listing import Listing, joined

SECONDS_BETWEEN_LOOKS = 0.5
"""Interval of checking on other jobs when they are asking everything that is left."""


class Claims:
    """The requests that have no answer yet, handed out one by one; leases are released as the answers are committed.

    Args:
        leases: the leases of the settings' folder.
        listing: the answers under the settings.
        size: requests claimed at a time.

    Attributes:
        requests: by name, those that are not committed.
        waiting: names of those that are not claimed, in order.
        put_off: of them, those that other jobs were asking at the last look.
        awaited: names whose answers are waited for.
        stored: of ``waiting``, those that other jobs have answered.
        held: the lease of each claimed name.
        left_of: how many names of each lease are not committed.
    """

    def __init__(self, leases: Leases, listing: Listing, size: int) -> None:
        self.leases, self.listing, self.size = leases, listing, size
        self.requests: dict[str, Request] = {}
        self.waiting: deque[str] = deque()
        self.put_off: dict[str, None] = {}
        self.awaited: set[str] = set()
        self.stored: set[str] = set()
        self.held: dict[str, Lease] = {}
        self.left_of: dict[Lease, int] = {}

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, *_: object) -> None:
        for lease in self.left_of:
            lease.release()

    def include(self, missing: Mapping[str, Request], *, is_awaited: bool) -> None:
        """Add requests by name. If another job is asking one, its answer is awaited, or else left to that job."""
        new = {name: request for name, request in missing.items() if name not in self.requests}
        self.requests.update(new)
        self.waiting.extend(new)
        if is_awaited:
            self.awaited.update(missing)

    def handed_out(self, more: Callable[[], Mapping[str, Request]]) -> Iterator[Request | None]:
        """The requests, each once it is claimed; None while other jobs are asking all that is left.

        Args:
            more: gives further missing requests, which are not awaited; called whenever nothing is left to claim.
        """
        looked = -SECONDS_BETWEEN_LOOKS
        while True:
            if time.monotonic() - looked < SECONDS_BETWEEN_LOOKS:
                yield None
                continue
            claimed = self._claim()
            if claimed:
                yield from (self.requests[name] for name in claimed)
                continue
            self.include(more(), is_awaited=False)
            if any(name not in self.put_off for name in self.waiting):
                continue
            # Other jobs are asking all that is left.
            self.waiting = deque(name for name in self.waiting if name in self.awaited)
            if not self.waiting:
                return
            looked = time.monotonic()

    def _claim(self) -> list[str]:
        """Up to ``size`` requests under a new lease; those that other jobs are asking are put off.

        Leases are checked before the folder: a job commits before it releases its lease, so a request that is neither
        leased nor stored has been asked by nobody.
        """
        self.put_off.clear()
        if not self.waiting:
            return []
        with self.leases.claiming():
            held = self.leases.held()
            come = self.listing.refresh()
            stored = joined(come["query_key"], come["draw"]).to_pylist()
            # The listing tells only what came since the last look.
            self.stored.update(name for name in stored if name in self.requests and name not in self.held)
            claimed: list[str] = []
            while self.waiting and len(claimed) < self.size:
                name = self.waiting.popleft()
                if name in self.stored:
                    self.stored.remove(name)
                    del self.requests[name]
                elif name in held:
                    self.put_off[name] = None
                else:
                    claimed.append(name)
            self.waiting.extend(self.put_off)
            if claimed:
                lease = self.leases.take(set(claimed))
                self.held |= dict.fromkeys(claimed, lease)
                self.left_of[lease] = len(claimed)
        return claimed

    def give_room(self, names: Sequence[str]) -> None:
        """Free the disk space reserved for the answers ``names``, which are about to be written."""
        for lease, count in self._by_lease(names):
            lease.give_room(self.left_of[lease] - count)

    def release(self, names: Sequence[str]) -> None:
        """The answers ``names`` are committed: release the leases that hold nothing else."""
        for lease, count in self._by_lease(names):
            self.left_of[lease] -= count
            if not self.left_of[lease]:
                del self.left_of[lease]
                lease.release()
        for name in names:
            del self.held[name], self.requests[name]

    def _by_lease(self, names: Iterable[str]) -> list[tuple[Lease, int]]:
        counts: dict[Lease, int] = {}
        for name in names:
            counts[self.held[name]] = counts.get(self.held[name], 0) + 1
        return list(counts.items())
