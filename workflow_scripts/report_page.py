"""Write the page of an experiment: one HTML file that needs no server."""

import json
from pathlib import Path

from _job import running
from rgd.artifacts.files import replacing
from rgd.report.page import report
from rgd.workflow.commit import described

LIBRARIES = ("jinja2", "numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    with replacing(snakemake.output.html) as temporary:
        root = Path(snakemake.log[0].partition("/logs/")[0])
        temporary.write_text(report(root, settings, described(Path(__file__).parent)), encoding="utf-8")
