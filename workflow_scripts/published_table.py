"""Put this experiment's figures beside the paper's, one row per published value."""

import functools
import json

from _job import running
from rgd.analysis.paper.comparison import (
    NOTE,
    accuracy_values,
    agreement_values,
    missing_reason,
    published_for_people,
    published_table,
    tau_values,
)
from rgd.analysis.paper.values import read_published
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    readers = {"accuracy": accuracy_values, "ranking_transfer": tau_values, "label_quality": agreement_values}
    made = {name: path for name in readers if (path := snakemake.input.get(name))}
    ours = [readers[name](read_table(path).to_pandas()) for name, path in made.items()]
    reason = functools.partial(missing_reason, **settings)
    table = published_table(read_published(), ours, settings["names"], reason)
    write_all(table, snakemake.output.parquet, published_for_people(table), NOTE)
