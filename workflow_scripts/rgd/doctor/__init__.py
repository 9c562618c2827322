"""Checks before a long run: what the experiment needs from the machine, the network and the cluster, and what is missing.

Each check yields findings: what it found, and what to do if that is not enough. No check changes anything.
"""

import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rgd.config.needs import embedders, models
from rgd.config.schema import Config
from rgd.doctor.cluster import slurm
from rgd.doctor.findings import FIX, NOTE, OK, Finding, Run, run_command
from rgd.doctor.machine import gpus, local_gpus, memory
from rgd.doctor.servers import ask_server, servers
from rgd.doctor.supplies import ask_hub, data, disk, keys, weights
from rgd.workflow.checkout import environment_problem, path_problem


def examine(config: Config, project: Path, run: Run = run_command, *, network: bool = True) -> Iterator[Finding]:
    """All findings about the experiment of ``config``, one check after another.

    Args:
        config: with the experiment and the site.
        project: the folder that holds envs/.
        run: runs commands of the system.
        network: whether to ask the hub and the models' servers.
    """
    needed, vectors = models(config), embedders(config)
    on_cluster = run(["sinfo", "--version"]) is not None
    yield from installation(project, Path(sys.executable))
    lock = lock_file(project / "envs")
    yield from versions(pins(lock), importlib.metadata.version, reinstallation(project, lock))
    if on_cluster:
        yield from slurm(config, needed, vectors, run)
    else:
        yield from gpus(needed, vectors, local_gpus(run))
        yield from memory(needed, vectors)
        if config.site.cluster.partition or config.site.cluster.gpu_partition:
            yield Finding(
                FIX,
                "SLURM",
                "the site names partitions, but `sinfo` is not installed here",
                "run this on a login node of the cluster, or choose another site in config/config.yaml",
            )
    yield from weights(config, needed, vectors, ask_hub if network else None)
    yield from data(config)
    yield from disk(config, needed, vectors)
    yield from keys(needed)
    yield from servers(needed, vectors, ask_server if network else None)


def drafts(broken: Mapping[tuple[str, str], str]) -> Iterator[Finding]:
    """Files of the configuration that have a mistake, and that the experiment does not use."""
    for fault in dict.fromkeys(broken.values()):
        yield Finding(
            NOTE, "configuration", fault, "this experiment does not use the file; correct it before one that does"
        )


def installation(project: Path, interpreter: Path) -> Iterator[Finding]:
    """Whether ``interpreter`` can start jobs, and whether the environment in ``project`` works."""
    complaint = path_problem(interpreter)
    if complaint is not None:
        yield Finding(FIX, "path", complaint)
    complaint = environment_problem(project / ".venv")
    if complaint is not None:
        yield Finding(FIX, "environment", complaint, "make install (it rebuilds .venv)")


def lock_file(folder: Path) -> Path:
    """The lock file in ``folder`` that the present environment was installed from; the CPU's if that is unknown."""
    installed = next(Path(sys.prefix).glob(".installed-*"), None)
    return folder / (installed.name.removeprefix(".installed-") if installed else "lock-cpu.txt")


def pins(lock: Path) -> dict[str, str]:
    """The versions that a lock file pins, by distribution; empty if there is no such file."""
    try:
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    except OSError:
        return {}


def reinstallation(project: Path, lock: Path) -> str:
    """The commands, run in ``project``, that install the versions of ``lock`` into the present environment."""
    if Path(sys.prefix).resolve() != (project / ".venv").resolve():
        return f"{sys.executable} -m pip install --no-deps -r envs/{lock.name}"
    # While its stamp is newer than the lock file, make considers .venv complete.
    chosen = "" if lock.name == "lock-cpu.txt" else f" LOCK=envs/{lock.name}"
    return f"rm -f .venv/.installed-*; make install{chosen}"


def versions(wanted: Mapping[str, str], installed: Callable[[str], str], remedy: str) -> Iterator[Finding]:
    """Whether the installed versions are those that the lock file pins; ``remedy`` is what to do if not."""
    if not wanted:
        yield Finding(
            NOTE, "versions", "there is no lock file here to compare with", "run this in the project's folder"
        )
        return
    wrong = []
    for name, version in wanted.items():
        try:
            found = installed(name)
        except importlib.metadata.PackageNotFoundError:
            found = "absent"
        if found.partition("+")[0] != version.partition("+")[0]:
            wrong.append(f"{name} {found} (pinned: {version})")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        yield Finding(FIX, "versions", ", ".join(wrong[:3]) + more, remedy)
    else:
        yield Finding(OK, "versions", f"all {len(wanted)} packages match the lock file")
