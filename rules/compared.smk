# What the analyses take of an experiment: which cells, query sets and fitted routers each table and figure reads.

PLAIN = [name for name in listed(CONFIG).scenarios if name in CONFIG.generator]
CURVE_CELLS = sweep.learning_curve_cells(CONFIG)
DROP_ONE_CELLS = sweep.drop_one_cells(CONFIG)
TRANSFER = sweep.transfer_cells(CONFIG)
# Of every dataset the real queries, which show what no distance looks like, and the generated ones.
SHIFTED = [(dataset, REAL if query_set == BENCHMARK else query_set) for dataset, query_set in QUERY_SETS]
DESCRIBED_FOR = list(unique((dataset, scenarios.parse(CONFIG, query_set).variant) for dataset, query_set in DRAWN))
CURVE_WHOLE = list(
    unique((cell.dataset, cell.scenario, cell.pool) for cell in CURVE_CELLS if whole_scenario(cell.scenario)[1] is None)
)
# The published values, which published_table.py reads beside its code.
PUBLISHED = sorted(f"rgd/analysis/paper/{file.name}" for file in (SCRIPTS / "rgd/analysis/paper").glob("*.csv"))


def figures_to_compare(wildcards):
    """The tables beside the accuracies that have published figures, as far as the experiment can make them."""
    tables = [*(["ranking_transfer"] if TRANSFER else []), *(["label_quality"] if JUDGED else [])]
    return {table: f"<results>/tables/{wildcards.experiment}/{table}.parquet" for table in tables}


def results_of(folder, cells):
    """The files of these cells in a folder of cells: cells, outcomes, routes."""
    return [f"<results>/{folder}/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}.parquet" for cell in cells]


def consensus_of(cells):
    """The consensus of every dataset, scenario and pool among ``cells``."""
    return [f"<results>/consensus/{dataset}/{scenario}/{pool}.parquet" for dataset, scenario, pool in cells]


def writers():
    """Dataset, generated scenario, pool, and each member of the pool that is the generator's own model."""
    asked = members(CONFIG)
    return [
        (dataset, scenario, pool, member)
        for dataset, scenario, pool in TRANSFER
        if scenario != REAL
        for member in members_in(pool)
        if member in asked
        and asked[member].model_name == CONFIG.generator[scenarios.parse(CONFIG, scenario).generator].model
    ]


FIGURE_ROUTER = "cascal"


def dataset_of_map(wildcards):
    """The dataset of a map of queries: that of its name, or the first one."""
    return wildcards.map.removeprefix("queries").removeprefix("_of_") or DATASETS[0]


def scenarios_of_map(wildcards):
    """The scenarios whose queries a map shows: all of the dataset's without a suffix."""
    dataset = dataset_of_map(wildcards)
    return [scenario for scenario in [REAL, *PLAIN] if (dataset, sweep.query_set(scenario)) in QUERY_SETS]


def mapped(wildcards):
    return [(dataset_of_map(wildcards), sweep.query_set(scenario)) for scenario in scenarios_of_map(wildcards)]


def fitted_for_map(wildcards):
    """The fitted routers whose centroids a map shows: those of the first pool that has them."""
    dataset, shown = dataset_of_map(wildcards), scenarios_of_map(wildcards)
    cells = [
        cell
        for cell in ROUTER_CELLS
        if (cell.dataset, cell.router) == (dataset, FIGURE_ROUTER) and cell.scenario in shown
    ]
    return [cell for cell in cells if cell.pool == cells[0].pool]


def cell_of(wildcards):
    return sweep.Cell(wildcards.dataset, wildcards.scenario, wildcards.pool, wildcards.router)


def descriptions_of_bundle(wildcards):
    """The descriptions that a bundle's training queries were written from, where they were generated."""
    variant = tool_settings.description_variant(CONFIG, cell_of(wildcards))
    return {} if variant is None else {"descriptions": f"<results>/descriptions/{wildcards.dataset}/{variant}.parquet"}


BUNDLES = [
    f"<results>/bundles/{cell.dataset}/{cell.scenario}/{cell.pool}/{cell.router}/bundle.json"
    for cell in ROUTER_CELLS
    if cell.router in CONFIG.experiment.bundles
]


GENERATED_CELLS = sweep.generated_cells(CONFIG)
# Routers that learn without labels and rank by a query's vector: of these the diagnostics tell how they route.
DIAGNOSED = [
    cell
    for cell in ROUTER_CELLS
    if (cell.dataset, cell.scenario, cell.pool) in GENERATED_CELLS
    and load_router(CONFIG.router[cell.router].method).family == "query-only"
]
REPORTED = report_settings.settings(CONFIG)


def reported_files():
    """Everything that the experiment's page is made of."""
    tables = [f"tables/{EXPERIMENT}/{table}.parquet" for table in REPORTED["tables"]]
    return [f"<results>/{name}" for name in unique([*tables, *report_page.files(REPORTED)])]
