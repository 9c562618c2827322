"""The lines and words of a run, for a terminal and for a file of lines alike."""

from collections.abc import Sequence

from rgd.progress.logs import TOGETHER, Count
from rgd.progress.run import Job, Run, State
from rgd.terminal import duration, printable

MOST_AT_WORK = 6
"""How many jobs at work are named; a cluster may have hundreds."""
_KILLED = ("SIGKILL", " 137")
"""In the status of a process that was killed, and in that of its shell."""


def clock(seconds: float) -> str:
    """Seconds as ``4:05`` or ``1:04:05``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def flat(text: str) -> str:
    """A text in one line, without what would steer a terminal."""
    return printable(" ".join(text.split()))


def share(run: Run, now: float) -> str:
    """How much of the run is over, such as ``31 % of the time, about 2 min left``."""
    if run.is_over:
        return "100 %"
    # A run that goes on is not over.
    percent = f"{min(99, round(100 * run.share(now)))} %"
    left = run.left(now)
    if left is None:
        return f"{percent} of the jobs (no estimate of the time)"
    bound = "about" if run.cores else "at least"
    failures = len(run.of(State.FAILED))
    rest = f" for what can still run ({_jobs(failures)} failed)" if failures else ""
    return f"{percent} of the time, {bound} {duration(left)} left{rest}"


def counted(count: Count) -> str:
    """A count without its title, such as ``128 of 420, 12.3/s``, or ``32 of 420 asked, none back yet``.

    If it is of more than the job is named after, it says so.
    """
    unit = f" {count.unit}" if count.unit else ""
    together = TOGETHER if count.title.endswith(TOGETHER) else ""
    if not count.done and count.asked:
        return f"{count.asked:,} of {count.total:,}{unit} asked, none back yet{together}"
    rate = f", {count.rate:.1f}{unit}/s" if count.rate is not None and count.done else ""
    return f"{count.done:,} of {count.total:,}{unit}{rate}{together}"


def at_work(job: Job, now: float) -> str:
    """What a job at work does, for how long, and how far it has come."""
    further = flat(job.says) if job.count is None else counted(job.count)
    if job.count is not None and not job.count.unit and not job.asks:
        # What is counted is not what the job is named after.
        further = f"{flat(job.count.title).rstrip('.')}: {further}"
    return f"{flat(job.title)} ({clock(job.elapsed(now))})" + (f": {further}" if further else "")


def ended(job: Job) -> str:
    """What a job did, and in which time."""
    return f"{flat(job.title)} ({duration(job.took or 0.0)})"


def failed(title: str, reason: Sequence[str], logs: Sequence[str], status: str = "") -> list[str]:
    """The one message about a failed job.

    Args:
        title: what the job does.
        reason: why it failed, line by line; if there is none, the job may have been killed.
        logs: files that tell more.
        status: how its process ended; "" if it is unknown.
    """
    if reason:
        said = list(reason)
    elif any(sign in status for sign in _KILLED):
        said = [f"it was killed ({status}), for lack of memory for instance"]
    else:
        said = [f"it ended without a message{f' ({status})' if status else ''}"]
    lines = [f"failed: {flat(title)}", *(f"  {printable(each)}" for each in said)]
    return [*lines, *(f"  log: {printable(path)}" for path in logs)]


def end(run: Run, now: float, *, is_stopped: bool, logfile: str) -> list[str]:
    """The last lines of a run.

    Args:
        run: the run.
        now: seconds of the run's clock.
        is_stopped: whether a person stopped it.
        logfile: with all that Snakemake said; "" if there is none.
    """
    done, failures = len(run.of(State.DONE)), run.of(State.FAILED)
    where = f" Everything Snakemake said: {printable(logfile)}" if logfile else ""
    time = duration(run.elapsed(now))
    if is_stopped:
        return [
            f"Stopped after {time}; {done:,} of {_jobs(run.total)} done, and what the others had is kept. To resume, run the same "
            f"command again.{where}"
        ]
    if failures:
        others = run.total - done - len(failures)
        rest = f", {others:,} not run" if others else ""
        return [
            f"{_jobs(len(failures))} failed, {done:,} of {run.total:,} done{rest}, after {time}.{where}",
            "The messages above say what to change. Then run the same command again: what is done stays.",
        ]
    return [f"{_jobs(done)} done in {time}.{where}"]


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"
