"""Hypothesis on shared machines: no limit on the time of one example, and the same examples in every run."""

from hypothesis import settings

settings.register_profile("rgd", deadline=None, derandomize=True)
settings.load_profile("rgd")
