"""Find a benchmark's files in the user's mirror, or fetch the published ones into the cache."""

import json
from pathlib import Path

from _job import running
from rgd.artifacts.files import write_json
from rgd.datasets.hub import fetch
from rgd.datasets.mirror import folder_of

with running(snakemake):
    asked = json.loads(snakemake.resources.fetching)
    root = Path(snakemake.resources.root)
    if snakemake.resources.use_hub and not snakemake.resources.mirror:
        fetch(asked["source"], asked["tasks"], root)
    folder_of(asked["source"], asked["tasks"], [root])
    write_json(snakemake.output.source, json.loads(snakemake.params.identity))
