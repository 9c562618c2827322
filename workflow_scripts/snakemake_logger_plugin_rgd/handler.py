"""Snakemake's logger plugin ``rgd``: the progress of a run in place of the reasons and parameters of every job.

A terminal shows a picture that stays in its place (:mod:`rgd.progress.screen`); a file or a pipe gets a line for each job,
and now and then one about the jobs at work. Snakemake's own words are in its log file, and on the terminal with
``--verbose``. The profiles name the plugin; Snakemake finds it by the name of this package, and in an environment that
lacks it says ``argument --logger: invalid choice: 'rgd'``.
"""

import contextlib
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from logging import ERROR, WARNING, LogRecord
from pathlib import Path
from typing import Any, ClassVar

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from rgd.progress import logs, words
from rgd.progress.run import Job, Run, State
from rgd.progress.stages import OTHER, stage_of
from rgd.terminal import watch

SECONDS_OF_A_PICTURE = 0.5
SECONDS_OF_SILENCE, SILENCE_ON_A_CLUSTER = 30.0, 300.0
"""After this time without a line, a file or a pipe gets one about each of the jobs at work."""
SECONDS_BETWEEN_LOOKS, SECONDS_ON_A_CLUSTER = 1.0, 10.0
"""How often the logs of the jobs at work are read."""
CLOCK_SKEW_S = 2.0
DRY_RUN = "A dry run: nothing was done. `rgd plan` says why each job runs, and how long all take."
# Snakemake's words, where no event stands for them.
_UNSAID = ("Assuming unrestricted shared filesystem usage",)
_ENDING = "Will exit after finishing"
_SAID = ("Nothing to be done", "Building DAG of jobs", _ENDING)
_STOPPING = "Terminating processes on user request"
_AGAIN = re.compile(r"Trying to restart job (\S+)\.")
_COMMAND = re.compile(r"Command .*(?P<status>died with .*?>|returned non-zero exit status -?\d+)", re.DOTALL)
_FINAL = ("Exiting because a job execution failed", "At least one job did not complete successfully")


