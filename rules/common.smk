# The configuration, composed and checked once, and what the rules share: slices, fingerprints, the sweep's targets.

import functools
import sys
from pathlib import Path

from rgd import fingerprint
from rgd.config import load, slices, sweep
from rgd.config.references import BENCHMARK, REAL, members, recorded_file, recorded_members
from rgd.errors import UserError
from rgd.routers import load as load_router

CONFIG_FOLDER = Path(workflow.basedir) / "config"
SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
# What fingerprints read off each file, by its content: a parse reads anew only files that were edited.
READ_BEFORE = Path(".snakemake") / "fingerprints"


def compose():
    """The checked configuration; a mistake in it ends the run with its message alone."""
    overrides = config.get("overrides", [])
    try:
        return load(
            CONFIG_FOLDER,
            experiment=str(config.get("experiment", "quickstart")),
            overrides=[overrides] if isinstance(overrides, str) else overrides,
            data_root=config.get("data_root"),
        )
    except UserError as error:
        sys.exit(f"Configuration error: {error}")


CONFIG = compose()
EXPERIMENT = CONFIG.name


@functools.cache
def fingerprinted(script, plugins, files):
    try:
        return fingerprint.parameter(fingerprint.follow(script, plugins, files, SCRIPTS, READ_BEFORE), script, plugins)
    except UserError as error:
        sys.exit(f"Code error: {error}")


def code(script, plugins=(), files=()):
    """The fingerprint of a rule's script, which follows the plugin modules that the script loads by name.

    ``files`` are data files under workflow_scripts/ that its code reads and that are no inputs.
    """
    return fingerprinted(script, tuple(plugins), tuple(files))


def members_in(pool):
    """The members of a pool, of one that lacks a member the others."""
    whole, missing = whole_pool(pool)
    return [member for member in CONFIG.pool[whole].members if member != missing]


def pool_members(wildcards):
    return CONFIG.pool[wildcards.pool].members


def all_members():
    """Every member that some pool of the experiment has, in the pools' order."""
    return list(dict.fromkeys(member for pool in CONFIG.experiment.pools for member in CONFIG.pool[pool].members))


def embedder(wildcards):
    return CONFIG.embedder[CONFIG.dataset[wildcards.dataset].embedder]


def training_set(pattern):
    """An input function: ``pattern`` filled with the wildcards and the query set that the scenario trains on."""
    return lambda wildcards: pattern.format(query_set=sweep.query_set(wildcards.scenario), **wildcards)


# The order of long work, where cores are fewer than jobs that are ready: first what everything waits for (the benchmark's
# questions, the descriptions, weights), then the generators' queries, so that a member that is loaded answers all query
# sets, and of one kind the largest model, so that no core idles at the end.
QUESTIONS_FIRST, FETCH_FIRST, DRAW_FIRST = 300_000, 200_000, 100_000


def size(model):
    """A model's size in millions of parameters, the measure of how long it takes; 0 where it is not known."""
    return round(1000 * (CONFIG.model[model].parameters_billion or 0))


def fetched(model):
    """The file that says that a model's weights are here; nothing for a model that a server runs."""
    return [] if CONFIG.model[model].weights is None else f"<results>/weights/model/{model}.json"


def one_at_a_time(wildcard, names):
    """Resources that let jobs of one of ``names`` run one after the other: the next finds its answers and loads no model."""

    def share(name):
        return lambda wildcards: 1 if getattr(wildcards, wildcard) == name else None

    resource = {name: re.sub(r"\W", "_", f"{wildcard}_{name}") for name in names}
    for key in resource.values():
        workflow.register_resource(key, 1)
    return {key: share(name) for name, key in resource.items()}


def one_of(names):
    """A wildcard constraint: exactly these names."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def router_class(wildcards):
    return load_router(CONFIG.router[wildcards.router].method)


def router_plugin(wildcards):
    return [f"rgd.routers.{CONFIG.router[wildcards.router].method}"]


def extra_fit_inputs(wildcards):
    """What fitting needs beside consensus and embeddings: labels only where the router's class says so."""
    kind, spec = router_class(wildcards), CONFIG.router[wildcards.router]
    patterns = {}
    if kind.needs_labels:
        patterns["labels"] = "<results>/labels/{dataset}/{query_set}.parquet"
    if kind.needs_answer_embeddings:
        patterns["answer_embeddings"] = (
            f"<results>/{spec.answer_text}_embeddings/{{dataset}}/{{query_set}}/{{pool}}.parquet"
        )
    if spec.features is not None:
        patterns["features"] = f"<results>/feature_embeddings/{{dataset}}/{{query_set}}/{spec.features}.parquet"
    return {name: training_set(pattern)(wildcards) for name, pattern in patterns.items()}


