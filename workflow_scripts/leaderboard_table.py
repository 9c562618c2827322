"""Rank the routers of an experiment by benchmark and scenario."""

import json
from pathlib import Path

from _job import running
from rgd.analysis.leaderboard import NOTE, leaderboard, leaderboard_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table, replacing
from rgd.report.leaderboard import leaderboard_page

LIBRARIES = ("jinja2", "numpy", "pandas", "scipy")

with running(snakemake, LIBRARIES):
    frames = [read_table(path).to_pandas() for path in snakemake.input.cells]
    keys = [tuple(frame.loc[0, ["dataset", "scenario", "pool", "router"]]) for frame in frames]
    outcomes = [read_table(path).to_pandas() for path in snakemake.input.outcomes]
    tasks = {}
    for path in snakemake.input.questions:
        questions = read_table(path, ["query_id", "task"]).to_pydict()
        tasks[Path(path).parent.name] = dict(zip(questions["query_id"], questions["task"], strict=True))
    table = leaderboard(
        dict(zip(keys, outcomes, strict=True)),
        {key: frame.loc[0, "family"] for key, frame in zip(keys, frames, strict=True)},
        tasks,
        read_table(snakemake.input.costs).to_pandas(),
        json.loads(snakemake.params.interval),
    )
    people = leaderboard_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE, plain=True)
    with replacing(snakemake.output.html) as temporary:
        temporary.write_text(leaderboard_page(snakemake.params.title, people, NOTE), encoding="utf-8")