class LogHandler(LogHandlerBase):
    """What Snakemake tells, as the progress of a run."""

    def __post_init__(self) -> None:
        from snakemake.logging import DefaultFormatter

        settings = self.common_settings
        self.run, self.summary = Run(), ""
        self.stream = sys.stdout if settings.stdout else sys.stderr
        self.is_running = self.has_counted = False
        # Whether a person stopped the run, and the jobs with it, or only asked for no further jobs.
        self.is_stopped = self.is_ending = False
        self.logfile = ""
        self.statuses: list[str] = []
        self.spoke = time.time()
        self.looked = 0.0
        self.setFormatter(DefaultFormatter(settings.quiet, show_failed_logs=False))
        self.picture: _Picture | None = None
        self.is_over = threading.Event()
        self.ticker: threading.Thread | None = None
        # Whether jobs run, which Ctrl-C lets keep what they have.
        self.has_jobs = False
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupted)

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return False

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False

    def expect(self, run: Run, logfile: str) -> None:
        """Show a run that begins now.

        Args:
            run: its jobs, and how long they will take.
            logfile: Snakemake's log file; "" if there is none.
        """
        with self._locked():
            self.run, self.has_jobs, self.logfile = run, True, os.path.relpath(logfile) if logfile else ""
        if logfile and not self.common_settings.verbose:
            _send_to(self.logfile)

    def conclude(self, summary: str) -> None:
        """What is said at the end of a run in which every job succeeded."""
        with self._locked():
            self.summary, self.has_jobs = summary, False

    def emit(self, record: LogRecord) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self.common_settings.verbose and (text := self.format(record)) not in ("", "None"):
                self._say([text])
            event = getattr(record, "event", None)
            told = self._events.get(event)
            if told is not None:
                told(self, record)
            elif event is None:
                self._plain(record)

    def close(self) -> None:
        """Clear the picture, and say the end."""
        self.is_over.set()
        if self.ticker is not None:
            self.ticker.join()
        with self._locked():
            for job in self.run.of(State.RUNNING):
                job.state = State.WAITING
            if self.picture is not None:
                self.picture.show(self.run, time.time(), has_ended=True)
                self.picture.stop()
                self.picture = None
            with contextlib.suppress(BrokenPipeError):
                if self.summary and not self.run.of(State.FAILED):
                    print(self.summary, flush=True)
                if self.run.started is not None:
                    is_stopped = self.is_stopped or self.is_ending
                    self._say(words.end(self.run, time.time(), is_stopped=is_stopped, logfile=self.logfile))
            self.run, self.summary = Run(), ""
        super().close()

    # Events.

    def _began(self, record: LogRecord) -> None:
        self.is_running = True

    def _stats(self, record: LogRecord) -> None:
        if self.common_settings.dryrun:
            # Snakemake says it before the jobs and again after them.
            if not self.has_counted and not self.common_settings.verbose:
                self._say([self.format(record).rstrip(), "", DRY_RUN])
            self.has_counted = True
            return
        stats = getattr(record, "stats", {})
        with self._locked():
            self.run.counts = {rule: count for rule, count in stats.items() if stage_of(rule) != OTHER}

    def _job_began(self, record: Any) -> None:
        # A target without files of its own is no job.
        if self.common_settings.dryrun or not record.output:
            return
        title = record.rule_msg or " ".join([record.rule_name, *map(str, record.wildcards.values())])
        self.run.start(record.jobid, record.rule_name, title, (record.log or [""])[0], time.time())
        self._show()

    def _job_ended(self, record: Any) -> None:
        job = self.run.end(record.job_id, State.DONE, time.time())
        if job is None:
            return
        for warning in logs.warnings(Path(job.log)) if job.log else []:
            self._say([f"{warning} ({words.flat(job.title)})"])
        if self.picture is None:
            self._say_with_share([words.ended(job)])

    def _job_failed(self, record: Any) -> None:
        # The jobs of a group are told with the group.
        if not record.indent and self._is_news([vars(record)]):
            self._say_failure(record.jobid, record.rule_name, self._reason(vars(record)), record.log)

    def _group_failed(self, record: Any) -> None:
        infos = record.job_error_info
        if not self._is_news(infos):
            return
        for info in (told := [info for info in infos if self._reason(info)]):
            self._say_failure(info["jobid"], info["rule_name"], self._reason(info), info["log"])
        if not told:
            number = infos[0]["jobid"] if len(infos) == 1 else None
            names = ", ".join(sorted({info["rule_name"] for info in infos}))
            self._say_failure(number, f"a group of jobs ({names})", [], record.aux_logs)

    def _error(self, record: LogRecord) -> None:
        text = record.getMessage()
        if self.is_running and (status := _COMMAND.search(text)):
            # The message about the job follows.
            self.statuses.append(status["status"])
        elif not self._is_known(text):
            self._say_unless_verbose([text])

    def _plain(self, record: LogRecord) -> None:
        """A message that no event stands for."""
        text = str(record.msg or "")
        if again := _AGAIN.match(text):
            # A group of jobs has a name in the place of a number.
            job = self.run.jobs.get(int(again[1])) if again[1].isdigit() else None
            if job is not None:
                job.state = State.WAITING
            self._say(["trying again" if job is None else f"trying again: {words.flat(job.title)}"])
        elif text.startswith(_STOPPING):
            self.is_stopped = True
            number = len(self.run.of(State.RUNNING))
            jobs = "1 job keeps what it has" if number == 1 else f"{number:,} jobs keep what they have"
            self._say([f"Stopping: {jobs}. Ctrl-C again stops at once."])
        elif record.levelno >= WARNING:
            if not (record.levelno >= ERROR and self._is_known(text)):
                self._say_unless_verbose([self.format(record)])
        elif text.startswith(_ENDING) and self.is_ending:
            # Each further signal to end makes Snakemake say it again.
            return
        elif text.startswith(_SAID) or not (self.is_running or text.startswith(_UNSAID)):
            self.is_ending |= text.startswith(_ENDING)
            self._say_unless_verbose([text])

    _events: ClassVar[dict[Any, Callable[["LogHandler", Any], None]]] = {
        LogEvent.WORKFLOW_STARTED: _began,
        LogEvent.RUN_INFO: _stats,
        LogEvent.JOB_INFO: _job_began,
        LogEvent.JOB_FINISHED: _job_ended,
        LogEvent.JOB_ERROR: _job_failed,
        LogEvent.GROUP_ERROR: _group_failed,
        LogEvent.ERROR: _error,
    }

    # Failures.

    def _is_known(self, text: str) -> bool:
        """Whether a message only repeats that jobs failed or were stopped."""
        return any(each in text for each in _FINAL) and bool(
            self.is_stopped or self.is_ending or self.run.of(State.FAILED)
        )

    def _reason(self, info: dict[str, Any]) -> list[str]:
        """Why a job failed, as its log tells; [] if it did not write its log."""
        job, paths = self.run.jobs.get(info["jobid"]), info["log"]
        if not paths or not _is_of(Path(paths[0]), job):
            return []
        return logs.failure(Path(paths[0]), info["rule_name"])

    def _is_news(self, infos: Sequence[dict[str, Any]]) -> bool:
        """Note that jobs have ended without success; whether they failed, and nobody knows."""
        known = self.run.of(State.FAILED)
        is_known = all(self.run.jobs.get(info["jobid"]) in known for info in infos)
        for info in infos:
            # A job that was stopped has not failed.
            self.run.end(info["jobid"], State.WAITING if self.is_stopped else State.FAILED, time.time())
        return not is_known and not self.is_stopped

    def _say_failure(self, number: int | None, name: str, reason: list[str], paths: list[str]) -> None:
        job = None if number is None else self.run.jobs.get(number)
        status = self.statuses.pop(0) if self.statuses else ""
        if not reason and self.logfile:
            # What a process wrote before it was a job with a log of its own.
            reason = logs.failed_start(Path(self.logfile))
            paths = [*(path for path in paths if _is_of(Path(path), job)), self.logfile]
        self._say_unless_verbose(words.failed(name if job is None else job.title, reason, paths, status))

    # What is shown.

    def _locked(self) -> contextlib.AbstractContextManager[Any]:
        assert self.lock is not None
        return self.lock

    def _show(self) -> None:
        """Begin to show the run."""
        if self.ticker is not None:
            return
        settings = self.common_settings
        is_terminal = self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        if is_terminal and not settings.verbose and not settings.quiet:
            self.picture = _Picture(settings.nocolor)
        self.ticker = threading.Thread(target=self._tick, daemon=True, name="progress")
        self.ticker.start()

    def _tick(self) -> None:
        while not self.is_over.wait(SECONDS_OF_A_PICTURE):
            with self._locked(), contextlib.suppress(BrokenPipeError):
                now = time.time()
                self._look()
                if self.picture is not None:
                    self.picture.show(self.run, now)
                elif now - self.spoke >= self._silence() and not self.common_settings.quiet:
                    jobs = self.run.of(State.RUNNING)
                    self._say_with_share([f"at work: {words.at_work(job, now)}" for job in jobs[: words.MOST_AT_WORK]])

    def _silence(self) -> float:
        """Seconds without a line after which one is due."""
        return SECONDS_OF_SILENCE if self.run.cores else SILENCE_ON_A_CLUSTER

    def _look(self) -> None:
        """Read in the logs of the jobs at work how far they have come."""
        now = time.time()
        if now - self.looked < (SECONDS_BETWEEN_LOOKS if self.run.cores else SECONDS_ON_A_CLUSTER):
            return
        self.looked = now
        for job in self.run.of(State.RUNNING):
            if job.log and _is_of(Path(job.log), job):
                job.says = logs.last_line(Path(job.log))
                job.count = logs.still_counted(job.says, job.count)

    def _say_unless_verbose(self, lines: list[str]) -> None:
        """Say what Snakemake says in other words with ``--verbose``."""
        if not self.common_settings.verbose:
            self._say(lines)

    def _say_with_share(self, lines: list[str]) -> None:
        now = time.time()
        prefix = f"[{words.clock(self.run.elapsed(now))}] {words.share(self.run, now)}: "
        self._say([f"{prefix}{each}" for each in lines])

    def _say(self, lines: list[str]) -> None:
        self.spoke = time.time()
        if self.picture is not None:
            self.picture.say(lines)
        else:
            print(*lines, sep="\n", file=self.stream, flush=True)

    def _interrupted(self, *_: Any) -> None:
        """On Ctrl-C, let the jobs at work keep what they have; without any, and at the second time, end at once."""
        if self.has_jobs:
            self.has_jobs, self.is_stopped = False, True
            raise KeyboardInterrupt
        # Nothing is locked here, since what holds the lock may be what was interrupted.
        shown_cursor = b"" if self.picture is None else b"\x1b[?25h"
        with contextlib.suppress(OSError):
            os.write(2, shown_cursor + b"\nStopped at once. To resume, run the same command again.\n")
        _end_children()
        # As a program ends that does not handle Ctrl-C, which tells a shell's loop to end too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


