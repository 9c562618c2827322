# Properties of the query sets: outcomes of draws, quality of labels, leaks, and distance from the benchmark.


rule generation_table:
    input:
        counts=inputs.generation_counts(study.drawn),
    output:
        **table("generation"),
    log:
        paths.log("generation_table", "{experiment}"),
    benchmark:
        paths.benchmark("generation_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("generation_table.py"),
    message:
        "Outcomes of the generators' draws in {wildcards.experiment}"
    script:
        "../workflow_scripts/generation_table.py"


rule ranking_transfer_table:
    input:
        consensus=inputs.consensus(study.transfer_cells),
    output:
        **table("ranking_transfer"),
    log:
        paths.log("ranking_transfer_table", "{experiment}"),
    benchmark:
        paths.benchmark("ranking_transfer_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        cells=slices.canonical(study.transfer_cells),
        pools=slices.canonical({pool: study.config.pool[pool].members for _, _, pool in study.transfer_cells}),
        titles=slices.canonical(study.titles),
        code=code("ranking_transfer_table.py"),
    message:
        "How generated queries rank the members of {wildcards.experiment}"
    script:
        "../workflow_scripts/ranking_transfer_table.py"


rule label_quality_table:
    input:
        referee=inputs.label_quality_table(),
        labels=[paths.labels(*judged) for judged in study.judged],
        questions=inputs.questions(study.judged),
    output:
        **table("label_quality"),
    log:
        paths.log("label_quality_table", "{experiment}"),
    benchmark:
        paths.benchmark("label_quality_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "judged": [
                    (dataset, REAL if query_set == BENCHMARK else query_set) for dataset, query_set in study.judged
                ],
                "referee": next(iter(study.referees), None),
                "draws": study.referee_draws,
                "interval": slices.interval(study.config),
            }
        ),
        titles=slices.canonical(study.titles),
        code=code("label_quality_table.py"),
    message:
        "Quality of the labels of {wildcards.experiment}"
    script:
        "../workflow_scripts/label_quality_table.py"


rule generator_diagnostics_table:
    input:
        **inputs.generator_diagnostics_table(),
        consensus=inputs.consensus(study.transfer_cells),
        counts=inputs.generation_counts(study.drawn),
    output:
        **table("generator_diagnostics"),
    log:
        paths.log("generator_diagnostics_table", "{experiment}"),
    benchmark:
        paths.benchmark("generator_diagnostics_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "cells": [
                    (*cell, None if cell[1] == REAL else scenarios.parse(study.config, cell[1]).drawn)
                    for cell in study.transfer_cells
                ],
                "pools": {pool: study.config.pool[pool].members for _, _, pool in study.transfer_cells},
                "drawn": study.drawn,
                "writers": study.writers(),
            }
        ),
        titles=slices.canonical(study.titles),
        code=code("generator_diagnostics_table.py"),
    message:
        "Properties of the generators' queries of {wildcards.experiment}"
    script:
        "../workflow_scripts/generator_diagnostics_table.py"


rule leak_check:
    input:
        texts=paths.questions("{dataset}", "{drawn}"),
        embeddings=paths.embeddings("{dataset}", "{drawn}"),
        questions=paths.questions("{dataset}", BENCHMARK),
        test_embeddings=paths.embeddings("{dataset}", BENCHMARK),
        splits=paths.splits("{dataset}"),
    output:
        leaks=paths.leaks("queries", "{dataset}", "{drawn}"),
    log:
        paths.log("leak_check", "{dataset}", "{drawn}"),
    benchmark:
        paths.benchmark("leak_check", "{dataset}", "{drawn}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        described=False,
        code=code("leak_check.py"),
    message:
        "Comparing the queries {wildcards.drawn} of {wildcards.dataset} with its test questions"
    script:
        "../workflow_scripts/leak_check.py"


use rule leak_check as leak_check_of_descriptions with:
    input:
        texts=paths.descriptions("{dataset}", "{variant}"),
        embeddings=paths.description_embeddings("{dataset}", "{variant}"),
        questions=paths.questions("{dataset}", BENCHMARK),
        test_embeddings=paths.embeddings("{dataset}", BENCHMARK),
        splits=paths.splits("{dataset}"),
    output:
        leaks=paths.leaks("descriptions", "{dataset}", "{variant}"),
    log:
        paths.log("leak_check_of_descriptions", "{dataset}", "{variant}"),
    benchmark:
        paths.benchmark("leak_check_of_descriptions", "{dataset}", "{variant}")
    params:
        described=True,
        code=code("leak_check.py"),
    message:
        "Comparing the {wildcards.variant} descriptions of {wildcards.dataset} with its test questions"


rule leak_table:
    input:
        **inputs.leak_table(),
        questions=inputs.questions(study.benchmarks),
        splits=[paths.splits(dataset) for dataset in study.datasets],
    output:
        **table("leaks"),
        pairs=paths.table("{experiment}", "leaked_pairs", "csv"),
    log:
        paths.log("leak_table", "{experiment}"),
    benchmark:
        paths.benchmark("leak_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "datasets": study.datasets,
                "sources": [
                    *study.drawn,
                    *((dataset, f"description: {variant}") for dataset, variant in study.described_for),
                ],
                "threshold": study.config.experiment.leaks.threshold,
            }
        ),
        titles=slices.canonical(study.titles),
        code=code("leak_table.py"),
    message:
        "Texts that repeat a test question in {wildcards.experiment}"
    script:
        "../workflow_scripts/leak_table.py"


rule shift:
    input:
        queries=inputs.training_embeddings,
        real=paths.embeddings("{dataset}", BENCHMARK),
        splits=paths.splits("{dataset}"),
    output:
        shift=paths.shift("{dataset}", "{scenario}"),
    log:
        paths.log("shift", "{dataset}", "{scenario}"),
    benchmark:
        paths.benchmark("shift", "{dataset}", "{scenario}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(study.config.experiment.shift.model_dump()),
        code=code("shift.py"),
    message:
        "Measuring how far {wildcards.scenario} is from the real queries of {wildcards.dataset}"
    script:
        "../workflow_scripts/shift.py"


rule shift_table:
    input:
        shift=[paths.shift(*keys) for keys in inputs.shifted()],
    output:
        **table("shift"),
    log:
        paths.log("shift_table", "{experiment}"),
    benchmark:
        paths.benchmark("shift_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(study.config.experiment.shift.model_dump()),
        titles=slices.canonical(study.titles),
        code=code("shift_table.py"),
    message:
        "How far the queries of {wildcards.experiment} are from real ones"
    script:
        "../workflow_scripts/shift_table.py"


rule query_figure:
    input:
        unpack(inputs.query_figure),
    output:
        **figure("{map}", caption="captions/query_figure.rst"),
    log:
        paths.log("query_figure", "{experiment}", "{map}"),
    benchmark:
        paths.benchmark("query_figure", "{experiment}", "{map}")
    wildcard_constraints:
        map=f"queries(?:_of_(?:{one_of(study.datasets + study.only_described)}))?",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        dataset=inputs.map_dataset,
        scenarios=lambda wildcards: slices.canonical(inputs.map_scenarios(wildcards)),
        fitted=lambda wildcards: slices.canonical([cell.scenario for cell in inputs.map_routers(wildcards)]),
        titles=slices.canonical({"scenario": study.titles["scenario"]}),
        code=code("query_figure.py"),
    message:
        "Map of the queries of {wildcards.experiment} and the routers' clusters"
    script:
        "../workflow_scripts/query_figure.py"
