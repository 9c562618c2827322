"""See that a benchmark's files are here: in the user's mirror, or fetched from where they are published into the cache."""

import json
from pathlib import Path

from job import running
from rgd.artifacts import write_json
from rgd.hub import fetch
from rgd.mirror import folder_of

with running(snakemake):
    asked = json.loads(snakemake.resources.fetching)
    root = Path(snakemake.resources.root)
    if snakemake.resources.use_hub and not snakemake.resources.mirror:
        fetch(asked["source"], asked["tasks"], root)
    folder_of(asked["source"], asked["tasks"], [root])
    write_json(snakemake.output.source, json.loads(snakemake.params.identity))
