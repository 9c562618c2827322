"""The workflow as Snakemake sees it: the one module of the core that knows Snakemake."""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rgd.artifacts.provenance import name_under
from rgd.config.command_line import check_settings
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.planning.adopt import REFUSED
from rgd.planning.takeover import Remembered
from rgd.workflow import run_lock
from rgd.workflow.nearest_target import ABSENT


class NoSuchTarget(UserError):
    """No rule makes a target."""


@dataclass(frozen=True)
class Record:
    """Snakemake's record of the job that made a file.

    Attributes:
        parameters: the ``repr`` of its parameters' values, sorted, without their names.
        inputs: its input files, sorted.
    """

    parameters: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def refusal(self) -> str | None:
        """Why the file was not adopted; None if it was, or if a job here made it."""
        texts = (text.strip("'\"") for text in self.parameters)
        return next((text.removeprefix(REFUSED) for text in texts if text.startswith(REFUSED)), None)


@dataclass(frozen=True)
class Job:
    """A job of the workflow.

    Attributes:
        stage: the file in rules/ that defines its rule, without the suffix.
        parameters: the present ones, by name.
        record: Snakemake's record of the job that made its outputs; None if there is none.
        missing: outputs that do not exist.
        is_cut: whether its outputs were left behind by a job that was interrupted.
        newer: inputs that have changed since the outputs were made.
        needs: numbers of the jobs that make its inputs.
        runs: whether Snakemake would run it.
        jobid: Snakemake's number of it.
        threads: cores that it takes.
    """

    number: int
    rule: str
    stage: str
    wildcards: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str
    benchmark: str
    parameters: Mapping[str, Any]
    record: Record | None
    missing: tuple[str, ...]
    is_cut: bool
    newer: tuple[str, ...]
    needs: tuple[int, ...]
    runs: bool
    jobid: int = -1
    threads: int = 1

    @property
    def name(self) -> str:
        """Rule and wildcards, for a person."""
        return " ".join([self.rule, *self.wildcards.values()])


@dataclass(frozen=True)
class Plan:
    """All jobs that some targets depend on.

    Attributes:
        jobs: in topological order: every job comes after those it needs. Those without outputs are left out.
        kinds: the folders under the results' folder that rules write to.
        is_locked: whether a run is in progress in this folder.
        collecting: the rules without outputs that Snakemake would run, such as ``all``; it counts them as jobs.
    """

    config: Config
    jobs: tuple[Job, ...]
    kinds: frozenset[str]
    is_locked: bool
    collecting: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The results' folder."""
        return Path(self.config.paths.results)

    @cached_property
    def makers(self) -> dict[str, Mapping[str, str]]:
        """The wildcards of the job that makes each file, by the file's name under the results' folder."""
        return {name_under(self.root, path): job.wildcards for job in self.jobs for path in job.outputs}


def build(targets: Sequence[str] = (), config: Sequence[str] = (), profile: str | None = None) -> Plan:
    """The plan of the workflow in the current folder.

    Args:
        targets: files or names of rules; the default target if there are none.
        config: the arguments of Snakemake's --config, ``KEY=VALUE`` each.
        profile: the argument of Snakemake's --profile.

    Raises:
        NoSuchTarget: no rule makes a target.
        UserError: there is no workflow here, a setting is malformed, or Snakemake cannot make a plan.
    """
    check_settings(config)
    if not Path("Snakefile").is_file():
        raise UserError(f"there is no Snakefile in {Path.cwd()}. Run this command in the folder that contains it.")
    from snakemake.exceptions import RuleException, WorkflowError

    said = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            _opened(targets, config, profile) as found,
        ):
            return of(found)
    except (RuleException, WorkflowError) as error:
        raise UserError(f"Snakemake cannot make a plan: {str(error) or said.getvalue()}".strip()) from error
    except SystemExit as error:
        # A mistake in the configuration or a target, which ends the run with its own message.
        kind = NoSuchTarget if hasattr(error, ABSENT) else UserError
        raise kind(error.code if isinstance(error.code, str) else said.getvalue().strip()) from None


@contextlib.contextmanager
def _opened(targets: Sequence[str], config: Sequence[str], profile: str | None) -> Iterator[Any]:
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_args, parse_config
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, WorkflowSettings

    arguments = ["--cores", "1"]
    arguments += ["--config", *config] if config else []
    arguments += ["--profile", profile] if profile else []
    _, given = parse_args([*arguments, "--", *targets])
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, stdout=False)) as api:
        opened = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=parse_config(given.config), config_args=given.config),
            workflow_settings=WorkflowSettings(
                persistence_backend=given.persistence_backend,
                persistence_backend_db_url=given.persistence_backend_db_url,
            ),
        )
        opened.dag(
            DAGSettings(
                targets=given.targets,
                rerun_triggers=given.rerun_triggers,
                max_checksum_file_size=given.max_checksum_file_size,
                force_incomplete=given.rerun_incomplete,
            )
        )
        workflow = opened._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        workflow._build_dag()
        yield workflow


