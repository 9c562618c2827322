"""The paper (arXiv 2601.09692): its figures as data, this experiment's beside them, and the layouts of its tables."""

BENCHMARKS = ("mmlu_pro", "supergpqa", "medmcqa", "bbeh")
"""The datasets that the paper averages over."""

KEYS = ["scenario", "pool", "dataset", "router", "variant"]
"""The keys of a published value."""