def extra_route_inputs(wildcards):
    """What routing needs beside the router, the test queries and their nearest training queries; never a label."""
    kind, spec = router_class(wildcards), CONFIG.router[wildcards.router]
    found = {}
    if kind.needs_training_embeddings:
        found["consensus"] = "<results>/consensus/{dataset}/{scenario}/{pool}.parquet".format(**wildcards)
        found["training_embeddings"] = training_set("<results>/embeddings/{dataset}/{query_set}.parquet")(wildcards)
    if spec.features is not None:
        found["features"] = f"<results>/feature_embeddings/{wildcards.dataset}/benchmark/{spec.features}.parquet"
    return found


def featurizer_model(wildcards):
    return CONFIG.model[CONFIG.featurizer[wildcards.featurizer].model]


def featurized_questions(wildcards):
    """The questions of all query sets whose features some router of the experiment needs of this featurizer."""
    if all(CONFIG.router[router].features != wildcards.featurizer for router in CONFIG.experiment.routers):
        return []
    return [
        f"{CONFIG.paths.results}/questions/{dataset}/{query_set}.parquet"
        for dataset in CONFIG.experiment.datasets
        for query_set in sweep.query_sets(CONFIG)
    ]


def test_answers(wildcards):
    return expand(
        "<results>/responses/{dataset}/benchmark/{member}.parquet",
        dataset=wildcards.dataset,
        member=pool_members(wildcards),
    )


wildcard_constraints:
    dataset=one_of(CONFIG.dataset),
    query_set=one_of([BENCHMARK, *CONFIG.generator]),
    generator=one_of(CONFIG.generator),
    featurizer=one_of(CONFIG.featurizer),
    scenario=one_of([REAL, *CONFIG.generator]),
    pool=one_of(CONFIG.pool),
    member=one_of([*members(CONFIG), *recorded_members(CONFIG)]),
    router=one_of(CONFIG.router),
    reference="oracle|random",
    experiment=one_of([EXPERIMENT]),


ROUTER_CELLS = sweep.router_cells(CONFIG)
REFERENCE_CELLS = sweep.reference_cells(CONFIG)
CELLS = [
    f"<results>/cells/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet"
    for cell in [*ROUTER_CELLS, *REFERENCE_CELLS]
]
RESPONSES = expand(
    "<results>/responses/{dataset}/{query_set}/{member}.parquet",
    dataset=CONFIG.experiment.datasets,
    query_set=sweep.query_sets(CONFIG),
    member=all_members(),
)
QUESTIONS = expand(
    "<results>/questions/{dataset}/{query_set}.parquet",
    dataset=CONFIG.experiment.datasets,
    query_set=sweep.query_sets(CONFIG),
)
TABLES = expand(
    "<results>/tables/{experiment}/{table}.{kind}",
    experiment=EXPERIMENT,
    table=CONFIG.experiment.tables,
    kind=["parquet", "csv", "md", "tex"],
)
FIGURES = expand(
    "<results>/figures/{experiment}/{figure}.{kind}",
    experiment=EXPERIMENT,
    figure=CONFIG.experiment.figures,
    kind=["svg", "png"],
)
SUMMARY = f"<results>/tables/{EXPERIMENT}/summary.txt"


FIGURE_ROUTER = "cascal"


def router_of_figure(wildcards):
    """The fitted routers whose centroids the figure of queries shows: of the first dataset and pool, all scenarios."""
    if FIGURE_ROUTER not in CONFIG.experiment.routers:
        return []
    return expand(
        "<results>/routers/{dataset}/{scenario}/{pool}/{router}.parquet",
        dataset=CONFIG.experiment.datasets[0],
        scenario=CONFIG.experiment.scenarios,
        pool=CONFIG.experiment.pools[0],
        router=FIGURE_ROUTER,
    )


def print_summary():
    """The experiment's main table, and where the tables and figures lie."""
    root = Path(CONFIG.paths.results)
    summary = root / "tables" / EXPERIMENT / "summary.txt"
    if summary.exists():
        made = [*root.glob(f"tables/{EXPERIMENT}/*.md"), *root.glob(f"figures/{EXPERIMENT}/*.png")]
        print(summary.read_text(), *sorted(map(str, made)), sep="\n")
