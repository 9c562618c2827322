"""Draw accuracy against the number of labels."""

import json

from _job import running
from rgd.analysis.trade_offs import learning_curves
from rgd.artifacts.files import read_table

LIBRARIES = ("matplotlib",)

with running(snakemake, LIBRARIES):
    titles = json.loads(snakemake.params.titles)
    learning_curves(
        read_table(snakemake.input.curve).to_pandas(),
        snakemake.output.svg,
        titles["dataset"] | titles["pool"] | titles["scenario"],
        ("n_labels", "labels"),
    )
