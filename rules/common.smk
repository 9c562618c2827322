# The configuration, composed and checked once, and what the rules share: slices, fingerprints, the sweep's targets.

import functools
import sys
from pathlib import Path

from rgd.artifacts import fingerprint
from rgd.config import analyses, generated, load, scenarios, slices, sweep
from rgd.config.products import listed, unique
from rgd.config.references import BENCHMARK, REAL, members, recorded_file, recorded_members
from rgd.errors import UserError
from rgd.datasets.mirror import content_digest
from rgd.routing.reduced import MARK, WITHOUT, whole_pool, whole_scenario
from rgd.report import page as report_page
from rgd.report import settings as report_settings
from rgd.routers import load as load_router
from rgd.tool import settings as tool_settings

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
ROUTER_CELLS = sweep.router_cells(CONFIG)
TESTED_CELLS = sweep.tested_cells(CONFIG)
REFERENCE_CELLS = sweep.reference_cells(CONFIG)
QUERY_SETS = sweep.needed(CONFIG)
DATASETS = list(unique(dataset for dataset, query_set in QUERY_SETS if query_set == BENCHMARK))
BENCHMARKS = [(dataset, BENCHMARK) for dataset in DATASETS]
GENERATED = [(dataset, query_set) for dataset, query_set in QUERY_SETS if query_set != BENCHMARK]
# Of filtered sets these have the whole ones: what generators write, and what is asked.
DRAWN = generated.drawn(CONFIG)
ASKED = generated.asked(CONFIG)


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
    return members_in(wildcards.pool)


def members_of(pools):
    """Every member that some of these pools has, in the pools' order."""
    return list(unique(member for pool in pools for member in CONFIG.pool[pool].members))


def all_members():
    """Every member that some pool of the experiment has, in the pools' order."""
    return members_of(listed(CONFIG).pools)


def answers_to(query_sets):
    """The responses of every member that answers these query sets, in the query sets' order."""
    return [
        f"<results>/responses/{dataset}/{query_set}/{member}.parquet"
        for dataset, query_set in query_sets
        for member in members_of(QUERY_SETS[dataset, query_set])
    ]


def questions_of(query_sets):
    return [f"<results>/questions/{dataset}/{query_set}.parquet" for dataset, query_set in query_sets]


def source_of(dataset):
    return CONFIG.dataset[dataset].source


def fetched_source(wildcards):
    """The file that says that a benchmark's files are here; nothing for one that is made, or read from a file of one's own."""
    source = source_of(wildcards.dataset)
    return [] if source is None or source.repo is None else f"<results>/sources/{wildcards.dataset}.json"


def own_content(wildcards):
    """The hash of a file of one's own, so that an edit of it reruns what follows and its place does not; "" otherwise."""
    source = source_of(wildcards.dataset)
    if source is None or source.repo is not None:
        return ""
    return content_digest(
        slices.benchmark(CONFIG, wildcards.dataset), Path(slices.data_roots(CONFIG, wildcards.dataset)[0])
    )


def embedder(wildcards):
    return CONFIG.embedder[CONFIG.dataset[wildcards.dataset].embedder]


def training_set(pattern):
    """An input function: ``pattern`` filled with the wildcards and the query set that the scenario trains on."""
    return lambda wildcards: pattern.format(query_set=sweep.query_set(wildcards.scenario), **wildcards)


def tasks_of_subset(wildcards):
    """The questions that say which task a query is of, where only some of a scenario's queries train."""
    if whole_scenario(wildcards.scenario)[1] is None:
        return {}
    return {"questions": training_set("<results>/questions/{dataset}/{query_set}.parquet")(wildcards)}


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


def fetched_embedder(name):
    """The same for an embedder."""
    return [] if CONFIG.embedder[name].weights is None else f"<results>/weights/embedder/{name}.json"


def one_at_a_time(kind, names, name_of):
    """Resources that let jobs of one of ``names`` run one after the other; ``name_of`` gives the name from the wildcards."""

    def share(name):
        return lambda wildcards: 1 if name_of(wildcards) == name else None

    resource = {name: re.sub(r"\W", "_", f"{kind}_{name}") for name in names}
    for key in resource.values():
        workflow.register_resource(key, 1)
    return {key: share(name) for name, key in resource.items()}


def one_load_at_a_time(wildcard, names):
    """Jobs of one of ``names`` run one after the other: the next finds its answers in the store and loads no model."""
    return one_at_a_time(wildcard, names, lambda wildcards: getattr(wildcards, wildcard))


