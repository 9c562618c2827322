"""The path of every result file, defined in this one place.

Each function fills a path with its keys; a rule passes wildcards such as ``"{dataset}"``. Paths begin with ``<results>``,
which Snakemake's ``pathvars`` replace in rules and :func:`located` replaces elsewhere.
"""

from collections.abc import Iterable

RESULTS = "<results>"
KINDS = ("parquet", "csv", "md", "tex")
"""The file types of a table."""


CELL = ("{dataset}", "{scenario}", "{pool}", "{router}")
"""The wildcards of the rules that make a cell."""


def located(path: str, results: str) -> str:
    """``path`` in the folder ``results``."""
    return path.replace(RESULTS, results, 1)


def result(kind: str, *keys: str, suffix: str = "parquet") -> str:
    """The file of ``kind`` with these keys."""
    return f"{RESULTS}/{'/'.join((kind, *keys))}.{suffix}"


def log(rule: str, *keys: str) -> str:
    return result("logs", rule, *keys, suffix="log")


def benchmark(rule: str, *keys: str) -> str:
    """How long a job took, as Snakemake measures it."""
    return result("benchmarks", rule, *keys, suffix="jsonl")


def source(dataset: str) -> str:
    """The record that a benchmark's files are here."""
    return result("sources", dataset, suffix="json")


def questions(dataset: str, query_set: str) -> str:
    return result("questions", dataset, query_set)


def labels(dataset: str, query_set: str) -> str:
    return result("labels", dataset, query_set)


def parts(dataset: str) -> str:
    return result("parts", dataset)


def dropped(dataset: str) -> str:
    return result("dropped", dataset)


def splits(dataset: str) -> str:
    return result("splits", dataset)


def tested_questions(dataset: str) -> str:
    return result("tested_questions", dataset)


def model_weights(model: str) -> str:
    """The record that a model's weights are here."""
    return result("weights", "model", model, suffix="json")


def embedder_weights(embedder: str) -> str:
    return result("weights", "embedder", embedder, suffix="json")


def asked(what: str, *keys: str) -> str:
    """The record that the store has everything asked: descriptions, queries, answers, features or judgements.

    A last key {replica} is a number from 2 on: the record of a further job that shared the asking.
    """
    return result("asked", what, *keys, suffix="json")


def descriptions(dataset: str, variant: str) -> str:
    return result("descriptions", dataset, variant)


def generation(dataset: str, drawn: str) -> str:
    """The outcomes of a generator's draws."""
    return result("generation", dataset, drawn)


def filtering(dataset: str, query_set: str) -> str:
    return result("filtering", dataset, query_set)


def responses(dataset: str, query_set: str, member: str) -> str:
    return result("responses", dataset, query_set, member)


def embeddings(dataset: str, query_set: str) -> str:
    return result("embeddings", dataset, query_set)


def description_embeddings(dataset: str, variant: str) -> str:
    return result("description_embeddings", dataset, variant)


def text_embeddings(text: str, dataset: str, query_set: str, pool: str) -> str:
    """The vectors of a pool's answers; ``text`` is ``answer`` or ``option``."""
    return result(f"{text}_embeddings", dataset, query_set, pool)


def features(dataset: str, query_set: str, featurizer: str) -> str:
    return result("features", dataset, query_set, featurizer)


def feature_embeddings(dataset: str, query_set: str, featurizer: str) -> str:
    return result("feature_embeddings", dataset, query_set, featurizer)


def referee(dataset: str, query_set: str, member: str) -> str:
    return result("referee", dataset, query_set, member)


def graded_responses(dataset: str, member: str) -> str:
    return result("graded_responses", dataset, member)


def equal_answers(dataset: str, pool: str) -> str:
    return result("equal_answers", dataset, pool)


def matched_responses(dataset: str, pool: str, member: str) -> str:
    return result("matched_responses", dataset, pool, member)


def matched_labels(dataset: str, pool: str) -> str:
    return result("matched_labels", dataset, pool)


def neighbours(dataset: str, scenario: str) -> str:
    return result("neighbours", dataset, scenario)


def training(dataset: str, scenario: str, pool: str) -> str:
    """The training sets of a scenario and pool: the members' answers to the training queries of each seed."""
    return result("training", dataset, scenario, pool)


def queries_to_label(cell: Iterable[str] = CELL) -> str:
    """The training queries whose labels a router asks for."""
    return result("queries_to_label", *cell)


def revealed_labels(cell: Iterable[str] = CELL) -> str:
    """The labels that a router is given of the queries it asked for."""
    return result("revealed_labels", *cell)


def consensus(dataset: str, scenario: str, pool: str) -> str:
    return result("consensus", dataset, scenario, pool)


def router(cell: Iterable[str] = CELL) -> str:
    return result("routers", *cell)


def routes(cell: Iterable[str] = CELL) -> str:
    return result("routes", *cell)


def outcomes(cell: Iterable[str] = CELL) -> str:
    return result("outcomes", *cell)


def choices(cell: Iterable[str] = CELL) -> str:
    return result("choices", *cell)


def cell(cell: Iterable[str] = CELL) -> str:
    return result("cells", *cell)


def leaks(of: str, dataset: str, name: str) -> str:
    """The texts that repeat a test question; ``of`` is ``queries`` or ``descriptions``."""
    return result("leaks", of, dataset, name)


def shift(dataset: str, scenario: str) -> str:
    return result("shift", dataset, scenario)


def table(experiment: str, name: str, kind: str = "parquet") -> str:
    return result("tables", experiment, name, suffix=kind)


def figure(experiment: str, name: str, kind: str = "svg") -> str:
    return result("figures", experiment, name, suffix=kind)


def summary(experiment: str) -> str:
    """The main table as printed at the end of a run."""
    return result("tables", experiment, "summary", suffix="txt")


def bundle(name: str, cell: Iterable[str] = CELL) -> str:
    """A file of a bundle."""
    return f"{RESULTS}/bundles/{'/'.join(cell)}/{name}"


def report(experiment: str) -> str:
    return result("reports", experiment, "report", suffix="html")
