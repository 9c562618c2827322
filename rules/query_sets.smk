# What the query sets are like: how they were written, their labels, what they leak, how far they are from the benchmark's.


rule generation_table:
    input:
        counts=[f"<results>/generation/{dataset}/{query_set}.parquet" for dataset, query_set in DRAWN],
    output:
        parquet="<results>/tables/{experiment}/generation.parquet",
        csv="<results>/tables/{experiment}/generation.csv",
        md="<results>/tables/{experiment}/generation.md",
        tex="<results>/tables/{experiment}/generation.tex",
    log:
        "<results>/logs/generation_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/generation_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("generation_table.py"),
    message:
        "What became of the generators' draws in {wildcards.experiment}"
    script:
        "../workflow_scripts/generation_table.py"


rule ranking_transfer_table:
    input:
        consensus=consensus_of(TRANSFER),
    output:
        parquet="<results>/tables/{experiment}/ranking_transfer.parquet",
        csv="<results>/tables/{experiment}/ranking_transfer.csv",
        md="<results>/tables/{experiment}/ranking_transfer.md",
        tex="<results>/tables/{experiment}/ranking_transfer.tex",
    log:
        "<results>/logs/ranking_transfer_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/ranking_transfer_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        cells=slices.canonical(TRANSFER),
        pools=slices.canonical({pool: CONFIG.pool[pool].members for _, _, pool in TRANSFER}),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("ranking_transfer_table.py"),
    message:
        "How generated queries rank the members of {wildcards.experiment}"
    script:
        "../workflow_scripts/ranking_transfer_table.py"


rule label_quality_table:
    input:
        referee=[
            f"<results>/referee/{dataset}/{query_set}/{member}.parquet"
            for dataset, query_set in JUDGED
            for member in REFEREES
        ],
        labels=[f"<results>/labels/{dataset}/{query_set}.parquet" for dataset, query_set in JUDGED],
        questions=questions_of(JUDGED),
    output:
        parquet="<results>/tables/{experiment}/label_quality.parquet",
        csv="<results>/tables/{experiment}/label_quality.csv",
        md="<results>/tables/{experiment}/label_quality.md",
        tex="<results>/tables/{experiment}/label_quality.tex",
    log:
        "<results>/logs/label_quality_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/label_quality_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "judged": [(dataset, REAL if query_set == BENCHMARK else query_set) for dataset, query_set in JUDGED],
                "referee": REFEREES[0] if REFEREES else None,
                "draws": REFEREE_DRAWS,
                "interval": slices.interval(CONFIG),
            }
        ),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("label_quality_table.py"),
    message:
        "How good the labels of {wildcards.experiment} are"
    script:
        "../workflow_scripts/label_quality_table.py"


rule generator_diagnostics_table:
    input:
        consensus=consensus_of(TRANSFER),
        counts=[f"<results>/generation/{dataset}/{query_set}.parquet" for dataset, query_set in DRAWN],
        labels=[f"<results>/labels/{dataset}/{scenario}.parquet" for dataset, scenario, _, _ in writers()],
        responses=[
            f"<results>/responses/{dataset}/{scenario}/{member}.parquet" for dataset, scenario, _, member in writers()
        ],
    output:
        parquet="<results>/tables/{experiment}/generator_diagnostics.parquet",
        csv="<results>/tables/{experiment}/generator_diagnostics.csv",
        md="<results>/tables/{experiment}/generator_diagnostics.md",
        tex="<results>/tables/{experiment}/generator_diagnostics.tex",
    log:
        "<results>/logs/generator_diagnostics_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/generator_diagnostics_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "cells": [
                    (*cell, None if cell[1] == REAL else scenarios.parse(CONFIG, cell[1]).drawn) for cell in TRANSFER
                ],
                "pools": {pool: CONFIG.pool[pool].members for _, _, pool in TRANSFER},
                "drawn": DRAWN,
                "writers": writers(),
            }
        ),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("generator_diagnostics_table.py"),
    message:
        "What the generators' queries of {wildcards.experiment} are like"
    script:
        "../workflow_scripts/generator_diagnostics_table.py"


rule leak_check:
    input:
        texts="<results>/questions/{dataset}/{drawn}.parquet",
        embeddings="<results>/embeddings/{dataset}/{drawn}.parquet",
        questions="<results>/questions/{dataset}/benchmark.parquet",
        test_embeddings="<results>/embeddings/{dataset}/benchmark.parquet",
        splits="<results>/splits/{dataset}.parquet",
    output:
        leaks="<results>/leaks/queries/{dataset}/{drawn}.parquet",
    log:
        "<results>/logs/leak_check/{dataset}/{drawn}.log",
    benchmark:
        "<results>/benchmarks/leak_check/{dataset}/{drawn}.jsonl"
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
        texts="<results>/descriptions/{dataset}/{variant}.parquet",
        embeddings="<results>/description_embeddings/{dataset}/{variant}.parquet",
        questions="<results>/questions/{dataset}/benchmark.parquet",
        test_embeddings="<results>/embeddings/{dataset}/benchmark.parquet",
        splits="<results>/splits/{dataset}.parquet",
    output:
        leaks="<results>/leaks/descriptions/{dataset}/{variant}.parquet",
    log:
        "<results>/logs/leak_check_of_descriptions/{dataset}/{variant}.log",
    benchmark:
        "<results>/benchmarks/leak_check_of_descriptions/{dataset}/{variant}.jsonl"
    params:
        described=True,
        code=code("leak_check.py"),
    message:
        "Comparing the {wildcards.variant} descriptions of {wildcards.dataset} with its test questions"


