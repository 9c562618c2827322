"""Fetch a model's weights into the cache, check them, and write a record of which weights they are."""

from _job import running
from rgd.artifacts.files import write_json
from rgd.config.schema.models import Weights
from rgd.weights.cache import ensure_weights

with running(snakemake):
    weights = Weights.model_validate_json(snakemake.resources.weights)
    ensure_weights(weights, snakemake.resources.cache, use_hub=bool(snakemake.resources.use_hub))
    write_json(snakemake.output.weights, {"weights": snakemake.params.identity})
