"""Routing with Generated Data: the core, a pure Python package that knows nothing of Snakemake."""

__version__ = "1.0.0"
