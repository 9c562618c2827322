"""Compare how generated and real queries rank the members of each pool, after the paper's Table 2."""

import json

from _job import running
from rgd.analysis.ranking_transfer import (
    NOTE,
    mean_scores,
    possible_note,
    ranking_transfer,
    ranking_transfer_for_people,
)
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    pools, cells = json.loads(snakemake.params.pools), json.loads(snakemake.params.cells)
    scores = {
        tuple(cell): mean_scores(read_table(path, ["seed", "member", "consensus"]), pools[cell[2]])
        for cell, path in zip(cells, snakemake.input.consensus, strict=True)
    }
    table = ranking_transfer(scores, pools)
    people = ranking_transfer_for_people(table, json.loads(snakemake.params.titles))
    note = NOTE.format(possible=possible_note([len(members) for members in pools.values()]))
    write_all(table, snakemake.output.parquet, people, note)
