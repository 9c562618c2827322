"""Write a fitted router as a bundle, a self-contained folder that can route."""

import json
from pathlib import Path

from _job import running
from rgd.tool.exporting import INPUTS, export

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    given = snakemake.input
    paths = {name: getattr(given, name) for name in INPUTS}
    paths |= {name: given[name] for name in ("descriptions", "to_label") if given.get(name)}
    routing, members = json.loads(snakemake.params.slice), json.loads(snakemake.resources.members)
    root = snakemake.log[0].partition("/logs/")[0]
    export(Path(snakemake.output.manifest).parent, paths, routing, members, root)
