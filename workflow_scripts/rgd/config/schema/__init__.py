"""The schema of every configuration file: names, types, ranges and meanings of all keys.

The reference page docs/configuration.md is generated from the descriptions here.
"""

from typing import Literal

from pydantic import Field, PrivateAttr

from rgd.config.schema.base import KEY_PATTERN, SIZE_PATTERN, Key, RepositoryName, Section, Seed, Sha256, SizeKey
from rgd.config.schema.datasets import (
    DESCRIBED,
    FREE_FORM,
    MATHEMATICS,
    TABLE_ADAPTERS,
    AnswerKind,
    Columns,
    Dataset,
    Source,
)
from rgd.config.schema.experiments import (
    DropOne,
    Exclusion,
    Experiment,
    FurtherSweep,
    Interval,
    LabelBudget,
    Leaks,
    LearningCurve,
    Referee,
    Shift,
    StandsFor,
)
from rgd.config.schema.models import SERVED, Api, Ask, Embedder, Engine, Hub, Model, Sampling, Weights, Wheels
from rgd.config.schema.routing import Pool, Router
from rgd.config.schema.sites import Cluster, Partition, Paths, Site
from rgd.config.schema.writers import Descriptor, DescriptorPrompts, Featurizer, Generator

__all__ = [
    "DESCRIBED",
    "FREE_FORM",
    "KEY_PATTERN",
    "MATHEMATICS",
    "SERVED",
    "SIZE_PATTERN",
    "TABLE_ADAPTERS",
    "AnswerKind",
    "Api",
    "Ask",
    "Cluster",
    "Columns",
    "Config",
    "Dataset",
    "Descriptor",
    "DescriptorPrompts",
    "DropOne",
    "Embedder",
    "Engine",
    "Exclusion",
    "Experiment",
    "Featurizer",
    "FurtherSweep",
    "Generator",
    "Hub",
    "Interval",
    "Key",
    "LabelBudget",
    "Leaks",
    "LearningCurve",
    "Model",
    "Partition",
    "Paths",
    "Pool",
    "Referee",
    "RepositoryName",
    "Router",
    "Sampling",
    "Section",
    "Seed",
    "Sha256",
    "Shift",
    "Site",
    "SizeKey",
    "Source",
    "StandsFor",
    "Weights",
    "Wheels",
]


class Config(Section):
    """The whole configuration, as Hydra composes it."""

    name: Key = Field(description="The experiment's name.")
    paths: Paths = Field(default_factory=lambda: Paths())
    neighbours: int = Field(64, ge=1, description="How many nearest training queries are kept for each test query.")
    vote_weight: Literal["logistic", "z_sum", "posterior"] = Field(
        "logistic",
        description="Weight of a vote in the artifact consensus and in filtered scenarios. Routers set their own.",
    )
    min_votes: int = Field(2, ge=1, description="Minimum votes for a majority answer, in the same places.")
    experiment: Experiment
    site: Site = Field(default_factory=lambda: Site())
    dataset: dict[Key, Dataset]
    descriptor: dict[Key, Descriptor]
    embedder: dict[Key, Embedder]
    featurizer: dict[Key, Featurizer]
    generator: dict[Key, Generator]
    model: dict[Key, Model]
    pool: dict[Key, Pool]
    router: dict[Key, Router]
    _overridden: tuple[str, ...] = PrivateAttr(())

    @property
    def overridden(self) -> tuple[str, ...]:
        """The keys that the command line sets, as GROUP.NAME.KEY, experiment.KEY or the KEY of the root."""
        return self._overridden

    def set_overridden(self, keys: tuple[str, ...]) -> None:
        """Remember which keys the command line sets; no value depends on it."""
        self._overridden = keys
