"""The models and embedders that an experiment runs, which must be available before it starts."""

from rgd.config import generated, scenarios, sweep
from rgd.config.members import members
from rgd.config.products import unique
from rgd.config.schema import Config, Embedder, Model


def models(config: Config) -> dict[str, Model]:
    """Every model that answers, writes or judges in the experiment, by the name of its file; recorded members have none."""
    known, drawn = members(config), generated.drawn(config)
    asked = [
        member for pools in generated.asked(config).values() for pool in pools for member in config.pool[pool].members
    ]
    if config.experiment.referee is not None:
        asked.append(config.experiment.referee.member)
    descriptors = [config.dataset[dataset].descriptor for dataset, _ in drawn]
    featurizers = [config.router[cell.router].features for cell in sweep.router_cells(config)]
    names = unique(
        (
            *(known[member].model_name for member in asked if member in known),
            *(config.generator[scenarios.parse(config, query_set).generator].model for _, query_set in drawn),
            *(config.descriptor[name].model for name in descriptors if name),
            *(config.featurizer[name].model for name in featurizers if name),
        )
    )
    return {name: config.model[name] for name in names}


def embedders(config: Config) -> dict[str, Embedder]:
    """The embedder of every dataset of the experiment whose embeddings are not given, by the name of its file."""
    used = (config.dataset[dataset] for dataset in unique(dataset for dataset, _ in sweep.needed(config)))
    return {spec.embedder: config.embedder[spec.embedder] for spec in used if not spec.recorded_embeddings}