def one_api_job_at_a_time(model_of):
    """Jobs of a served model with a pace or a budget run one after the other, so that both are the model's, not the job's."""
    served = {name: spec.api for name, spec in CONFIG.model.items() if spec.api}
    limited = [name for name, api in served.items() if api.requests_per_minute or api.budget_dollars]
    return one_at_a_time("api", limited, model_of)


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
        patterns["labels"] = label_file(wildcards.dataset, "{query_set}", wildcards.pool)
    if kind.needs_answer_embeddings:
        # Those of the whole pool hold the answers of a pool that lacks a member.
        patterns["answer_embeddings"] = (
            f"<results>/{spec.answer_text}_embeddings/{{dataset}}/{{query_set}}/{whole_pool(wildcards.pool)[0]}.parquet"
        )
    if spec.features is not None:
        patterns["features"] = f"<results>/feature_embeddings/{{dataset}}/{{query_set}}/{spec.features}.parquet"
    found = {name: training_set(pattern)(wildcards) for name, pattern in patterns.items()}
    if spec.price in ("tokens", "dollars"):
        found["responses"] = pool_answers_to(sweep.query_set)(wildcards)
    return found


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


def generator_name(wildcards):
    """The generator that writes the query set ``drawn``."""
    return scenarios.parse(CONFIG, wildcards.drawn).generator


def generator(wildcards):
    return CONFIG.generator[generator_name(wildcards)]


def generator_model(wildcards):
    return CONFIG.model[generator(wildcards).model]


def descriptions_for(wildcards):
    """The descriptions that the generator of ``drawn`` gets."""
    variant = scenarios.parse(CONFIG, wildcards.drawn).variant
    return f"<results>/descriptions/{wildcards.dataset}/{variant}.parquet"


DESCRIBED = [name for name, spec in CONFIG.dataset.items() if spec.descriptor]
WRITTEN = [variant for variant in scenarios.VARIANTS if variant != scenarios.HUMAN]


def descriptor(wildcards):
    return CONFIG.descriptor[CONFIG.dataset[wildcards.dataset].descriptor]


def descriptor_model(wildcards):
    return CONFIG.model[descriptor(wildcards).model]


def shown_to_descriptor(wildcards):
    """What a descriptor writes from: the benchmark, of which it sees the reserved questions, or its own description."""
    if wildcards.variant != scenarios.DEFAULT:
        return {"shown": f"<results>/descriptions/{wildcards.dataset}/{scenarios.DEFAULT}.parquet"}
    return {
        "shown": f"<results>/questions/{wildcards.dataset}/benchmark.parquet",
        "parts": f"<results>/parts/{wildcards.dataset}.parquet",
    }


def featurizer_model(wildcards):
    return CONFIG.model[CONFIG.featurizer[wildcards.featurizer].model]


def featurized_questions(wildcards):
    """The questions of all query sets whose features some cell of the experiment needs of this featurizer."""
    return [
        f"{CONFIG.paths.results}/questions/{dataset}/{query_set}.parquet"
        for dataset, query_set in unique(
            (cell.dataset, query_set)
            for cell in ROUTER_CELLS
            if CONFIG.router[cell.router].features == wildcards.featurizer
            for query_set in (BENCHMARK, generated.whole(CONFIG, sweep.query_set(cell.scenario)))
        )
    ]


def asked_of(member, kind):
    """The questions of all query sets of the experiment that a member answers in a kind of answer."""
    return [
        f"{CONFIG.paths.results}/questions/{dataset}/{query_set}.parquet"
        for (dataset, query_set), pools in ASKED.items()
        if member in members_of(pools) and CONFIG.dataset[dataset].answer_kind == kind
    ]


MATHEMATICAL = [name for name, spec in CONFIG.dataset.items() if spec.answer_kind == "latex"]


def answer_kind(wildcards):
    return CONFIG.dataset[wildcards.dataset].answer_kind


def pool_answers_to(query_set):
    """An input function: the pool's answers to a query set, in which equal answers are equal texts."""

    def files(wildcards):
        asked = query_set(wildcards.scenario) if callable(query_set) else query_set
        own, matched = (
            f"responses/{wildcards.dataset}/{asked}",
            f"matched_responses/{wildcards.dataset}/{wildcards.pool}",
        )
        folder = matched if wildcards.dataset in MATHEMATICAL else own
        return [f"<results>/{folder}/{member}.parquet" for member in pool_members(wildcards)]

    return files


test_answers = pool_answers_to(BENCHMARK)


def label_file(dataset, query_set, pool):
    """The labels, under the names that equal answers of the pool have."""
    if dataset in MATHEMATICAL:
        return f"<results>/matched_labels/{dataset}/{pool}.parquet"
    return f"<results>/labels/{dataset}/{query_set}.parquet"


