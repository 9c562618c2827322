"""What the rules compute: the sweep, result paths, inputs, targets, resources and fingerprints, typed and tested.

Together with :mod:`rgd.planning` this is the part of the core that knows Snakemake.
"""
