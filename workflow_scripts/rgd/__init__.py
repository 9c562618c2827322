"""Routing with Generated Data: the core, a pure Python package that knows nothing of Snakemake."""

__version__ = "0.1.0"
