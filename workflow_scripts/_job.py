"""What every script does around its work: a log file, clean ends, provenance beside the outputs."""

import contextlib
import io
import json
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rgd.artifacts.provenance import definitions_file, write_definitions, write_provenance
from rgd.errors import UserError

TOLD_TO_END = 128 + signal.SIGTERM
"""The exit code of a job that SIGTERM has ended."""


class _Tee(io.TextIOBase):
    """Text goes to the log file and to the terminal."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def fileno(self) -> int:
        return self.streams[-1].fileno()


@contextlib.contextmanager
def running(snakemake: Any, libraries: tuple[str, ...] = ()) -> Iterator[None]:
    """Run a script's work as a job: messages go to its log and to the terminal; afterwards provenance is written.

    A mistake of the user ends the job with its one message; SIGTERM (a time limit, a scheduler) ends it as Ctrl-C does,
    after the chunk of answers that is being asked.

    Args:
        snakemake: the object Snakemake gives to a script.
        libraries: distributions whose versions the provenance tells beside those that the fingerprint counts.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TOLD_TO_END))
    # Both stay open until the process ends, so that the log gets an unforeseen error's traceback as well.
    log = open(snakemake.log[0], "w", encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stderr = _Tee(log, sys.stderr)  # type: ignore[assignment]
    try:
        _refuse_other_code(Path(snakemake.scriptdir))
        yield
        _record(snakemake, libraries)
    except UserError as error:
        print(f"{snakemake.rule}: {error}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as end:
        if end.code == TOLD_TO_END:
            print(f"{snakemake.rule}: told to end; the next run goes on from what is done.", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(f"{snakemake.rule}: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


def _refuse_other_code(scripts: Path) -> None:
    """A job's Python may be another one than that of the Snakefile: one that imports another checkout's package."""
    # By its path: the package, and this file too, may be the other checkout's.
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
        # Code that was edited since the run began is not what the fingerprint says; the next run makes this anew.
        if now.fingerprint == code["fingerprint"]:
            write_definitions(root, now.fingerprint, now.definitions())
