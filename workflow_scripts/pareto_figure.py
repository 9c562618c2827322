"""Draw accuracy against cost with intervals, the Pareto front and the curve of the single models."""

import json

from _job import running
from rgd.analysis.trade_offs import pareto_figure
from rgd.artifacts.files import read_table

LIBRARIES = ("matplotlib",)

with running(snakemake, LIBRARIES):
    pareto_figure(
        read_table(snakemake.input.costs).to_pandas(), snakemake.output.svg, json.loads(snakemake.params.titles)
    )
