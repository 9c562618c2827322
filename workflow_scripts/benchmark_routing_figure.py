"""Draw benchmark routing against the share of labelled examples of the routed task."""

import json

from _job import running
from rgd.analysis.benchmark_routing import TITLES, summary
from rgd.analysis.trade_offs import labelled_share_curves
from rgd.artifacts.files import read_table

LIBRARIES = ("matplotlib",)

with running(snakemake, LIBRARIES):
    table = summary(read_table(snakemake.input.table).to_pandas())
    titles = json.loads(snakemake.params.titles) | {"rule": TITLES}
    labelled_share_curves(table, snakemake.output.svg, titles)
