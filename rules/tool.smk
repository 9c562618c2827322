# Routers as tools: bundles, which route alone, and the page on which people look at an experiment.


rule bundle:
    input:
        unpack(descriptions_of_bundle),
        router="<results>/routers/{dataset}/{scenario}/{pool}/{router}.parquet",
        consensus="<results>/consensus/{dataset}/{scenario}/{pool}.parquet",
        questions=training_set("<results>/questions/{dataset}/{query_set}.parquet"),
        embeddings=training_set("<results>/embeddings/{dataset}/{query_set}.parquet"),
    output:
        manifest="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/bundle.json",
        router="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/router.parquet",
        training="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/training.parquet",
        embeddings="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/embeddings.safetensors",
    log:
        "<results>/logs/bundle/{dataset}/{scenario}/{pool}/{router}.log",
    benchmark:
        "<results>/benchmarks/bundle/{dataset}/{scenario}/{pool}/{router}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        # Where models lie and which server is asked: part of the bundle, but no text for its provenance.
        members=lambda wildcards: slices.canonical(tool_settings.asking(CONFIG, CONFIG_FOLDER, cell_of(wildcards))),
    params:
        slice=lambda wildcards: slices.canonical(tool_settings.routing(CONFIG, cell_of(wildcards))),
        members=lambda wildcards: tool_settings.digest(tool_settings.asking(CONFIG, CONFIG_FOLDER, cell_of(wildcards))),
        code=code("bundle.py"),
    message:
        "Writing {wildcards.router}, fitted on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}, as a bundle"
    script:
        "../workflow_scripts/bundle.py"


rule report_page:
    input:
        reported_files(),
    output:
        html=report("<results>/reports/{experiment}/report.html", caption="captions/report.rst", category="The page"),
    log:
        "<results>/logs/report_page/{experiment}.log",
    benchmark:
        "<results>/benchmarks/report_page/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(REPORTED),
        code=code("report_page.py", files=report_page.FILES),
    message:
        "Writing the page of {wildcards.experiment}"
    script:
        "../workflow_scripts/report_page.py"


rule diagnostics_table:
    input:
        consensus=consensus_of(GENERATED_CELLS),
        questions=[f"<results>/questions/{dataset}/{scenario}.parquet" for dataset, scenario, _ in GENERATED_CELLS],
        embeddings=[f"<results>/embeddings/{dataset}/{scenario}.parquet" for dataset, scenario, _ in GENERATED_CELLS],
        routers=results_of("routers", DIAGNOSED),
        counts=[
            f"<results>/generation/{dataset}/{scenarios.parse(CONFIG, scenario).drawn}.parquet"
            for dataset, scenario, _ in GENERATED_CELLS
        ],
    output:
        parquet="<results>/tables/{experiment}/diagnostics.parquet",
        csv=report(
            "<results>/tables/{experiment}/diagnostics.csv",
            caption="captions/diagnostics_table.rst",
            category="Tables",
        ),
        md="<results>/tables/{experiment}/diagnostics.md",
        tex="<results>/tables/{experiment}/diagnostics.tex",
    log:
        "<results>/logs/diagnostics_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/diagnostics_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "cells": GENERATED_CELLS,
                "fitted": DIAGNOSED,
                "pools": {pool: CONFIG.pool[pool].members for _, _, pool in GENERATED_CELLS},
                "routers": {cell.router: slices.router(CONFIG, cell.router) for cell in DIAGNOSED},
                "neighbours": CONFIG.neighbours,
            }
        ),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code(
            "diagnostics_table.py",
            [f"rgd.routers.{method}" for method in unique(CONFIG.router[cell.router].method for cell in DIAGNOSED)],
        ),
    message:
        "Looking over what {wildcards.experiment} learns from generated queries"
    script:
        "../workflow_scripts/diagnostics_table.py"