class _Picture:
    """The picture on a terminal, and lines above it."""

    def __init__(self, no_color: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=sys.stderr, no_color=no_color or None, highlight=False)
        self.live = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
        )
        self.live.start()

    def show(self, run: Run, now: float, *, has_ended: bool = False) -> None:
        from rgd.progress.screen import Screen

        self.live.update(Screen(run, now, has_ended), refresh=True)

    def say(self, lines: list[str]) -> None:
        from rich.text import Text

        for each in lines:
            self.console.print(Text(each, style="yellow" if each.startswith(logs.WARNING) else ""), soft_wrap=True)

    def stop(self) -> None:
        self.live.stop()


def _is_of(path: Path, job: Job | None) -> bool:
    """Whether a log was written by the job that began last, and not by one before it."""
    if job is None or job.started is None:
        return True
    try:
        return path.stat().st_mtime >= job.started - CLOCK_SKEW_S
    except OSError:
        return False


def _send_to(logfile: str) -> None:
    """Send what the processes of jobs write to ``logfile``, from before they are jobs with logs of their own.

    A terminal that shows the run, with libraries' warnings or the traceback of an interrupted start in between, could not be
    read.
    """
    from snakemake.shell import shell

    # Snakemake's own prefix for bash.
    strict = "set -euo pipefail; " if Path(shell.get_executable() or "").name == "bash" else ""
    shell.prefix(f"{strict}exec >>{shlex.quote(logfile)} 2>&1; ".replace("{", "{{").replace("}", "}}"))
    watch(logfile)


def _end_children() -> None:
    """End the processes that this one has started."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.terminate()