rule leak_table:
    input:
        leaks=[
            *(f"<results>/leaks/queries/{dataset}/{query_set}.parquet" for dataset, query_set in DRAWN),
            *(f"<results>/leaks/descriptions/{dataset}/{variant}.parquet" for dataset, variant in DESCRIBED_FOR),
        ],
        texts=[
            *questions_of(DRAWN),
            *(f"<results>/descriptions/{dataset}/{variant}.parquet" for dataset, variant in DESCRIBED_FOR),
        ],
        questions=questions_of(BENCHMARKS),
        splits=[f"<results>/splits/{dataset}.parquet" for dataset in DATASETS],
    output:
        parquet="<results>/tables/{experiment}/leaks.parquet",
        csv="<results>/tables/{experiment}/leaks.csv",
        md="<results>/tables/{experiment}/leaks.md",
        tex="<results>/tables/{experiment}/leaks.tex",
        pairs="<results>/tables/{experiment}/leaked_pairs.csv",
    log:
        "<results>/logs/leak_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/leak_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "datasets": DATASETS,
                "sources": [*DRAWN, *((dataset, f"description: {variant}") for dataset, variant in DESCRIBED_FOR)],
                "threshold": CONFIG.experiment.leaks.threshold,
            }
        ),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("leak_table.py"),
    message:
        "What repeats a test question in {wildcards.experiment}"
    script:
        "../workflow_scripts/leak_table.py"


rule shift:
    input:
        queries=training_set("<results>/embeddings/{dataset}/{query_set}.parquet"),
        real="<results>/embeddings/{dataset}/benchmark.parquet",
        splits="<results>/splits/{dataset}.parquet",
    output:
        shift="<results>/shift/{dataset}/{scenario}.parquet",
    log:
        "<results>/logs/shift/{dataset}/{scenario}.log",
    benchmark:
        "<results>/benchmarks/shift/{dataset}/{scenario}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(CONFIG.experiment.shift.model_dump()),
        code=code("shift.py"),
    message:
        "Measuring how far {wildcards.scenario} lies from the real queries of {wildcards.dataset}"
    script:
        "../workflow_scripts/shift.py"


rule shift_table:
    input:
        shift=[f"<results>/shift/{dataset}/{scenario}.parquet" for dataset, scenario in SHIFTED],
    output:
        parquet="<results>/tables/{experiment}/shift.parquet",
        csv="<results>/tables/{experiment}/shift.csv",
        md="<results>/tables/{experiment}/shift.md",
        tex="<results>/tables/{experiment}/shift.tex",
    log:
        "<results>/logs/shift_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/shift_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(CONFIG.experiment.shift.model_dump()),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("shift_table.py"),
    message:
        "How far the queries of {wildcards.experiment} lie from real ones"
    script:
        "../workflow_scripts/shift_table.py"


rule query_figure:
    input:
        questions=lambda wildcards: questions_of(mapped(wildcards)),
        embeddings=lambda wildcards: [
            f"<results>/embeddings/{dataset}/{query_set}.parquet" for dataset, query_set in mapped(wildcards)
        ],
        routers=lambda wildcards: results_of("routers", fitted_for_map(wildcards)),
    output:
        svg=report("<results>/figures/{experiment}/{map}.svg", caption="captions/query_figure.rst", category="Figures"),
        png="<results>/figures/{experiment}/{map}.png",
    log:
        "<results>/logs/query_figure/{experiment}/{map}.log",
    benchmark:
        "<results>/benchmarks/query_figure/{experiment}/{map}.jsonl"
    wildcard_constraints:
        map=f"queries(?:_of_(?:{one_of(DATASETS)}))?",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        dataset=lambda wildcards: dataset_of_map(wildcards),
        scenarios=lambda wildcards: slices.canonical(scenarios_of_map(wildcards)),
        fitted=lambda wildcards: slices.canonical([cell.scenario for cell in fitted_for_map(wildcards)]),
        titles=slices.canonical({"scenario": slices.titles(CONFIG)["scenario"]}),
        code=code("query_figure.py"),
    message:
        "Map of the queries of {wildcards.experiment} and the routers' clusters"
    script:
        "../workflow_scripts/query_figure.py"
