"""A small project to run and edit: a copy of the workflow with tiny models, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs")
MEMBERS = ["tiny-a-plain", "tiny-a-chat", "tiny-b-plain", "tiny-b-chat"]
ROUTERS = ["latent_truth", "cascal", "smoothie", "cascal_gt", "avengers", "knn", "topk", "single", "majority"]


@dataclass(frozen=True)
class Project:
    """A copy of the workflow in ``folder``, run with the code in it."""

    folder: Path

    def run(self, *arguments: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """``snakemake ARGUMENTS`` in the folder."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        path = str(self.folder / "workflow_scripts")
        return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}

    def pending(self, *arguments: str) -> set[str]:
        """The outputs that a run would make anew, as Snakemake itself lists them, without the results folder."""
        return {path for path, is_pending in self.states(*arguments).items() if is_pending}

    def states(self, *arguments: str) -> dict[str, bool]:
        """Every output, without the results folder, and whether a run would make it anew."""
        done = self.run("--summary", *arguments)
        assert done.returncode == 0, done.stderr
        rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
        return {row[0].removeprefix("results/"): row[-1] == "update pending" for row in rows}

    def rgd(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """``rgd ARGUMENTS`` in the folder."""
        return subprocess.run(
            [sys.executable, "-m", "rgd.cli", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def edit_yaml(self, file: str, **changes: object) -> None:
        """Set top-level keys of a YAML file of the configuration."""
        path = self.folder / "config" / file
        content = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(content | changes, sort_keys=False))

    def edit_text(self, file: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there, in a file of the project."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    def copy(self, folder: Path) -> "Project":
        """The same project elsewhere, results and Snakemake's records included; times of files are kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def make(folder: Path, models: Path) -> Project:
    """A copy of the workflow in ``folder`` with the experiment ``tiny`` as the default.

    ``models`` holds the folders a, b (random language models), writer (a generator) and embedder; the experiment does not
    ask the featurizer, describer, which only tests that do need to have made.
    """
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    configure(folder / "config", models)
    command_line = folder / "workflow_scripts/rgd/config/command_line.py"
    command_line.write_text(
        command_line.read_text().replace('DEFAULT_EXPERIMENT = "quickstart"', 'DEFAULT_EXPERIMENT = "tiny"')
    )
    config = folder / "config/config.yaml"
    config.write_text(config.read_text().replace("- experiment: quickstart", "- experiment: tiny"))
    return Project(folder)


def configure(config: Path, models: Path) -> None:
    """Put the experiment ``tiny`` and what it names into a folder of configuration, in the place of everything there."""
    for group in ("experiment", "dataset", "pool", "descriptor", "generator", "featurizer", "model", "embedder"):
        for file in (config / group).glob("*.yaml"):
            file.unlink()
    (config / "prompts/ask_plain.txt").write_text("Question: {question}\nAnswer:\n")
    (config / "prompts/ask_chat.txt").write_text("[user]\n{question}\n")
    asks = {
        "plain": {"way": "likelihood", "prompt": "ask_plain"},
        "chat": {"way": "likelihood", "prompt": "ask_chat"},
    }
    for name in ("a", "b", "writer", "describer"):
        write(
            config / f"model/tiny-{name}.yaml",
            title=f"Tiny {name}",
            parameters_billion=0.0001,
            licence="none",
            engine="transformers",
            weights={"path": str(models / name)},
            max_model_len=1024,
            dtype="float32",
            asks=asks,
        )
    write(
        config / "generator/tiny-writer.yaml",
        title="Tiny writer",
        model="tiny-writer",
        engine="vllm",
        prompt="generate_instruction",
        temperature=0.8,
        top_p=0.95,
        max_tokens=120,
        max_draws_per_task=80,
    )
    write(
        config / "featurizer/tiny-describer.yaml",
        title="Tiny describer",
        model="tiny-describer",
        engine="vllm",
        prompt="features_of_question",
        temperature=0.8,
        max_tokens=60,
    )
    write(
        config / "embedder/tiny-embedder.yaml",
        title="Tiny embedder",
        licence="none",
        engine="transformers",
        weights={"path": str(models / "embedder")},
        max_model_len=128,
        dimension=64,
    )
    write(
        config / "dataset/tiny.yaml",
        title="Tiny",
        adapter="quickstart",
        seed=1,
        questions_per_task=12,
        tasks={"arithmetic": "Sums and products of whole numbers.", "calendar": "Days of the week, leap years."},
        embedder="tiny-embedder",
        generated_queries=12,
    )
    write(config / "pool/tiny.yaml", title="Tiny pool", members=MEMBERS)
    write(
        config / "experiment/tiny.yaml",
        title="Tiny",
        datasets=["tiny"],
        scenarios=["real", "tiny-writer"],
        pools=["tiny"],
        routers=ROUTERS,
        seeds=[0, 1],
        tables=["accuracy", "comparisons", "costs", "choices", "tasks", "generation", "ranking_transfer"],
        figures=["accuracy", "queries"],
    )
    for file in (config / "router").glob("llmrank*.yaml"):
        router = yaml.safe_load(file.read_text())
        if router["features"] is not None:
            write(file, **router | {"features": "tiny-describer"})


def write(path: Path, **content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
