"""What the logger plugin makes of Snakemake's records: a line for each job, one message for each failure, one end."""

import io
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.shell import shell
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from rgd.progress.run import Job, Run
from rgd.terminal import WATCHED
from snakemake_logger_plugin_rgd import LogHandler

SETTINGS = {
    "printshellcmds": False,
    "nocolor": False,
    "quiet": None,
    "debug_dag": False,
    "verbose": False,
    "show_failed_logs": True,
    "stdout": False,
    "dryrun": False,
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[io.StringIO]:
    """What is said; afterwards nothing of a logger is left in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WATCHED, "")
    found, handler, prefix = io.StringIO(), signal.getsignal(signal.SIGINT), shell._process_prefix
    yield found
    signal.signal(signal.SIGINT, handler)
    shell._process_prefix = prefix


def logger(said: io.StringIO, **changes: object) -> LogHandler:
    handler = LogHandler(SimpleNamespace(**SETTINGS | changes), None)
    handler.stream = said
    return handler


def tell(
    handler: LogHandler, event: LogEvent | None, message: str = "", level: int = logging.INFO, **fields: object
) -> None:
    record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    vars(record).update(fields, **({} if event is None else {"event": event}))
    handler.handle(record)


def begin(handler: LogHandler, number: int, rule: str = "fit", log: str = "", output: str = "a") -> None:
    fields = {"rule_msg": f"{rule} number {number}", "rule_name": rule, "wildcards": {}, "log": [log] if log else []}
    tell(handler, LogEvent.JOB_INFO, jobid=number, output=[output] if output else [], **fields)


def fail(handler: LogHandler, number: int, rule: str = "fit", log: str = "", indent: bool = False) -> None:
    info = {"jobid": number, "rule_name": rule, "log": [log] if log else [], "indent": indent}
    tell(handler, LogEvent.ERROR, "RuleException:\nCommand 'x' returned non-zero exit status 1.", logging.ERROR)
    tell(handler, LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, **info)


def test_snakemake_finds_it() -> None:
    assert LoggerPluginRegistry().is_installed("rgd")


def test_a_job_is_a_line_with_the_share_of_the_time(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    handler.expect(Run("e", 2, True, {n: Job(n, "fit", planned_s=60) for n in (1, 2)}), "")
    begin(handler, 1)
    begin(handler, 3, "all", output="")
    assert said.getvalue() == ""
    tell(handler, LogEvent.JOB_FINISHED, job_id=1)
    tell(handler, LogEvent.JOB_FINISHED, job_id=3)
    tell(handler, LogEvent.PROGRESS, done=1, total=2)
    (line,) = said.getvalue().splitlines()
    assert "fit number 1" in line
    assert "of the time" in line
    handler.close()


def test_that_a_run_will_end_is_said_once(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    for _ in range(3):
        tell(handler, None, "Will exit after finishing currently running jobs (scheduler).")
    assert said.getvalue().count("Will exit") == 1
    handler.close()


def test_without_a_plan_the_lines_tell_shares_of_the_jobs(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    tell(handler, LogEvent.RUN_INFO, stats={"fit": 4, "all": 1, "total": 5})
    begin(handler, 1)
    tell(handler, LogEvent.JOB_FINISHED, job_id=1)
    assert "25 % of the jobs" in said.getvalue()
    handler.close()


def test_a_failure_is_one_message_with_its_reason_and_its_log(said: io.StringIO, tmp_path: Path) -> None:
    handler, log = logger(said), tmp_path / "fit.log"
    tell(handler, LogEvent.WORKFLOW_STARTED)
    begin(handler, 1, log=str(log))
    log.write_text("fit: the file X is odd\n")
    fail(handler, 1, log=str(log))
    fail(handler, 1, log=str(log))
    tell(handler, None, "Exiting because a job execution failed. Look above for error messages", logging.ERROR)
    tell(handler, LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR)
    handler.close()
    text = said.getvalue()
    assert text.count("the file X is odd") == 1
    assert text.count("fit.log") == 1
    assert "At least one job" not in text
    assert "Exiting" not in text
    assert "1 job failed" in text


def test_the_log_of_an_earlier_job_explains_no_failure(said: io.StringIO, tmp_path: Path) -> None:
    handler, log = logger(said), tmp_path / "fit.log"
    log.write_text("fit: of yesterday\n")
    os.utime(log, (time.time() - 3600,) * 2)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    begin(handler, 1, log=str(log))
    fail(handler, 1, log=str(log))
    handler.close()
    assert "of yesterday" not in said.getvalue()
    assert "exit status 1" in said.getvalue()


@pytest.mark.parametrize("rules", [("fit", "route", "score"), ("route",)])
@pytest.mark.parametrize("has_reason", [True, False])
def test_a_group_that_fails_blames_the_jobs_that_tell_why(
    said: io.StringIO, tmp_path: Path, has_reason: bool, rules: tuple[str, ...]
) -> None:
    handler, infos = logger(said), []
    tell(handler, LogEvent.WORKFLOW_STARTED)
    for number, rule in enumerate(rules):
        log = tmp_path / f"{rule}.log"
        begin(handler, number, rule, str(log))
        log.write_text(f"{rule}: odd\n" if has_reason and rule == "route" else "seed 0: well\n")
        infos.append({"jobid": number, "rule_name": rule, "log": [str(log)], "output": []})
    tell(handler, LogEvent.GROUP_ERROR, level=logging.ERROR, groupid="g", aux_logs=["slurm.log"], job_error_info=infos)
    for info in infos:
        tell(handler, LogEvent.JOB_ERROR, level=logging.ERROR, **info, indent=True)
    handler.close()
    text = said.getvalue()
    assert text.count("failed: ") == 1
    assert f"{len(rules)} job{'s' * (len(rules) > 1)} failed" in text
    assert ("route.log" if has_reason else "slurm.log") in text


def test_a_job_that_is_tried_again_may_succeed(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    begin(handler, 1)
    fail(handler, 1)
    tell(handler, None, "Trying to restart job 1.")
    begin(handler, 1)
    tell(handler, LogEvent.JOB_FINISHED, job_id=1)
    handler.close()
    assert "trying again: fit number 1" in said.getvalue()
    assert "1 job done" in said.getvalue()


def test_stopped_jobs_have_not_failed(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    begin(handler, 1)
    tell(handler, None, "Terminating processes on user request, this might take some time.")
    fail(handler, 1)
    tell(handler, LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR)
    handler.close()
    assert "failed" not in said.getvalue()
    assert "Stopped" in said.getvalue()


def test_warnings_of_jobs_are_shown_and_notes_are_not(said: io.StringIO, tmp_path: Path) -> None:
    handler, log = logger(said), tmp_path / "fit.log"
    tell(handler, LogEvent.WORKFLOW_STARTED)
    begin(handler, 1, log=str(log))
    log.write_text("warning: many answers are empty\nseed 1: well\n")
    tell(handler, LogEvent.JOB_FINISHED, job_id=1)
    handler.close()
    assert said.getvalue().count("warning: many answers are empty") == 1
    assert "seed 1" not in said.getvalue()


def test_the_words_of_snakemake_before_a_run_are_shown_and_those_of_a_run_are_not(said: io.StringIO) -> None:
    handler = logger(said)
    tell(handler, None, "Unlocked working directory.")
    tell(handler, LogEvent.ERROR, "MissingRuleException:\nNo rule to produce x", logging.ERROR)
    tell(handler, LogEvent.WORKFLOW_STARTED)
    tell(handler, None, "Select jobs to execute...")
    tell(handler, None, "a warning", logging.WARNING)
    tell(handler, LogEvent.ERROR, "MissingOutputException in rule fit", logging.ERROR)
    handler.close()
    text = said.getvalue()
    for shown in ("Unlocked", "No rule to produce x", "a warning", "MissingOutputException"):
        assert text.count(shown) == 1
    assert "Select jobs" not in text


def test_verbose_shows_all_words_of_snakemake(said: io.StringIO) -> None:
    handler = logger(said, verbose=True)
    tell(handler, LogEvent.WORKFLOW_STARTED, **dict.fromkeys(INFO, "x"))
    tell(handler, None, "Select jobs to execute...")
    tell(handler, None, "Resources before job selection", logging.DEBUG)
    handler.close()
    assert "Select jobs" in said.getvalue()
    assert "Resources before" in said.getvalue()


def test_jobs_write_to_the_log_file_of_the_run_which_they_recognise(said: io.StringIO, tmp_path: Path) -> None:
    log = tmp_path / "a {log}'s name"
    log.touch()
    handler = logger(said)
    handler.expect(Run(), str(log))
    script = "import sys; from rgd.terminal import is_watched; print(is_watched(2)); print('odd', file=sys.stderr)"
    shell(f'{sys.executable} -c "{script}"')
    assert log.read_text().split() == ["True", "odd"]
    # As on another machine.
    with (tmp_path / "other").open("w") as other:
        from rgd.terminal import is_watched

        assert not is_watched(other.fileno())
    handler.close()


INFO = (
    "datetime",
    "workflow_id",
    "platform",
    "host",
    "user",
    "snakemake_version",
    "python_version",
    "cmd",
    "snakefile_main",
    "basedir",
    "rundir",
    "cwd",
    "configfiles",
    "config_md5",
)
