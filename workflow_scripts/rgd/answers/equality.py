r"""When two answers in LaTeX are the same mathematics, and one name for each of a query's different answers.

Whether 1/2, 0.5 and \frac12 are equal is decided by the library math-verify (sympy below it), in a process of its own:
a comparison that takes too long ends with its process, which needs no signal and no thread of this one.

Equality as the library decides it is neither symmetric nor transitive, so it becomes an equivalence here: two answers are
compared both ways, and each answer is compared with the first of a class alone, in an order that depends on nothing but the
answers. Right or wrong is the library's own question: the label as the truth, the answer as what is checked.

Where this is done: whether a member is right is asked once for each member (:func:`graded`), so that a new member has no
other one graded anew. Which answers agree is asked once for each pool, before its consensus and without labels
(:func:`equal_answers`), because the classes depend on whose answers there are; consensus, routers and scores then see equal
answers as equal texts and need to know nothing of mathematics.
"""

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, TypeVar

import pyarrow as pa

from rgd.answers.comparing import MODULE, READY
from rgd.artifacts import schemas

TIME_LIMIT_S = 5.0
"""Longest comparison; one that is not decided by then counts as different."""

_START_S = 300.0
_LOOKS = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\[,!;: ]|\\?\$|~")
_INTEGER = re.compile(r"-?\d{1,15}")

Found = TypeVar("Found")


class Equal(Protocol):
    """Whether ``answer`` is right where ``truth`` is."""

    def __call__(self, truth: str, answer: str) -> bool: ...


