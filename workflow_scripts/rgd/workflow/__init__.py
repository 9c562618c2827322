"""The logic behind the rules: the sweep, result paths, inputs, targets, resources and fingerprints, typed and tested.

Only this package and :mod:`rgd.planning` know Snakemake.
"""
