"""Checks of this machine: whether its GPUs and memory are enough for the models."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rgd.config.schema import Embedder, Model
from rgd.doctor.findings import FIX, OK, Finding, Run

SHARE_OF_GPU = 0.9
"""Share of a GPU's memory that vLLM takes for weights and attention cache."""


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine; its memory in GB of 10^9 bytes."""

    name: str
    memory_gb: float


def local_gpus(run: Run) -> list[Gpu]:
    """The NVIDIA GPUs of this machine."""
    said = run(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]) or ""
    rows = [line.rsplit(",", 1) for line in said.splitlines() if "," in line]
    # nvidia-smi counts in MiB.
    return [Gpu(name.strip(), float(memory) * 2**20 / 1e9) for name, memory in rows]


def gpus(needed: Mapping[str, Model], vectors: Mapping[str, Embedder], found: Sequence[Gpu]) -> Iterator[Finding]:
    """Whether this machine has enough GPUs, with enough memory, for each model that runs on GPUs."""
    on_gpus = {**with_gpus(needed, "model"), **with_gpus(vectors, "embedder")}
    if not on_gpus:
        yield Finding(OK, "GPUs", "no model of this experiment needs a GPU")
        return
    here = ", ".join(f"{gpu.name} with {gpu.memory_gb:.0f} GB" for gpu in found) or "none"
    few = {file: spec.gpus for file, spec in on_gpus.items() if spec.gpus > len(found)}
    if few:
        most = max(few.values())
        yield Finding(
            FIX,
            "GPUs",
            f"here: {here}; {len(few)} files need more (up to {most}), such as {next(iter(few))}",
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
            f"raise gpus in config/{file}.yaml, or run it on larger GPUs",
        )
    if not few and not small:
        yield Finding(OK, "GPUs", f"{here}; enough for {len(on_gpus)} models")


def gpu_memory_gb(spec: Model | Embedder) -> float | None:
    """The least memory per GPU that holds a model's weights, in GB; None if its size is unknown."""
    size = weights_gb(spec)
    return None if size is None else size / max(1, spec.gpus) / SHARE_OF_GPU


def weights_gb(spec: Model | Embedder) -> float | None:
    """An upper bound on the weights in memory and, except in a packed format, on disk, in GB; None if unknown.

    A job's memory holds them while they are loaded, so memory_mb bounds weights of less than two bytes a number.
    """
    if spec.parameters_billion is not None:
        return min(spec.parameters_billion * spec.bytes_of_a_parameter, spec.memory_mb / 1e3)
    return spec.weights.bytes / 1e9 if spec.weights is not None and spec.weights.bytes else None


def memory(needed: Mapping[str, Model], vectors: Mapping[str, Embedder]) -> Iterator[Finding]:
    """Whether this machine has the memory that the largest model's job requests."""
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    jobs = [(spec.memory_mb, file) for file, spec in [*files_of(needed, "model"), *files_of(vectors, "embedder")]]
    if not jobs:
        yield Finding(OK, "memory", f"{present / 1e3:.0f} GB; no job runs a model")
        return
    wanted, file = max(jobs)
    if wanted > present:
        yield Finding(
            FIX,
            "memory",
            f"{present / 1e3:.0f} GB here; the job of {file} uses up to {wanted / 1e3:.0f} GB",
            "run it on a larger machine or on a cluster",
        )
    else:
        yield Finding(OK, "memory", f"{present / 1e3:.0f} GB; a job uses up to {wanted / 1e3:.0f} GB ({file})")


def files_of(specs: Mapping[str, Model] | Mapping[str, Embedder], group: str) -> Iterable[tuple[str, Model | Embedder]]:
    return [(f"{group}/{name}", spec) for name, spec in specs.items()]


def with_gpus(specs: Mapping[str, Model] | Mapping[str, Embedder], group: str) -> dict[str, Model | Embedder]:
    return {file: spec for file, spec in files_of(specs, group) if spec.gpus}
