r"""Mathematical equality of answers in LaTeX, and a representative for each class of equal answers to a query.

The library math-verify (based on sympy) decides whether 1/2, 0.5 and \frac12 are equal. It runs in a separate process: a
comparison that takes too long is killed with the process, which needs no signal and no thread of this one.

The library's equality is neither symmetric nor transitive, so it is turned into an equivalence here: two answers are
compared both ways, and each answer is compared only with the first of a class, in an order that depends only on the
answers. Whether an answer is right is the library's own decision, with the label as the truth.

Each member is graded once (:func:`graded`), so a new member does not cause others to be graded again. The classes of equal
answers are computed once for each pool, before its consensus and without labels (:func:`equal_answers`), because they
depend on the pool's members. Consensus, routers and scores then see equal answers as equal texts and need no mathematics.
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
"""Time limit of a comparison; answers whose comparison is undecided by then count as different."""

_START_S = 300.0
# Signs that are written for LaTeX commands.
_SIGNS = {
    "−": "-",
    "–": "-",
    "×": r"\times ",
    "·": r"\cdot ",
    "÷": r"\div ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "°": r"^\circ ",
    "±": r"\pm ",
    "√": r"\sqrt ",
    "θ": r"\theta ",
    "½": r" \frac{1}{2}",
    "¼": r" \frac{1}{4}",
    "¾": r" \frac{3}{4}",
    "⅓": r" \frac{1}{3}",
    "⅔": r" \frac{2}{3}",
    **{sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **dict(zip("，（）：％", ",():%", strict=True)),
}
_WRITTEN = str.maketrans(_SIGNS)
_LOOKS = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\!|\{,\}|\\?\$|\\?€|£")
_SPACES = re.compile(r"(?<!\\)\\[,;: ]|(?<!\\)\\q?quad(?![A-Za-z])|~|\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
# The numbers e and i in another type, and a letter after an operator, which is thus no unit.
_UPRIGHT = re.compile(
    r"(?:(?<=[-+*/^=({])|(?<=\A))\\(?:mathrm|operatorname|mathit|mathbf|mathsf|rm)\s*\{\s*([A-Za-z])\s*\}"
    r"|\\(?:mathrm|operatorname|rm)\s*\{\s*([ei])\s*\}"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mbox)\{([^{}]*)\}")
_UNIT = r"(?:[ck]?m|mm|kg|ft|in|mi|hrs?|h|min|secs?|s|days?|mph|lbs?|oz|per|a|sq|(?!hundred|thousand|million|billion|dozen|percent|times|over|plus|minus)[^\W\d_]{4,})"
_WITH_UNIT = re.compile(rf"(-?\d[\d,]*(?:\.\d+)?(?:/\d+)?) ?(?:{_UNIT}(?:\^[23])?(?:[ /]|\Z)){{1,4}}")
_SINGLE = re.compile(r"([_^])\{(\w)\}")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)")
_MIXED = re.compile(r"(?<![\d./])(\d+) +(?:(\d+)/(\d+)(?![\d./])|(?=\\frac))")
_PLAIN_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\(([^()]*)\)")
_PLAIN_NAME = re.compile(r"(?<![\\A-Za-z])(?:pi|infinity)(?![A-Za-z])")
_KEPT_SPACE = re.compile(r"(?<=[A-Za-z0-9]) (?=[A-Za-z0-9])")
_POWER_OF_TEN = re.compile(r"(-?\d+(?:\.\d+)?)[eE]([-+]?\d+)")
_ROUNDS = 4

_WORDS = re.compile(r"[^\W\d_]+(?:[ '’-]+[^\W\d_]+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")
# Two numbers that only a space separates, and a number in another base, which the library reads as another number.
_NO_FORMULA = re.compile(r"\d \d|\d_")
_INTEGER = re.compile(r"-?\d{1,15}")

Found = TypeVar("Found")


class Equal(Protocol):
    """Whether ``answer`` is right if ``truth`` is the right answer."""

    def __call__(self, truth: str, answer: str) -> bool: ...


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


def tidy(text: str) -> str:
    r"""An answer without pure formatting: dollar signs, sizes of brackets and fractions, and spaces that separate nothing.

    A space between two digits stays, unless it groups thousands; a mixed number is written with ``\frac``.
    """
    for _ in range(_ROUNDS):
        written = _tidied(text)
        if written == text:
            break
        text = written
    return text


def _tidied(text: str) -> str:
    text = _SPACES.sub(" ", _LOOKS.sub("", text.translate(_WRITTEN))).strip().rstrip(".")
    text = _UPRIGHT.sub(lambda match: match.group(1) or match.group(2), _FRACTION.sub(r"\\frac", text))
    text = _PLAIN_NAME.sub(lambda match: r"\pi " if match.group() == "pi" else r"\infty ", text)
    text = _SINGLE.sub(r"\1\2", _PLAIN_ROOT.sub(r"\\sqrt{\1}", text)).replace("**", "^")
    text = _THOUSANDS.sub(lambda match: match.group().replace(" ", ""), text)
    text = _MIXED.sub(
        lambda match: match.group(1) + (rf"\frac{{{match.group(2)}}}{{{match.group(3)}}}" if match.group(2) else ""),
        text,
    )
    quantity = _WITH_UNIT.fullmatch(_TEXT.sub(r"\1", text))
    if quantity:
        return quantity.group(1)
    power = _POWER_OF_TEN.fullmatch(text)
    if power:
        text = rf"{power.group(1)}\times10^{{{int(power.group(2))}}}"
    return _KEPT_SPACE.sub("\0", text).replace(" ", "").replace("\0", " ")


def same_words(first: str, second: str) -> bool | None:
    """Whether two tidy answers are the same words, in any case; None if they are formulas.

    The library takes a word for a product of its letters, so that "east" would be "seat".
    """
    one, other = (_TEXT.sub(r"\1", text).strip() for text in (first, second))
    if len(one) > 1 and _WORDS.fullmatch(one) and one.casefold() == other.casefold():
        return True
    is_text = (
        _WORDS.fullmatch(text) and (_WORD.search(text) or (text != given and len(text) > 1))
        for text, given in ((one, first), (other, second))
    )
    return False if any(is_text) else None


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
    query_ids: Sequence[str], answers: Sequence[Sequence[str | None]], threads: int, time_limit_s: float = TIME_LIMIT_S
) -> tuple[pa.Table, int]:
    """Which answers of a pool are equal; labels are not used.

    Args:
        query_ids: n queries.
        answers: for each query, those of the pool's members; None where there is none.
        threads: number of concurrent comparisons.
        time_limit_s: time limit of a comparison in seconds.

    Returns:
        schemas.EQUAL_ANSWERS, a row for each answer that is not the first of its class, and the number of undecided
        comparisons.
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
    """A member's answers, the right ones replaced by the label, and the number of undecided comparisons.

    Args:
        query_ids: n queries.
        answers: the n answers; None where there is none.
        labels: query_id -> label.
        threads: number of concurrent comparisons.
        time_limit_s: time limit of a comparison in seconds.
    """

    def name(equal: Equal, row: int) -> str | None:
        answer = answers[row]
        if answer is None:
            return None
        label = labels[query_ids[row]]
        return label if equal(label, answer) else answer

    return _compared(name, range(len(query_ids)), threads, time_limit_s)


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


def _compared(
    work: Callable[[Equal, int], Found], rows: Sequence[int], threads: int, time_limit_s: float
) -> tuple[list[Found], int]:
    """The result of ``work`` with a comparer for each of ``rows``, and the number of undecided comparisons."""
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
