"""What the scripts that fit routers share: the training sets of a job, each with an unfitted router."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rgd.artifacts.files import read_table
from rgd.routers import load, make
from rgd.routers.base import Router, TrainingSet
from rgd.routing.prices import mean_prices
from rgd.routing.training import training_sets


def unfitted(snakemake: Any) -> Iterator[tuple[Router, TrainingSet]]:
    """For every seed an unfitted router and what it is to be fitted on, by a job's inputs and parameters."""
    settings, given = json.loads(snakemake.params.slice), snakemake.input
    kind, rates = load(settings["method"]), settings.get("prices")
    members = json.loads(snakemake.params.members)
    counted = given.get("responses")
    tokens = counted and [read_table(path, ["query_id", "prompt_tokens", "completion_tokens"]) for path in counted]
    labels, revealed = given.get("labels"), given.get("revealed")
    sizes = None
    if kind.knows_sizes:
        sizes = np.array([np.nan if size is None else size for size in settings["parameters_billion"]])
    for train in training_sets(
        read_table(given.training),
        read_table(given.questions, ["query_id", "task", "answer_kind", *(["options"] if kind.counts_options else [])]),
        given.embeddings if kind.fits_on_embeddings else None,
        members,
        None if labels is None else read_table(labels),
        given.get("answer_embeddings"),
        given.get("features"),
        None if revealed is None else read_table(revealed),
    ):
        prices = rates and mean_prices(rates, tokens, train.query_ids, members)
        yield (
            make(settings["method"], settings["parameters"]),
            replace(train, prices=prices, parameters_billion=sizes),
        )
