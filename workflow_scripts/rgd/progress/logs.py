"""A job's log file as a source: where the job stands, what it warns of, and why it failed.

A job writes its log also on another machine, so its progress is read here and needs no other channel.
"""

import re
from pathlib import Path
from typing import NamedTuple

from rgd.terminal import printable

WARNING = "warning: "
"""The beginning of a line that a person should see although the job goes on."""
TOGETHER = ", all query sets"
"""The end of a count's title if a job asks the query sets of further jobs as well, and counts them together."""
# Further lines that a person should see, of scripts whose every change makes the questions anew.
_NOTED = re.compile(rf"{WARNING}|[1-9]\d* rows dropped|fewer queries than wanted")
_TAIL = 8192
_LINES = 12
_COUNTED = re.compile(
    r"(?P<title>.+): (?P<done>[\d,]+) of (?P<total>[\d,]+)(?: (?P<unit>[A-Za-z]+))?(?:, (?P<rate>[\d.,]+)(?: (?P=unit))?/s)?"
    r"(?:,(?:.* (?P<asked>\d+) in flight\b)?.*)?"
)
# A bar of the library tqdm.
_BAR = re.compile(
    r"(?P<title>.*?):? +\d+%\|[^|]*\| *(?P<done>\d+)/(?P<total>\d+) \[(?:[^,\]]*, *(?P<rate>[\d.]+)it/s)?.*"
)
# How libraries begin their lines: with a level, a time, a process, a file.
_OF_LIBRARY = re.compile(r"[\[(</\s]|INFO|WARNING|DEBUG|ERROR|[IWEF]\d{4} |\d{4}-|\w+Warning")
# Where Snakemake puts the scripts of jobs.
_SCRIPTS = "/.snakemake/scripts/"
_TRACEBACK = "Traceback (most recent call last)"


class Count(NamedTuple):
    """How far a job has come, as its log tells.

    Attributes:
        title: what is counted.
        done: how many are done.
        total: of how many.
        unit: of both; "" for answers and the like.
        rate: done per second; None if it is not told.
        asked: how many are at work; None if it is not told.
    """

    title: str
    done: int
    total: int
    unit: str = ""
    rate: float | None = None
    asked: int | None = None


def line(count: Count, further: str = "") -> str:
    """A line of a job's log that :func:`counted` reads, such as ``answers: 128 of 420, 12.3/s``.

    Args:
        count: how far the job has come.
        further: what else the line says.
    """
    unit = f" {count.unit}" if count.unit else ""
    rate = "" if count.rate is None else f", {count.rate:.1f}{unit}/s"
    asked = "" if count.asked is None else f", {count.asked} in flight"
    return f"{count.title}: {count.done:,} of {count.total:,}{unit}{rate}{further}{asked}"


def counted(text: str) -> Count | None:
    """What a line of a log counts; None if it counts nothing."""
    found = _COUNTED.fullmatch(text) or _BAR.fullmatch(text)
    if found is None:
        return None
    groups = {name: (value or "").replace(",", "") for name, value in found.groupdict().items() if name != "title"}
    try:
        rate = float(groups["rate"]) if groups["rate"] else None
        asked = int(groups["asked"]) if groups.get("asked") else None
        return Count(found["title"], int(groups["done"]), int(groups["total"]), groups.get("unit", ""), rate, asked)
    except ValueError:
        return None


def still_counted(text: str, before: Count | None) -> Count | None:
    """How far a job has come by the last line of its log, or as it was ``before``, unless all of that was done.

    Something else begins then, of which the line tells.
    """
    found = counted(text)
    if found is None and before is not None and before.done < before.total:
        return before
    return found


def last_line(path: Path) -> str:
    """The last line of a log that is being written, or the present state of a bar, but no library's; "" if there is none."""
    return next((each for each in reversed(_lines(_tail(path))) if not _OF_LIBRARY.match(each)), "")


def warnings(path: Path) -> list[str]:
    """The warnings in a log, each once."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(dict.fromkeys(printable(each) for each in text.splitlines() if _NOTED.match(each)))


def failure(path: Path, rule: str) -> list[str]:
    """Why a job failed, as its log tells: its message to the user, or else the error; [] if it tells neither.

    Args:
        path: the log.
        rule: the job's rule, whose name begins its message.
    """
    text = _tail(path, whole=True)
    told = [found.end() for found in re.finditer(rf"^{re.escape(rule)}: ", text, re.MULTILINE)]
    if told:
        return _lines(text[told[-1] :])
    return _error(text)


def failed_start(logfile: Path) -> list[str]:
    """Why the last process of a job that failed in Snakemake's log file did so, before it had a log; [] if none did."""
    text = _tail(logfile)
    # Snakemake's own words follow the error.
    return _error(text)[:1] if _SCRIPTS in text.rpartition(_TRACEBACK)[2] else []


def _error(text: str) -> list[str]:
    """The error at the end of the last traceback; [] if there is none."""
    if _TRACEBACK not in text:
        return []
    # The error follows the frames, which are indented.
    after = text.rpartition(_TRACEBACK)[2].splitlines()[1:]
    error = next((number for number, each in enumerate(after) if each and not each.startswith(" ")), len(after))
    return _lines("\n".join(after[error:]))[:_LINES]


def _tail(path: Path, *, whole: bool = False) -> str:
    try:
        with path.open("rb") as file:
            if not whole:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _lines(text: str) -> list[str]:
    """The lines of a text that are not empty, of each the last state of a bar, without what would steer a terminal."""
    states = (each.rstrip("\r").rpartition("\r")[2].rstrip() for each in text.split("\n"))
    return [printable(each) for each in states if each.strip()]
