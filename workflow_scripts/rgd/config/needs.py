"""Which models an experiment runs, and which embedders: what has to be there before it starts."""

from collections.abc import Iterator

from rgd.config import scenarios
from rgd.config.products import listed, unique
from rgd.config.references import REAL, members
from rgd.config.schema import Config, Embedder, Model


def models(config: Config) -> dict[str, Model]:
    """Every model that answers, writes or judges in the experiment, by the name of its file; recorded members have none."""
    return {name: config.model[name] for name in unique(_names(config))}


def embedders(config: Config) -> dict[str, Embedder]:
    """The embedder of every dataset of the experiment whose embeddings are not all given, by the name of its file."""
    used = (config.dataset[name] for name in listed(config).datasets)
    return {spec.embedder: config.embedder[spec.embedder] for spec in used}


def _names(config: Config) -> Iterator[str]:
    asked, parts = members(config), listed(config)
    for pool in parts.pools:
        yield from (asked[member].model_name for member in config.pool[pool].members if member in asked)
    for scenario in parts.scenarios:
        if scenario != REAL:
            yield config.generator[scenarios.parse(config, scenario).generator].model
    for dataset in parts.datasets:
        if (descriptor := config.dataset[dataset].descriptor) is not None:
            yield config.descriptor[descriptor].model
    for router in parts.routers:
        if (featurizer := config.router[router].features) is not None:
            yield config.featurizer[featurizer].model
    if config.experiment.referee is not None:
        yield asked[config.experiment.referee.member].model_name
