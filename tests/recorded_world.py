"""A folder of data in the layout of a user's own: a mirror of MMLU-Pro's file and recorded answers of two pools."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

CONFIG = Path(__file__).parents[1] / "config"
DIMENSION = 384


def make(root: Path, per_task: int = 12, seed: int = 0) -> Path:
    """Random questions of all tasks of config/dataset/mmlu_pro_recorded.yaml, and answers of its pools' members.

    Every member knows some tasks better than others, so that there is something to route.
    """
    rng = np.random.default_rng(seed)
    tasks = list(yaml.safe_load((CONFIG / "dataset/mmlu_pro_recorded.yaml").read_text())["tasks"])
    category = np.repeat(tasks, per_task)
    n = len(category)
    ids = rng.permutation(np.arange(100, 100 + n))
    options = [[f"choice {i} of {row}" for i in range(rng.integers(3, 11))] for row in range(n)]
    right = np.array([rng.integers(len(given)) for given in options])
    letters = np.array(list("ABCDEFGHIJ"))
    hub = root / "hub/TIGER-Lab/MMLU-Pro"
    hub.mkdir(parents=True)
    questions = {
        "question_id": ids,
        "question": [f"Question {number} about {name}?" for number, name in zip(ids, category, strict=True)],
        "options": options,
        "answer": letters[right],
        "answer_index": right,
        "category": [name.replace("_", " ") for name in category],
    }
    pq.write_table(pa.table(questions), hub / "test.parquet")
    folder = root / "recorded/mmlu_pro"
    folder.mkdir(parents=True)
    centres = {task: rng.normal(size=DIMENSION) for task in tasks}
    vectors = np.array([centres[task] + 0.7 * rng.normal(size=DIMENSION) for task in category]).astype(np.float16)
    order = rng.permutation(n)
    pq.write_table(
        pa.table({"question_id": ids[order], "embedding": [vectors[row] for row in order]}),
        folder / "embeddings-all-MiniLM-L6-v2.parquet",
    )
    for pool in ("large", "small"):
        (folder / pool).mkdir()
        for member in yaml.safe_load((CONFIG / f"pool/{pool}_recorded.yaml").read_text())["members"]:
            skill = {task: rng.uniform(0.2, 0.95) for task in tasks}
            knows = rng.random(n) < [skill[task] for task in category]
            guess = np.array([rng.integers(len(given)) for given in options])
            answer = letters[np.where(knows, right, guess)].astype(object)
            answer[rng.random(n) < 0.03] = None
            order = rng.permutation(n)
            table = {
                "question_id": ids[order],
                "answer": pa.array(answer[order], pa.string()),
                "mean_token_probability": np.clip(0.7 + 0.2 * knows[order] + rng.normal(0, 0.05, n), 0, 1).astype(
                    np.float32
                ),
                "completion_tokens": rng.integers(20, 400, n).astype(np.int32),
            }
            pq.write_table(pa.table(table), folder / pool / f"{member}.parquet")
    return root
