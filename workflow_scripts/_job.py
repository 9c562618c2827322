"""The frame of every script: a log file, clean exits, provenance beside the outputs."""

import contextlib
import io
import json
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rgd.artifacts.disk import is_full, room
from rgd.artifacts.provenance import definitions_file, write_definitions, write_provenance
from rgd.errors import UserError
from rgd.terminal import is_watched, printable

STDOUT, STDERR = 1, 2
TOLD_TO_END = 128 + signal.SIGTERM
"""The exit code of a job terminated by SIGTERM."""


class _Log(io.TextIOBase):
    """The log file. A full disk loses what is written from then on, and ends the job only when its work is over.

    Attributes:
        path: where the file is.
        failure: why it is not whole; None if it is.
    """

    def __init__(self, path: str) -> None:
        self.path, self.failure = path, None  # type: tuple[str, OSError | None]
        # Without a buffer, of which a rest would fail again when the process ends.
        self.file = open(path, "wb", buffering=0)  # noqa: SIM115
        # A place on the disk, in which the last line fits when there is no other; the first line overwrites this.
        self.file.write(b"\n")
        self.file.seek(0)

    def write(self, text: str) -> int:
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest and self.failure is None:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            self.failure = error
        return len(text)

    def end(self, text: str) -> None:
        """Write the last line, on a full disk over the end of what is there: it says why the job failed."""
        if self.failure is None:
            self.write(text)
            return
        line = f"\n{text}".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            os.pwrite(self.file.fileno(), line, max(0, os.fstat(self.file.fileno()).st_size - len(line)))

    def fileno(self) -> int:
        return self.file.fileno()


class _Tee(io.TextIOBase):
    """Writes text to the log file and to the terminal, without what would steer a terminal."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        shown = printable(text, allow_return=True)
        for stream in self.streams:
            stream.write(shown)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def fileno(self) -> int:
        return self.streams[-1].fileno()


@contextlib.contextmanager
def running(snakemake: Any, libraries: tuple[str, ...] = ()) -> Iterator[None]:
    """Run a script's work as a job: send messages to its log and the terminal, then write provenance.

    If the run shows its progress, everything goes to the log alone, also what libraries write in C and what further
    processes write; progress, warnings and failures are read from there (:mod:`rgd.progress.logs`).

    A mistake of the user ends the job with one message and the error's ``exit_code``, else 1. SIGTERM (a time limit, a
    scheduler) ends it like Ctrl-C, after what is in flight.

    Args:
        snakemake: the object that Snakemake gives to a script.
        libraries: distributions whose versions go into the provenance, besides those in the fingerprint.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TOLD_TO_END))
    # Both stay open until the process ends, so that the log also gets the traceback of an unexpected error.
    try:
        log = _Log(snakemake.log[0])
    except OSError as error:
        sys.exit(f"{snakemake.rule}: {_told(error, snakemake)}")
    terminal = sys.stderr
    streams: list[Any] = [log, terminal]
    is_watched_run = is_watched(STDERR)
    if is_watched_run:
        # What the log has no room for is said where the run would have said it.
        terminal = open(os.dup(STDERR), "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        streams = [log]
        for descriptor in (STDOUT, STDERR):
            os.dup2(log.fileno(), descriptor)
    sys.stdout = sys.stderr = _Tee(*streams)  # type: ignore[assignment]
    try:
        _refuse_other_code(Path(snakemake.scriptdir))
        yield
        _record(snakemake, libraries)
        if log.failure is not None:
            raise log.failure
    except (UserError, OSError) as error:
        if isinstance(error, OSError) and error is not log.failure and not is_full(error):
            raise
        message = f"{snakemake.rule}: {_told(error, snakemake)}\n"
        log.end(printable(message))
        if not is_watched_run or log.failure is not None:
            with contextlib.suppress(OSError):
                terminal.write(printable(message))
                terminal.flush()
        sys.exit(getattr(error, "exit_code", 1))
    except SystemExit as end:
        if end.code == TOLD_TO_END:
            print(f"{snakemake.rule}: terminated; rerun to resume.", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(f"{snakemake.rule}: interrupted; rerun to resume.", file=sys.stderr)
        sys.exit(130)


def _told(error: UserError | OSError, snakemake: Any) -> str:
    """The message of an error, with how much is free if a disk is full."""
    if isinstance(error, UserError) and not is_full(error):
        return str(error)
    store = getattr(getattr(snakemake, "resources", None), "store", None)
    places = [Path(snakemake.log[0]).parent, *([store] if store else []), tempfile.gettempdir()]
    if isinstance(error, UserError):
        return f"{error} {room(places)}"
    where = error.filename or snakemake.log[0]
    return (
        f"cannot write {where}: {error.strerror or error}. {room([Path(where).parent, *places])} Make room, then run the same "
        "command again."
    )


def _refuse_other_code(scripts: Path) -> None:
    """Refuse another checkout's package, which a job's Python may import if it is not the Snakefile's Python."""
    # Run by path, because the package, and even this file, may be the other checkout's.
    problem = runpy.run_path(str(scripts / "rgd/workflow/checkout.py"))["code_problem"](scripts.parent)
    if problem:
        raise UserError(problem)


def _record(snakemake: Any, libraries: tuple[str, ...]) -> None:
    root = snakemake.log[0].rpartition(f"/logs/{snakemake.rule}")[0]
    parameters = dict(snakemake.params.items())
    code = json.loads(parameters.get("code", "{}"))
    versions: dict[str, str] = code.get("libraries", {})
    further = [name for name in libraries if name not in versions]
    if further:
        from rgd.artifacts.fingerprint import version

        versions = versions | {name: version(name) for name in further}
    write_provenance(
        root,
        rule=snakemake.rule,
        inputs=[str(item) for item in snakemake.input],
        outputs=[str(item) for item in snakemake.output],
        parameters=parameters,
        versions=versions,
    )
    if code and not definitions_file(root, code["fingerprint"]).exists():
        from rgd.artifacts.fingerprint import follow

        script, *plugins = code["of"]
        now = follow(script, plugins, code.get("files", ()))
        # Code edited since the run began does not match the fingerprint; the next run rebuilds these outputs.
        if now.fingerprint == code["fingerprint"]:
            write_definitions(root, now.fingerprint, now.definitions())
