r"""Equality of answers to questions without options, and a representative for each class of equal answers to a query.

Numbers are equal within a tolerance (:mod:`rgd.answers.numbers`), words in their normal form (:mod:`rgd.answers.phrases`). Of
mathematics in LaTeX, the library math-verify (based on sympy) decides whether 1/2, 0.5 and \frac12 are equal. It runs in a
separate process: a comparison that takes too long is killed with the process, which needs no signal and no thread of this one.

The library's equality is neither symmetric nor transitive, and equality within a tolerance is not transitive. It is turned into
an equivalence here: two answers are compared both ways, and each answer is compared only with the first of a class, in an order
that depends only on the answers. Whether an answer is right is the comparison with the label as the truth.

Each member is graded once (:func:`graded`), so a new member does not cause others to be graded again. The classes of equal
answers are computed once for each pool, before its consensus and without labels (:func:`equal_answers`), because they
depend on the pool's members. Consensus, routers and scores then see equal answers as equal texts.
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
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from rgd.answers.comparing import MODULE, READY
from rgd.answers.kinds import NUMBER, TEXT
from rgd.answers.tidying import same_words, tidy
from rgd.answers.values import equal_numbers
from rgd.answers.wording import equal_phrases
from rgd.artifacts import schemas

TIME_LIMIT_S = 5.0
"""Time limit of a comparison; answers whose comparison is undecided by then count as different."""

_START_S = 300.0
# Two numbers that only a space separates, and a number in another base, which the library reads as another number.
_NO_FORMULA = re.compile(r"\d \d|\d_")
_INTEGER = re.compile(r"-?\d{1,15}")

Found = TypeVar("Found")


class Equal(Protocol):
    """Whether ``answer`` is right if ``truth`` is the right answer."""

    def __call__(self, truth: str, answer: str, /) -> bool: ...


def equality_of(settings: Mapping[str, Any]) -> Equal | None:
    """When two answers are equal: numbers within a tolerance, words in their normal form; None for mathematics, by the library.

    Args:
        settings: answer_kind, and for numbers tolerance (absolute and relative).
    """
    kind = settings["answer_kind"]
    if kind == NUMBER:
        return equal_numbers(**settings["tolerance"])
    return equal_phrases if kind == TEXT else None


class Comparer:
    """Compares answers in a process that is restarted after a comparison that timed out or broke it.

    A multiprocessing pool would not work: its workers rerun the job's script (spawn), or share its threads and hash seed
    (fork).

    Args:
        time_limit_s: time limit of a comparison in seconds.

    Attributes:
        undecided: number of undecided comparisons.
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
        """Whether ``answer`` is right if ``truth`` is, by the library; answers written alike need no library."""
        first, second = tidy(truth), tidy(answer)
        if first == second:
            return True
        if _INTEGER.fullmatch(first) and _INTEGER.fullmatch(second):
            return int(first) == int(second)
        if _NO_FORMULA.search(first) or _NO_FORMULA.search(second):
            return False
        as_words = same_words(first, second)
        if as_words is not None:
            return as_words
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
            raise RuntimeError("math-verify cannot be loaded: check that it is installed (pip show math-verify).")
        return self._worker

    def _line(self, seconds: float) -> bytes:
        """The worker's next line; b"" if there is none within ``seconds``, or if the worker has ended."""
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


def representatives(answers: Collection[str], equal: Equal) -> dict[str, str]:
    """The representative of each answer: answer -> the first of its class, which is the shortest.

    Args:
        answers: the answers to one query.
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
    query_ids: Sequence[str],
    answers: Sequence[Sequence[str | None]],
    threads: int,
    time_limit_s: float = TIME_LIMIT_S,
    equal: Equal | None = None,
) -> tuple[pa.Table, int]:
    """Which answers of a pool are equal; labels are not used.

    Args:
        query_ids: n queries.
        answers: for each query, those of the pool's members; None where there is none.
        threads: number of concurrent comparisons.
        time_limit_s: time limit of a comparison in seconds.
        equal: from :func:`equality_of`.

    Returns:
        schemas.EQUAL_ANSWERS, a row for each answer that is not the first of its class, and the number of undecided
        comparisons.
    """
    given = [sorted({answer for answer in of_query if answer is not None}) for of_query in answers]
    several = [row for row, distinct in enumerate(given) if len(distinct) > 1]
    found, undecided = _compared(
        lambda same, row: representatives(given[row], same), several, threads, time_limit_s, equal
    )
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
    equal: Equal | None = None,
) -> tuple[list[str | None], int]:
    """A member's answers, the right ones replaced by the label, and the number of undecided comparisons.

    Args:
        query_ids: n queries.
        answers: the n answers; None where there is none.
        labels: query_id -> label.
        threads: number of concurrent comparisons.
        time_limit_s: time limit of a comparison in seconds.
        equal: from :func:`equality_of`.
    """

    def name(same: Equal, row: int) -> str | None:
        answer = answers[row]
        if answer is None:
            return None
        label = labels[query_ids[row]]
        return label if same(label, answer) else answer

    return _compared(name, range(len(query_ids)), threads, time_limit_s, equal)


def renamed(query_ids: Sequence[str], answers: Sequence[str | None], equal: pa.Table) -> list[str | None]:
    """Answers replaced by the representatives of their classes.

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
    """Each label replaced by the representative of the pool's right answers; unchanged if no member is right.

    If right answers fall into several classes (equality is not transitive), the one that most members gave is the label.

    Args:
        labels: query_id -> label.
        query_ids: n queries.
        matched: for each member, its n answers replaced by the representatives of their classes.
        is_right: for each member, which of them are right.

    Returns:
        query_id -> label, and the number of labels with right answers in several classes.
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


def labels_as_given(
    labels: Mapping[str, str],
    answers: Mapping[str, Sequence[str]],
    threads: int,
    time_limit_s: float = TIME_LIMIT_S,
    equal: Equal | None = None,
) -> dict[str, str]:
    """Each label replaced by the answer of its query that it makes right; unchanged if there is none.

    Args:
        labels: query_id -> label.
        answers: query_id -> the members' answers, equal ones with equal texts; of several that are right, the most frequent counts.
        threads: number of concurrent comparisons.
        time_limit_s: time limit of a comparison in seconds.
        equal: from :func:`equality_of`.
    """
    names = list(labels)

    def name(same: Equal, row: int) -> str:
        label = labels[names[row]]
        right = Counter(answer for answer in answers.get(names[row], ()) if same(label, answer))
        return min(right, key=lambda answer: (-right[answer], len(answer), answer), default=label)

    found, _ = _compared(name, range(len(names)), threads, time_limit_s, equal)
    return dict(zip(names, found, strict=True))


def _compared(
    work: Callable[[Equal, int], Found], rows: Sequence[int], threads: int, time_limit_s: float, equal: Equal | None
) -> tuple[list[Found], int]:
    """The result of ``work`` with ``equal`` or a comparer for each of ``rows``, and the number of undecided comparisons."""
    if equal is not None:
        return [work(equal, row) for row in rows], 0
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
