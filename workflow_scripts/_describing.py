"""Shared code of the scripts that ask a descriptor and that read its descriptions."""

import json
from typing import Any

from rgd.artifacts.files import read_table
from rgd.engines.base import Request
from rgd.generation.describing import numbered, requests_for, reserved_questions
from rgd.store.answers import AnswerSettings


def requests_of_job(snakemake: Any, settings: AnswerSettings) -> list[Request]:
    """The requests of a job, one per task; the job's input ``shown`` has the questions or descriptions to show."""
    slice_ = json.loads(snakemake.params.slice)
    if "reserved_per_task" in slice_:
        questions = read_table(snakemake.input.shown, ["query_id", "task", "question"])
        parts = {row["query_id"]: row["part"] for row in read_table(snakemake.input.parts).to_pylist()}
        reserved = reserved_questions(questions, slice_["reserved_per_task"], parts)
        shown = {task: numbered(reserved[task]) for task in slice_["tasks"]}
    else:
        table = read_table(snakemake.input.shown)
        shown = dict(zip(table["task"].to_pylist(), table["description"].to_pylist(), strict=True))
    return requests_for(shown, settings.prompt)
