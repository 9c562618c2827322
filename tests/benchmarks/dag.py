"""How long Snakemake takes to lay out a large experiment: ``python -m tests.benchmarks.dag DATASETS GENERATORS [PROFILE]``.

A made-up experiment of two pools of four members and ten routers is planned, nothing is run. What is told is processor time,
which other work on the machine does not change much.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.workflow.project import MEMBERS, make, write

ROUTERS = [
    "cascal",
    "cascal_z_sum",
    "smoothie",
    "smoothie_global",
    "cascal_gt",
    "avengers",
    "knn",
    "topk",
    "majority",
    "single",
]


def enlarge(config: Path, datasets: int, generators: int) -> None:
    """Make the small project's experiment one of many datasets and generators."""
    dataset = yaml.safe_load((config / "dataset/tiny.yaml").read_text())
    generator = yaml.safe_load((config / "generator/tiny-writer.yaml").read_text())
    names = [f"data{number}" for number in range(datasets)]
    scenarios = [f"writer{number}" for number in range(generators)]
    for name in names:
        write(config / f"dataset/{name}.yaml", **dataset | {"title": name})
    for name in scenarios:
        write(config / f"generator/{name}.yaml", **generator | {"title": name})
    write(config / "pool/other.yaml", title="Other pool", members=MEMBERS[::-1])
    experiment = yaml.safe_load((config / "experiment/tiny.yaml").read_text())
    parts = {"datasets": names, "scenarios": ["real", *scenarios], "pools": ["tiny", "other"], "routers": ROUTERS}
    write(config / "experiment/tiny.yaml", **experiment | parts | {"tables": ["accuracy"], "figures": []})


def plan(datasets: int, generators: int, *options: str) -> tuple[int, float]:
    """The number of jobs of a dry run, and its processor time in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder) / "project", Path(folder) / "no_models")
        enlarge(project.folder / "config", datasets, generators)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            project.command("--dry-run", "--quiet", "rules", *options),
            cwd=project.folder,
            env=project.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stdout + done.stderr
    if done.returncode:
        sys.exit(said[-3000:])
    jobs = re.search(r"^total\s+(\d+)", said, re.MULTILINE)
    assert jobs is not None
    return int(jobs[1]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Plan an experiment and tell how long it takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dag", description=__doc__)
    parser.add_argument("datasets", type=int, nargs="?", default=4)
    parser.add_argument("generators", type=int, nargs="?", default=3)
    parser.add_argument("profile", nargs="?", help="as of snakemake")
    parser.add_argument(
        "--size", choices=("full", "tiny"), default="full", help="tiny is one dataset and one generator"
    )
    options = parser.parse_args()
    numbers = (1, 1) if options.size == "tiny" else (options.datasets, options.generators)
    count, seconds = plan(*numbers, *(["--profile", options.profile] if options.profile else []))
    print(f"{count} jobs: {seconds:.1f} s of processor time")


if __name__ == "__main__":
    main()
