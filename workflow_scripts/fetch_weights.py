"""Fetch a model's weights into the cache and check them; what is written says which weights these are."""

import json

from _job import running
from rgd.artifacts.files import write_json
from rgd.weights.cache import ensure_weights

with running(snakemake):
    ensure_weights(
        json.loads(snakemake.resources.weights), snakemake.resources.cache, use_hub=bool(snakemake.resources.use_hub)
    )
    write_json(snakemake.output.weights, {"weights": snakemake.params.identity})
