"""The files of a dataset, its pools and an experiment, written for answers that ``rgd import`` has recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from rgd.answers.formats.collecting import MIRROR
from rgd.artifacts.digests import file_digest
from rgd.artifacts.files import read_table
from rgd.config import load
from rgd.errors import UserError
from rgd.tool.new_files import as_yaml, check_name, write_new

EMBEDDER = "all-minilm-l6-v2"
OF_ANSWERS = ("latent_truth", "cascal", "cascal_gt", "avengers", "knn", "benchmark_s3", "topk", "single", "majority")
"""Routers of the experiment where there are answers."""
OF_SCORES = ("cascal_gt", "avengers", "knn", "benchmark_s3", "topk", "single")
"""Routers of the experiment where there are scores alone."""
WITHOUT_LABELS = ("latent_truth", "cascal", "single", "majority")
"""Routers of the experiment where there are answers, and no labels."""
OF_SEVERAL_TASKS = ("benchmark_s3",)
"""Routers that learn from the other tasks, and cannot be fitted to one."""
_FEWEST_MEMBERS = 2


def write_experiment(name: str, folder: Path, config: Path) -> list[Path]:
    """Write ``config/dataset/NAME.yaml``, ``config/pool/NAME….yaml`` and ``config/experiment/NAME.yaml``.

    Args:
        name: of the dataset in ``folder``, and of the files.
        folder: the target folder of ``rgd import``.
        config: the folder of configuration.

    Returns:
        The files, of which the last is the experiment's.

    Raises:
        UserError: the folder has no such dataset, no pool of two members, or answers of none of its members; a file exists
            already; or the configuration does not allow what the files would say. Nothing is written then.
    """
    check_name(name)
    questions = folder / "hub" / MIRROR / name / "questions.parquet"
    if not questions.exists():
        known = sorted(path.parent.name for path in (folder / "hub" / MIRROR).glob("*/questions.parquet"))
        raise UserError(
            f"{questions} is missing: {folder} has the datasets {', '.join(known) or 'of no import'}. Run rgd import first."
        )
    pools = _pools(folder / "recorded" / name)
    if not pools:
        raise UserError(
            f"{folder / 'recorded' / name} has no pool of {_FEWEST_MEMBERS} models. Import more models into one pool."
        )
    dataset = _dataset(name, questions, [path for members in pools.values() for path in members])
    files: dict[Path, Any] = {config / "dataset" / f"{name}.yaml": dataset}
    of_pool = {pool: name if len(pools) == 1 else f"{name}_{pool}" for pool in pools}
    for pool, named in _members(pools).items():
        renamed = {key: path.stem for key, path in named.items() if key != path.stem}
        content = {"title": pool, "recorded": pool, "members": list(named), **({"files": renamed} if renamed else {})}
        files[config / "pool" / f"{of_pool[pool]}.yaml"] = content
    experiment = config / "experiment" / f"{name}.yaml"
    files[experiment] = {
        "title": name,
        "datasets": [name],
        "scenarios": ["real"],
        "pools": list(of_pool.values()),
        "routers": _routers(dataset),
        "seeds": [0, 1, 2, 3, 4],
        **(
            {"tables": ["accuracy", "comparisons"], "figures": ["accuracy"]}
            if _is_tested(dataset)
            else {"tables": ["audit"]}
        ),
        "report": True,
    }
    texts = {path: as_yaml(content) for path, content in files.items()}
    return write_new(texts, lambda: load(config, name, data_root=str(folder.resolve())), "import under another --name")


def _pools(folder: Path) -> dict[str, list[Path]]:
    """The files of the members of each pool that has enough."""
    pools = {path.name: sorted(path.glob("*.parquet")) for path in sorted(folder.glob("*")) if path.is_dir()}
    return {pool: members for pool, members in pools.items() if len(members) >= _FEWEST_MEMBERS}


def _members(pools: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, Path]]:
    """The files of each pool by member; a file with the name of another one and other answers is MEMBER-POOL."""
    taken: dict[str, str] = {}
    found: dict[str, dict[str, Path]] = {}
    for pool, paths in pools.items():
        found[pool] = {}
        for path in paths:
            content = file_digest(path)
            is_other = taken.setdefault(path.stem, content) != content
            found[pool][f"{path.stem}-{pool}" if is_other else path.stem] = path
    return found


def _is_tested(dataset: Mapping[str, Any]) -> bool:
    return dataset.get("answer_kind") == "score" or "label" in dataset["source"]["columns"]


def _routers(dataset: Mapping[str, Any]) -> list[str]:
    if not _is_tested(dataset):
        return list(WITHOUT_LABELS)
    known = OF_SCORES if dataset.get("answer_kind") == "score" else OF_ANSWERS
    return [router for router in known if router not in OF_SEVERAL_TASKS or len(dataset["tasks"]) > 2]


def _dataset(name: str, path: Path, members: Sequence[Path]) -> dict[str, Any]:
    questions = read_table(path)
    labelled = questions.num_rows - questions["answer"].null_count
    has_options = bool(pc.max(pc.list_value_length(questions["options"])).as_py())
    columns: Mapping[str, Any] = {"id": "question_id", "question": "question", "task": "category"}
    answers = [read_table(member, ["answer", "score"]) for member in members]
    is_scored = all(table["score"].null_count == 0 for table in answers)
    are_scores_alone = all(table["answer"].null_count == table.num_rows for table in answers)
    if labelled < questions.num_rows and (is_scored or are_scores_alone):
        adapter = {"adapter": "free_form", "answer_kind": "score"}
    else:
        # Questions without a right answer are dropped where others have one.
        adapter = {"adapter": "multiple_choice" if has_options else "mathematics"}
        columns = {**columns, **({"options": "options"} if has_options else {})}
        form = "letter" if has_options else "text"
        columns = {**columns, **({"label": "answer", "label_form": form} if labelled else {})}
    used = questions.filter(pc.is_valid(questions["answer"])) if "label" in columns else questions
    tasks = sorted(set(used["category"].to_pylist()))
    return {
        "title": name,
        **adapter,
        "source": {"file": str(Path("hub") / MIRROR / name / path.name), "columns": dict(columns)},
        "tasks": {task: f"Questions of {task}." for task in tasks},
        "recorded": name,
        "embedder": EMBEDDER,
    }