def of(workflow: Any) -> Plan:
    """The plan of a workflow whose graph Snakemake has built."""
    dag, config = workflow.dag, workflow.globals["study"].config
    every = [job for level in dag.toposorted() for job in level]
    real = [job for job in every if job.output]
    numbers = {job: number for number, job in enumerate(real)}
    jobs = []
    for job, number in numbers.items():
        reason = dag.reason(job)
        needs = sorted(numbers[other] for other in dag.dependencies[job] if other in numbers)
        jobs.append(
            Job(
                number=number,
                rule=job.rule.name,
                stage=Path(str(job.rule.snakefile)).stem,
                wildcards=dict(job.wildcards_dict),
                inputs=tuple(map(str, job.input)),
                outputs=tuple(map(str, job.output)),
                log=str(job.log[0]) if job.log else "",
                benchmark=str(job.benchmark or ""),
                parameters=dict(job.params.items()),
                record=_record(workflow.persistence, job),
                missing=tuple(str(path) for path in job.output if not os.path.lexists(path)),
                is_cut=bool(reason.forced),
                newer=tuple(sorted(map(str, reason.updated_input))),
                needs=tuple(needs),
                runs=dag.needrun(job),
                jobid=dag.jobid(job),
                threads=int(job.threads),
            )
        )
    results = Path(config.paths.results)
    # A folder with a wildcard in its name is known only from the jobs that write to it.
    paths = [str(path) for rule in workflow.rules for path in [*rule.output, *rule.log, rule.benchmark or ""]]
    paths += [path for job in jobs for path in job.outputs]
    kinds = {Path(path).relative_to(results).parts[0] for path in paths if Path(path).is_relative_to(results)}
    is_held = run_lock.is_held(Path(workflow.persistence.path))
    is_locked = workflow.persistence.locked if is_held is None else is_held
    collecting = tuple(job.rule.name for job in every if not job.output and dag.needrun(job))
    return Plan(config, tuple(jobs), frozenset(kinds), is_locked, collecting)


def _record(persistence: Any, job: Any) -> Record | None:
    """The record of the first output that was not adopted, or else the first record there is."""
    found = filter(None, map(persistence.metadata, job.output))
    records = [Record(tuple(each.params), tuple(each.input or ())) for each in found if each.params is not None]
    return next((record for record in records if record.refusal), records[0] if records else None)


class Memory:
    """Snakemake's records of the files in the current folder, to read, write and remove."""

    def __init__(self) -> None:
        from snakemake.persistence.file import FilePersistence

        with contextlib.redirect_stderr(io.StringIO()):
            self._persistence = FilePersistence(path=Path(".snakemake").absolute())

    def knows(self, path: str) -> bool:
        """Whether there is a record of the file at ``path``, spelled as Snakemake spells it."""
        return self._persistence._read_record(path) is not None

    def write(
        self,
        path: str,
        rule: str,
        inputs: Sequence[str],
        parameters: Sequence[Any],
        checksums: Mapping[str, str],
        made: float,
    ) -> None:
        """Record the job that made the file at ``path`` as Snakemake would.

        Args:
            path: the file.
            rule: the rule.
            inputs: its input files.
            parameters: the values of its parameters.
            checksums: SHA-256 of the inputs that are small enough for Snakemake to compare by content.
            made: when, in seconds since 1970.
        """
        from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord

        record = MetadataRecord(
            rule=rule,
            input=sorted(inputs),
            log=[],
            params=sorted(map(repr, parameters)),
            record_format_version=RECORD_FORMAT_VERSION,
            starttime=made,
            endtime=made,
            incomplete=False,
            input_checksums={name: f"sha256:{value}" for name, value in checksums.items()},
        )
        self._persistence._write_record(path, record)

    def remembered(self, path: str) -> Remembered | None:
        """The record of the job that made the file at ``path``; None if there is none."""
        record = self._persistence._read_record(path)
        if record is None or record.params is None:
            return None
        checksums = record.input_checksums or {}
        return Remembered(record.rule or "", tuple(record.input or ()), tuple(record.params), checksums)

    def replace(self, path: str, old_path: str, content: Remembered) -> None:
        """Record ``content`` for the file at ``path``, in place of the record of ``old_path``."""
        record = self._persistence._read_record(old_path)
        record.rule, record.input = content.rule, list(content.inputs)
        record.params, record.input_checksums = list(content.parameters), dict(content.checksums)
        self._persistence._write_record(path, record)
        if path != old_path:
            self._persistence._delete_record(old_path)

    def forget(self, path: str) -> None:
        """Remove the record of the file at ``path``."""
        self._persistence._delete_record(path)


def checksum_limit() -> int:
    """The size in bytes up to which Snakemake compares the content of an input that is newer."""
    from snakemake.settings.types import DAGSettings

    return int(DAGSettings().max_checksum_file_size)
