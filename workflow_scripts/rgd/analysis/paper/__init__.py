"""The paper's figures (arXiv 2601.09692) as data, one value a row, with what is known to be wrong in the source.

The files say: source (the table), what (accuracy, referee_accuracy and label_agreement in per cent, kendall_tau), scenario,
pool, dataset (``average``: over the four benchmarks), router and variant by this project's keys (a single model is the router
``single`` and the model's key), published, note. What learns nothing from queries is repeated in the source's tables of all scenarios.
"""

AVERAGE = "average"
BENCHMARKS = ("mmlu_pro", "supergpqa", "medmcqa", "bbeh")
"""The datasets that the paper averages over."""

KEYS = ["scenario", "pool", "dataset", "router", "variant"]
