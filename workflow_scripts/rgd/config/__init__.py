"""The configuration: composed by Hydra, checked by a schema, cut into the slices that the rules use."""

from rgd.config.compose import load, load_all
from rgd.config.schema import Config

__all__ = ["Config", "load", "load_all"]
