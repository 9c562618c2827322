"""Write the page of an experiment: one HTML file that needs no server."""

import json
from pathlib import Path

from _job import running
from rgd.artifacts.files import replacing
from rgd.report.page import report

LIBRARIES = ("jinja2", "numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    with replacing(snakemake.output.html) as temporary:
        temporary.write_text(report(Path(snakemake.log[0].partition("/logs/")[0]), settings), encoding="utf-8")