class Comparer:
    """Compares answers in a process that is started anew after a comparison that took too long or broke it.

    A pool of multiprocessing will not do: its workers run the job's script again (spawn), or share its threads and its hash
    seed (fork).

    Args:
        time_limit_s: of a comparison.

    Attributes:
        undecided: how many comparisons were not decided.
    """

    def __init__(self, time_limit_s: float = TIME_LIMIT_S) -> None:
        self.time_limit_s, self.undecided = time_limit_s, 0
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Comparer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def __call__(self, truth: str, answer: str) -> bool:
        """Whether the library takes ``answer`` for right where ``truth`` is; answers written alike need no library."""
        first, second = tidy(truth), tidy(answer)
        if first == second:
            return True
        if _INTEGER.fullmatch(first) and _INTEGER.fullmatch(second):
            return int(first) == int(second)
        decided = self._ask(first, second)
        if decided is None:
            self.undecided += 1
        return bool(decided)

    def _ask(self, first: str, second: str) -> bool | None:
        if self._worker is None:
            self._worker = self._start()
        try:
            assert self._worker.stdin is not None
            self._worker.stdin.write(json.dumps([first, second]).encode() + b"\n")
            self._worker.stdin.flush()
            said = self._line(self.time_limit_s)
        except OSError:
            said = b""
        if said not in (b"0\n", b"1\n"):
            self._stop()
            return None
        return said == b"1\n"

    def _start(self) -> subprocess.Popen[bytes]:
        # The hash seed is fixed, since sympy orders terms by hashes.
        path = os.pathsep.join(filter(None, sys.path))
        self._worker = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            bufsize=0,
        )
        if self._line(_START_S) != READY:
            self._stop()
            raise RuntimeError("math-verify cannot be loaded: is it installed (pip show math-verify)?")
        return self._worker

    def _line(self, seconds: float) -> bytes:
        """What the worker writes next, b"" where it does not within ``seconds`` or has ended."""
        assert self._worker is not None
        assert self._worker.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._worker.stdout, selectors.EVENT_READ)
            return self._worker.stdout.readline() if selector.select(seconds) else b""

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            for stream in (self._worker.stdin, self._worker.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._worker = None


def tidy(text: str) -> str:
    r"""An answer without what changes its look alone: spaces, dollar signs, sizes of brackets and fractions."""
    text = _LOOKS.sub("", text.strip().rstrip("."))
    # A space that ends the name of a command stays: \pi r.
    text = re.sub(r"\s+", "", re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\0", text))
    return text.replace("\0", " ").replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")


def representatives(answers: Collection[str], equal: Equal) -> dict[str, str]:
    """One answer for each class of equal ones: answer -> the first of its class, the shortest that stands for it.

    Args:
        answers: those given to one query.
        equal: a comparison, which need be neither symmetric nor transitive.
    """
    leaders: list[str] = []
    found = {}
    for answer in sorted(set(answers), key=lambda text: (len(text), text)):
        for leader in leaders:
            if equal(leader, answer) and equal(answer, leader):
                found[answer] = leader
                break
        else:
            leaders.append(answer)
            found[answer] = answer
    return found


def equal_answers(
    query_ids: Sequence[str], answers: Sequence[Sequence[str | None]], threads: int, time_limit_s: float = TIME_LIMIT_S
) -> tuple[pa.Table, int]:
    """Which answers of a pool are equal, without a look at the labels.

    Args:
        query_ids: n queries.
        answers: for each query, those of the pool's members; None where there is none.
        threads: how many comparisons go on at a time.
        time_limit_s: of a comparison.

    Returns:
        schemas.EQUAL_ANSWERS, a row for each answer that is not the first of its class, and how many comparisons were not
        decided.
    """
    given = [sorted({answer for answer in of_query if answer is not None}) for of_query in answers]
    several = [row for row, distinct in enumerate(given) if len(distinct) > 1]
    found, undecided = _compared(lambda equal, row: representatives(given[row], equal), several, threads, time_limit_s)
    rows = [
        {"query_id": query_ids[row], "answer": answer, "representative": leader}
        for row, names in zip(several, found, strict=True)
        for answer, leader in names.items()
        if answer != leader
    ]
    return pa.Table.from_pylist(rows, schemas.EQUAL_ANSWERS), undecided


def graded(
    query_ids: Sequence[str],
    answers: Sequence[str | None],
    labels: Mapping[str, str],
    threads: int,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[list[str | None], int]:
    """A member's answers with those that are right named as the label, and how many comparisons were not decided.

    Args:
        query_ids: n queries.
        answers: the n answers; None where there is none.
        labels: query_id -> label.
        threads: how many comparisons go on at a time.
        time_limit_s: of a comparison.
    """

    def name(equal: Equal, row: int) -> str | None:
        answer = answers[row]
        if answer is None:
            return None
        label = labels[query_ids[row]]
        return label if equal(label, answer) else answer

    return _compared(name, range(len(query_ids)), threads, time_limit_s)


def renamed(query_ids: Sequence[str], answers: Sequence[str | None], equal: pa.Table) -> list[str | None]:
    """Answers under the names of their classes.

    Args:
        query_ids: n queries.
        answers: the n answers; None where there is none.
        equal: schemas.EQUAL_ANSWERS.
    """
    names = {(row["query_id"], row["answer"]): row["representative"] for row in equal.to_pylist()}
    return [
        None if answer is None else names.get((query_id, answer), answer)
        for query_id, answer in zip(query_ids, answers, strict=True)
    ]


def labels_in_pool(
    labels: Mapping[str, str],
    query_ids: Sequence[str],
    matched: Sequence[Sequence[str | None]],
    is_right: Sequence[Sequence[bool]],
) -> tuple[dict[str, str], int]:
    """Each label under the name that the pool's right answers have; its own where nobody is right.

    Should right answers be of several classes (equality is not transitive), the one that most members gave is the label.

    Args:
        labels: query_id -> label.
        query_ids: n queries.
        matched: for each member, its n answers under the names of their classes.
        is_right: for each member, which of them are right.

    Returns:
        query_id -> label, and how many labels had right answers of several classes.
    """
    right: dict[str, Counter[str]] = {}
    for answers, rights in zip(matched, is_right, strict=True):
        for query_id, answer, of_label in zip(query_ids, answers, rights, strict=True):
            if of_label and answer is not None:
                right.setdefault(query_id, Counter())[answer] += 1
    named = {
        query_id: min(counts, key=lambda answer: (-counts[answer], len(answer), answer))
        for query_id, counts in right.items()
    }
    return {**labels, **named}, sum(len(counts) > 1 for counts in right.values())


def _compared(
    work: Callable[[Equal, int], Found], rows: Sequence[int], threads: int, time_limit_s: float
) -> tuple[list[Found], int]:
    """What ``work`` finds with a comparer for each of ``rows``, and how many comparisons were not decided."""
    free: SimpleQueue[Comparer] = SimpleQueue()

    def one(row: int) -> Found:
        comparer = free.get()
        try:
            return work(comparer, row)
        finally:
            free.put(comparer)

    with contextlib.ExitStack() as stack:
        comparers = [stack.enter_context(Comparer(time_limit_s)) for _ in range(threads)]
        for comparer in comparers:
            free.put(comparer)
        found = list(stack.enter_context(ThreadPoolExecutor(threads)).map(one, rows))
    return found, sum(comparer.undecided for comparer in comparers)
