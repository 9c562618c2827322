# Tables and figures of an experiment, from its cells.


def cells_of_experiment(wildcards):
    return CELLS


def figure_scenario():
    """The scenario whose queries the figure shows: the first generated one, else the real one."""
    generated = [scenario for scenario in CONFIG.experiment.scenarios if scenario != REAL]
    return generated[0] if generated else REAL


rule accuracy_table:
    input:
        cells=cells_of_experiment,
    output:
        multiext("<results>/tables/{experiment}/accuracy", ".parquet", ".csv", ".md", ".tex"),
    log:
        "<results>/logs/accuracy_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/accuracy_table/{experiment}.jsonl"
    threads: 1
    params:
        slice=slices.canonical(slices.table_order(CONFIG)),
        code=code("accuracy_table.py"),
    message:
        "Table of accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_table.py"
