"""Draw the accuracies of an experiment: groups of bars for the scenarios, after the paper's Figure 3."""

import json

from _job import running
from rgd.analysis.figures import grouped_bars
from rgd.artifacts.files import read_table

LIBRARIES = ("matplotlib",)

REFERENCES = {
    "oracle": ("oracle", ""),
    "best single member on the test part": ("single", ""),
    "random member": ("random", "random1"),
}

with running(snakemake, LIBRARIES):
    titles = json.loads(snakemake.params.titles)
    grouped_bars(
        read_table(snakemake.input.accuracy).to_pandas(),
        snakemake.output.svg,
        references=REFERENCES,
        titles=titles["pool"] | titles["scenario"],
        scenarios=json.loads(snakemake.params.scenarios),
    )
