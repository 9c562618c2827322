"""Tabulate accuracy beside its cost: calls and tokens, the oracle's accuracy, and quality against cost with intervals."""

import itertools
import json
from pathlib import Path

import pandas as pd

from _job import running
from rgd.analysis.cost_quality import KEYS, Answered, cost_quality_table, costs_in_unit, rows_tested
from rgd.analysis.costs import COST_COLUMNS, costs_for_people
from rgd.analysis.writing import write_all
from rgd.answers.formats.recorded import read_costs
from rgd.artifacts.files import read_table
from rgd.scoring.cells import read_benchmark

LIBRARIES = ("numpy", "pandas")
RESPONSES = ["query_id", "answer", "prompt_tokens", "completion_tokens"]

NOTE = (
    "Regret is the oracle's accuracy minus the router's, in points; gap closed is the share of the way from the test part's "
    "best single member to the oracle, negative below that member. Tokens are those of all members asked. Intervals are over "
    "the test questions of all splits, from the same bootstrap samples for all routers. AIQ (RouterBench) is a router's mean "
    "accuracy over budgets from nothing to the dearest router or member, where queries are shared at random between its "
    "variants; its gain is over sharing them between single members. The arena score is RouterArena's, of dollars. Cost at "
    "equal accuracy is in per cent of the best single member's cost, gain at equal cost in points over that member."
)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    questions = {
        Path(path).parent.name: read_table(path, ["query_id", "task", "answer_kind"])
        for path in snakemake.input.questions
    }
    data_root = Path(snakemake.resources.data_root)
    files = {(dataset, member): rest for dataset, member, *rest in json.loads(snakemake.params.recorded)}
    responses = iter(snakemake.input.responses)
    answered = {}
    for (dataset, pool, members), labels in zip(
        json.loads(snakemake.params.pools), snakemake.input.labels, strict=True
    ):
        tables = [read_table(path, RESPONSES) for path in itertools.islice(responses, len(members))]
        benchmark = read_benchmark(read_table(labels), questions[dataset], tables, members)
        recorded = {
            member: read_costs(data_root / files[dataset, member][0], tables[0]["query_id"])
            for member in members
            if (dataset, member) in files
        }
        costs = costs_in_unit(benchmark, settings["unit"], settings["prices"], pool, recorded)
        answered[dataset, pool] = Answered(benchmark, *costs)
    # The cells of routers come first, then those of references.
    routed = len(snakemake.input.routes)
    chosen = [*snakemake.input.routes, *snakemake.input.choices]
    points, tested = {}, {}
    for place, cell in enumerate(map(tuple, json.loads(snakemake.params.cells))):
        dataset, _, pool, _ = cell
        outcomes, choice = read_table(snakemake.input.outcomes[place]), read_table(chosen[place])
        if dataset not in tested:
            tasks = questions[dataset].to_pydict()
            tested[dataset] = rows_tested(outcomes, dict(zip(tasks["query_id"], tasks["task"], strict=True)))
        tested[dataset].check(outcomes, cell)
        scored = answered[dataset, pool].routed if place < routed else answered[dataset, pool].reference
        points.setdefault(dataset, {})[cell] = scored(outcomes, choice)
    figures = []
    for dataset, cells in points.items():
        pools = {pool: answered[dataset, pool] for pool in dict.fromkeys(cell[2] for cell in cells)}
        singles = {pool: found.members(tested[dataset].questions) for pool, found in pools.items()}
        units = {pool: found.unit for pool, found in pools.items()}
        figures.append(cost_quality_table(tested[dataset], cells, singles, units, settings))
    accuracy = read_table(snakemake.input.accuracy).to_pandas()
    table = accuracy[COST_COLUMNS].merge(pd.concat(figures), on=KEYS, how="left", validate="one_to_one")
    people = costs_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
