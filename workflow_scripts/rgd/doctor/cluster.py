"""Checks of a SLURM cluster."""

import re
import shutil
from collections.abc import Iterator, Mapping

from rgd.config.schema import Config, Embedder, Model
from rgd.doctor.findings import FIX, NOTE, OK, Finding, Run
from rgd.doctor.machine import gpu_memory_gb, with_gpus

STAND_IN = "profiles/slurm/without-accounting"
"""The folder with a stand-in for sacct."""
LEAST_JOB_AGE = 200
"""Seconds that SLURM must remember an ended job: when little happens, squeue is asked only every 180 seconds."""


def slurm(config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder], run: Run) -> Iterator[Finding]:
    """Whether the cluster's controller answers, and has the partitions, times, GPUs and account that the site names."""
    shown = run(["scontrol", "show", "partition", "--oneliner"])
    if shown is None:
        yield Finding(
            FIX,
            "SLURM",
            "`sinfo` is installed here, but the controller does not answer",
            "ask the administrators, or wait until it is back",
        )
        return
    partitions = {record["PartitionName"]: record for record in map(_record, shown.splitlines()) if record}
    yield Finding(OK, "SLURM", f"the controller answers; partitions: {', '.join(partitions)}")
    yield from _partitions(config, partitions)
    gpu_place = config.site.cluster.gpu_partition or config.site.cluster.partition
    yield from _cluster_gpus(needed, vectors, gpu_place, config.site.cluster.largest_memory_mb, run)
    yield from _account(config.site.cluster.account, run)
    settings = run(["scontrol", "show", "config"]) or ""
    stands_in = (shutil.which("sacct") or "").endswith(f"{STAND_IN}/sacct")
    if re.search(r"^AccountingStorageType\s*=\s*accounting_storage/none", settings, re.MULTILINE) and not stands_in:
        yield Finding(
            NOTE,
            "SLURM",
            "the cluster has no accounting: if its controller is briefly unavailable, snakemake asks sacct in vain and may hang",
            f"export PATH=$PWD/{STAND_IN}:$PATH",
        )
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", settings, re.MULTILINE)
    if age is not None and int(age[1]) < LEAST_JOB_AGE:
        yield Finding(
            FIX,
            "SLURM",
            f"SLURM forgets a job {age[1]} s after its end (MinJobAge), before squeue is asked again",
            "run snakemake with --slurm-status-command sacct, if the cluster has accounting",
        )


def _partitions(config: Config, partitions: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    cluster = config.site.cluster
    usual = next((name for name, record in partitions.items() if record.get("Default") == "YES"), "")
    for key in ("partition", "gpu_partition", "served_partition"):
        # If the site names no partition, SLURM's default counts; the other two keys default to `partition`.
        named = getattr(cluster, key) or (usual if key == "partition" else "")
        for name in named.split(","):
            if not name:
                continue
            if name not in partitions:
                yield Finding(
                    FIX,
                    "SLURM",
                    f"site.cluster.{key} names {name}, which is not a partition",
                    f"name one of {', '.join(partitions)} in config/site/",
                )
                continue
            longest = minutes_of(partitions[name].get("MaxTime", ""))
            if longest is not None and longest < cluster.longest_minutes:
                yield Finding(
                    FIX,
                    "SLURM",
                    f"jobs may request {cluster.longest_minutes} minutes (site.cluster.longest_minutes), but {name} allows at most {longest}",
                    f"set longest_minutes: {longest} in config/site/",
                )
            if partitions[name].get("State", "UP") != "UP":
                yield Finding(NOTE, "SLURM", f"the partition {name} is {partitions[name]['State']}")
            if partitions[name].get("PreemptMode") == "CANCEL":
                yield Finding(
                    NOTE,
                    "SLURM",
                    f"{name} cancels the jobs that it preempts (PreemptMode=CANCEL), and SLURM then never reports their end",
                    "use a partition that requeues them (PreemptMode=REQUEUE), or stop and rerun snakemake if it hangs",
                )


def _cluster_gpus(
    needed: Mapping[str, Model],
    vectors: Mapping[str, Embedder],
    partition: str | None,
    largest_mb: int | None,
    run: Run,
) -> Iterator[Finding]:
    on_gpus = {**with_gpus(needed, "model"), **with_gpus(vectors, "embedder")}
    if not on_gpus:
        yield Finding(OK, "GPUs", "no model of this experiment needs a GPU")
        return
    chosen = ["-p", partition] if partition else []
    nodes = (run(["sinfo", "-h", "-N", "-t", "idle,mixed,allocated", "-o", "%G %m", *chosen]) or "").splitlines()
    counts = [sum(map(int, re.findall(r"gpu(?::[\w.-]+)?:(\d+)", node))) for node in nodes]
    most, file = max((spec.gpus, file) for file, spec in on_gpus.items())
    where = f"the partition {partition}" if partition else "the cluster"
    if max(counts, default=0) < most:
        yield Finding(
            FIX,
            "GPUs",
            f"no node of {where} has more than {max(counts, default=0)} GPUs; {file} needs {most}",
            "set gpu_partition in config/site/ to a partition with such nodes, or lower gpus in the model's file",
        )
        return
    yield Finding(OK, "GPUs", f"nodes of {where} have up to {max(counts)} GPUs; a job uses up to {most} ({file})")
    memory_mb = max(
        int(node.split()[1].rstrip("+")) for node, count in zip(nodes, counts, strict=True) if count >= most
    )
    wanted_mb, file = max((spec.memory_mb, file) for file, spec in on_gpus.items())
    if wanted_mb > memory_mb:
        yield Finding(
            FIX,
            "memory",
            f"a node of {where} with {most} GPUs has up to {memory_mb} MB; {file} needs {wanted_mb}",
            "lower memory_mb in the model's file, or name a partition with larger nodes",
        )
    elif largest_mb is not None and largest_mb > memory_mb:
        yield Finding(
            NOTE,
            "memory",
            f"retries may request {largest_mb} MB (site.cluster.largest_memory_mb), but a node of {where} has {memory_mb}",
            f"set largest_memory_mb: {memory_mb} in config/site/",
        )
    large = max(filter(None, map(gpu_memory_gb, on_gpus.values())), default=0.0)
    yield Finding(
        NOTE, "GPUs", f"SLURM does not report how much memory GPUs have; a model needs {large:.0f} GB on each"
    )


def _account(account: str | None, run: Run) -> Iterator[Finding]:
    if account is None:
        return
    user = (run(["id", "-un"]) or "").strip()
    said = run(["sacctmgr", "-n", "-P", "show", "associations", f"user={user}", "format=account"])
    known = sorted(set((said or "").split()))
    if known and account not in known:
        yield Finding(
            FIX, "SLURM", f"the account {account} is not yours", f"name one of {', '.join(known)} in config/site/"
        )


def _record(line: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in line.split() if "=" in item)


def minutes_of(time: str) -> int | None:
    """SLURM's time (days-hours:minutes:seconds, and shorter forms) in minutes; None for UNLIMITED and the like."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", time)
    if match is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes
