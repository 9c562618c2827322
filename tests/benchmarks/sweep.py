"""Time the routing side of a whole sweep as a person runs it: ``make bench-sweep`` or ``python -m tests.benchmarks.sweep``.

Four datasets, four scenarios, two pools of six members, all routers: consensus, fit, route, score, tables, by Snakemake on
this machine's cores. Questions, answers and embeddings are synthetic, of the paper's sizes, and lie there beforehand; no
model is asked. The jobs' own benchmark files then say how much of the time went into starting processes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import split
from tests.benchmarks.layout import Layout
from tests.benchmarks.sizes import MMLU_PRO, SUPERGPQA, Size
from tests.benchmarks.world import write_world

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "sweep.json"
PARTS = ("Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs")
# Questions of a benchmark: the rows of the paper's four (arXiv 2601.09692, appendix A); 5,000 generated ones for each generator.
DATASETS = {
    "mmlu_pro": replace(MMLU_PRO, name="mmlu_pro", train=7220, test=4812),
    "supergpqa": replace(SUPERGPQA, name="supergpqa"),
    "medmcqa": Size("medmcqa", 18000, 12000, tuple([1] * 21)),
    "bbeh": Size("bbeh", 1032, 688, tuple([1] * 9)),
}
GENERATED = 5000
GENERATORS = ("generator-a", "generator-b", "generator-c")
POOLS = ("large", "small")
ROUTERS = (
    *("cascal", "cascal_z_sum", "cascal_released", "smoothie", "cascal_gt", "avengers", "llmrank_query_only", "knn"),
    *("benchmark_s3", "topk", "single", "majority"),
)


@dataclass(frozen=True)
class Sweep:
    """What is swept.

    Attributes:
        datasets: keys of DATASETS.
        generators, pools, routers: of each dataset.
        scale: share of the queries.
    """

    datasets: tuple[str, ...] = tuple(DATASETS)
    generators: tuple[str, ...] = GENERATORS
    pools: tuple[str, ...] = POOLS
    routers: tuple[str, ...] = ROUTERS
    scale: float = 1.0


SIZES = {
    "full": Sweep(),
    "tiny": Sweep(("bbeh",), GENERATORS[:1], POOLS[:1], ("cascal", "topk"), 0.02),
}
# Answers are embedded in 384 dimensions here: in 4,096 those of the sweep would be 26 GB.
ANSWER_DIMENSION = 384
EMPTY = ("-c", "import numpy, pyarrow.parquet, rgd.routers")


def write_inputs(results: Path, sweep: Sweep) -> None:
    """What the routing side starts from, for every dataset, query set and pool."""
    for dataset in sweep.datasets:
        size = DATASETS[dataset]
        for query_set in ("benchmark", *sweep.generators):
            train = size.train if query_set == "benchmark" else GENERATED
            test = size.test if query_set == "benchmark" else 0
            wanted = replace(
                size,
                train=max(len(size.tasks) * 8, int(train * sweep.scale)),
                test=int(test * sweep.scale),
                answer_dimension=ANSWER_DIMENSION,
                members=2 * size.members,
            )
            with tempfile.TemporaryDirectory(dir=results.parent) as folder:
                write_world(wanted, Path(folder), answers_too=True)
                take(Layout(Path(folder)), results, dataset, query_set)


def take(made: Layout, results: Path, dataset: str, query_set: str) -> None:
    """Move one synthetic query set to where the workflow looks for it; the members are divided between the pools."""
    for kind in ("questions", "labels", "embeddings"):
        target = results / kind / dataset / f"{query_set}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(getattr(made, kind), target)
    answers = read_table(made.answer_embeddings)
    for pool in POOLS:
        own = members(pool)
        schema = schemas.answer_embeddings(ANSWER_DIMENSION)
        mine = np.isin(answers["member"].to_numpy(zero_copy_only=False), own)
        write_table(
            results / "answer_embeddings" / dataset / query_set / f"{pool}.parquet", answers.filter(mine), schema
        )
        for member in own:
            target = results / "responses" / dataset / query_set / f"{member}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made.responses(member), target)
    if query_set == "benchmark":
        questions = read_table(results / "questions" / dataset / "benchmark.parquet", ["query_id", "task"]).to_pandas()
        parts = split(questions["query_id"].to_numpy(), questions["task"].to_numpy(), [0], 0.6, 0)
        write_table(results / "splits" / f"{dataset}.parquet", parts, schemas.SPLITS)


def members(pool: str) -> list[str]:
    """The keys of a pool's six members."""
    first = 6 * POOLS.index(pool)
    return Layout.members(12)[first : first + 6]


def write_project(folder: Path, sweep: Sweep) -> None:
    """The workflow with the sweep as its experiment; models and generators stand for those that have answered already."""
    for part in PARTS:
        source = ROOT / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, folder / part, ignore=ignored) if source.is_dir() else shutil.copy(
            source, folder / part
        )
    config = folder / "config"
    for group in ("experiment", "dataset", "pool", "descriptor", "generator", "model"):
        for file in (config / group).glob("*.yaml"):
            file.unlink()
    for file in (config / "featurizer").glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        write(file, **content | {"model": "m0"})
    for key in Layout.members(12):
        write(
            config / f"model/{key}.yaml",
            title=key,
            parameters_billion=1.0,
            licence="none",
            engine="transformers",
            weights={"path": "none"},
            max_model_len=1024,
            asks={"default": {"way": "likelihood", "prompt": "ask_examples"}},
        )
    for key in sweep.generators:
        generator = {"title": key, "model": "m0", "prompt": "generate_instruction", "max_tokens": 64}
        write(config / f"generator/{key}.yaml", max_draws_per_task=GENERATED, **generator)
    for key in POOLS:
        write(config / f"pool/{key}.yaml", title=key, members=members(key))
    for key in sweep.datasets:
        write(
            config / f"dataset/{key}.yaml",
            title=key,
            adapter="quickstart",
            tasks={f"task-{number:02d}": "A task." for number in range(len(DATASETS[key].tasks))},
            embedder="all-minilm-l6-v2",
            generated_queries=GENERATED,
        )
    write(
        config / "experiment/sweep.yaml",
        title="Sweep",
        datasets=list(sweep.datasets),
        scenarios=["real", *sweep.generators],
        pools=list(sweep.pools),
        routers=list(sweep.routers),
        seeds=[0],
        # Benchmark routing is about tasks that real labels are known of.
        exclude=[
            {"router": "benchmark_s3", "scenario": generator, "reason": "benchmark routing uses real data"}
            for generator in sweep.generators
            if "benchmark_s3" in sweep.routers
        ],
        tables=["accuracy", "comparisons", "costs", "choices"],
        figures=["accuracy"],
    )


def write(path: Path, **content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def report(folder: Path, seconds: float, cores: int) -> dict[str, object]:
    """Jobs and their seconds by rule, and the share of process starts: what a job costs that only imports."""
    rules: dict[str, list[float]] = {}
    for file in sorted((folder / "results" / "benchmarks").rglob("*.jsonl")):
        last = json.loads(file.read_text().splitlines()[-1])
        rules.setdefault(file.relative_to(folder / "results" / "benchmarks").parts[0], []).append(last["s"])
    jobs = sum(map(len, rules.values()))
    start = time.perf_counter()
    for _ in range(10):
        subprocess.run([sys.executable, *EMPTY], check=True, env=environment(folder))
    imports = (time.perf_counter() - start) / 10
    busy = sum(map(sum, rules.values()))
    return {
        "seconds": round(seconds, 1),
        "cores": cores,
        "jobs": jobs,
        "job_seconds": round(busy, 1),
        "seconds_of_one_start_with_imports": round(imports, 2),
        "share_of_starts_with_imports": round(jobs * imports / busy, 3),
        "snakemake_seconds_per_job": round((cores * seconds - busy) / jobs, 3),
        "rules": {
            rule: {"jobs": len(times), "seconds": round(sum(times), 1), "longest": round(max(times), 1)}
            for rule, times in sorted(rules.items(), key=lambda item: -sum(item[1]))
        },
    }


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder / "workflow_scripts"), "OMP_NUM_THREADS": "1"}


def bench(folder: Path, sweep: Sweep, cores: int) -> dict[str, object]:
    """Write the inputs, run the workflow, report.

    Raises:
        SystemExit: the workflow failed.
    """
    write_project(folder, sweep)
    write_inputs(folder / "results", sweep)
    command = [
        *(sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"),
        *("--config", "experiment=sweep", "--", "tables", "figures"),
    ]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(folder), check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit("the sweep failed; its last messages are above")
    return report(folder, seconds, cores)


def main() -> None:
    """Run the sweep of the size asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sweep", description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--size", choices=SIZES, default="full", help="tiny takes a minute and keeps no result")
    parser.add_argument("--scale", type=float, help="share of the queries, to try it out")
    parser.add_argument("--folder", type=Path, help="where to work (5 GB); default: a temporary folder")
    options = parser.parse_args()
    sweep = SIZES[options.size] if options.scale is None else replace(SIZES[options.size], scale=options.scale)
    with tempfile.TemporaryDirectory(prefix="rgd-sweep-", dir=options.folder) as name:
        found = bench(Path(name), sweep, options.cores)
    print(json.dumps(found, indent=2))
    if sweep == SIZES["full"]:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