def test_labels(wildcards):
    return label_file(wildcards.dataset, BENCHMARK, wildcards.pool)


def graded_answers():
    """The answers of every member to every benchmark, in which right answers are the labels' texts."""
    return [
        (
            path.replace(f"responses/{dataset}/{BENCHMARK}", f"graded_responses/{dataset}")
            if dataset in MATHEMATICAL
            else path
        )
        for dataset, query_set in BENCHMARKS
        for path in answers_to([(dataset, query_set)])
    ]


MEMBERS = [*members(CONFIG), *recorded_members(CONFIG)]


wildcard_constraints:
    dataset=one_of(CONFIG.dataset),
    query_set=f"{BENCHMARK}|{scenarios.pattern(CONFIG)}",
    drawn=scenarios.pattern(CONFIG),
    variant=one_of(scenarios.VARIANTS),
    featurizer=one_of(CONFIG.featurizer),
    scenario=f"(?:{REAL}|{scenarios.pattern(CONFIG)}(?:-filtered-(?:{one_of(CONFIG.pool)}))?)(?:{MARK}[0-9]+)?",
    pool=f"(?:{one_of(CONFIG.pool)})(?:{WITHOUT}(?:{one_of(MEMBERS)}))?",
    member=one_of(MEMBERS),
    router=one_of(CONFIG.router),
    reference="oracle|random",
    experiment=one_of([EXPERIMENT]),


JUDGED = sweep.judged(CONFIG)
REFEREES = [CONFIG.experiment.referee.member] if CONFIG.experiment.referee else []
REFEREE_DRAWS = CONFIG.experiment.referee.draws if CONFIG.experiment.referee else 0


def file_of_judged(dataset, query_set):
    """The questions of which the referee judges the labels: of the benchmark those that the first split tests."""
    if query_set == BENCHMARK:
        return f"<results>/tested_questions/{dataset}.parquet"
    return f"<results>/questions/{dataset}/{query_set}.parquet"


def judged_questions(wildcards):
    return file_of_judged(wildcards.dataset, wildcards.query_set)


CELLS = [
    f"<results>/cells/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet"
    for cell in [*TESTED_CELLS, *REFERENCE_CELLS]
]
# Of tasks that are only described nothing can be tested: the fitted routers are what is made of them.
FITTED = [
    f"<results>/routers/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet"
    for cell in ROUTER_CELLS
    if cell not in TESTED_CELLS
]


def weights_at_work():
    """The files that say that the weights of the experiment's models and embedders are here."""
    asked = members(CONFIG)
    described = [CONFIG.dataset[dataset].descriptor for dataset, _ in DRAWN]
    featurizers = [CONFIG.router[cell.router].features for cell in ROUTER_CELLS]
    models = [
        *(asked[name].model_name for pools in ASKED.values() for name in members_of(pools) if name in asked),
        *(asked[name].model_name for name in REFEREES),
        *(CONFIG.generator[scenarios.parse(CONFIG, name).generator].model for _, name in DRAWN),
        *(CONFIG.descriptor[name].model for name in described if name),
        *(CONFIG.featurizer[name].model for name in featurizers if name),
    ]
    embedded = unique(dataset for dataset, _ in QUERY_SETS)
    embedders = [spec.embedder for spec in map(CONFIG.dataset.get, embedded) if not spec.recorded_embeddings]
    return [
        *(fetched(name) for name in unique(models) if fetched(name)),
        *(fetched_embedder(name) for name in unique(embedders) if fetched_embedder(name)),
    ]


RESPONSES = answers_to(QUERY_SETS)
WEIGHTS = weights_at_work()
QUESTIONS = questions_of(ASKED)
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
SUMMARY = [f"<results>/tables/{EXPERIMENT}/summary.txt"] if CELLS else []
UNTESTED = [name for name, spec in CONFIG.dataset.items() if not spec.is_tested]


REPORT = f"<results>/reports/{EXPERIMENT}/report.html"


def print_summary():
    """The experiment's main table, and where the tables and figures lie."""
    root = Path(CONFIG.paths.results)
    summary = root / "tables" / EXPERIMENT / ("summary.txt" if CELLS else "diagnostics.md")
    if summary.exists():
        folders = {"tables": "*.md", "figures": "*.png", "reports": "*.html"}
        made = [path for folder, files in folders.items() for path in root.glob(f"{folder}/{EXPERIMENT}/{files}")]
        print(summary.read_text(), *sorted(map(str, made)), sep="\n")
