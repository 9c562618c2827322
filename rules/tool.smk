# Products for people: bundles, which are routers as tools, and the page of an experiment.


rule bundle:
    input:
        unpack(inputs.bundle),
        router=paths.router(),
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
        questions=inputs.training_questions,
        embeddings=inputs.training_embeddings,
    output:
        manifest=paths.bundle("bundle.json"),
        router=paths.bundle("router.parquet"),
        training=paths.bundle("training.parquet"),
        embeddings=paths.bundle("embeddings.safetensors"),
    log:
        paths.log("bundle", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("bundle", "{dataset}", "{scenario}", "{pool}", "{router}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        # Paths of models and addresses of servers: part of the bundle, but kept out of its provenance.
        members=lambda wildcards: slices.canonical(
            tool_settings.asking(study.config, study.folder, inputs.cell(wildcards))
        ),
    params:
        slice=lambda wildcards: slices.canonical(tool_settings.routing(study.config, inputs.cell(wildcards))),
        members=lambda wildcards: tool_settings.digest(
            tool_settings.asking(study.config, study.folder, inputs.cell(wildcards))
        ),
        code=code("bundle.py"),
    message:
        "Writing {wildcards.router}, fitted on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}, as a bundle"
    script:
        "../workflow_scripts/bundle.py"


rule report_page:
    input:
        inputs.report_page(),
    output:
        html=report(paths.report("{experiment}"), caption="captions/report.rst", category="The page"),
    log:
        paths.log("report_page", "{experiment}"),
    benchmark:
        paths.benchmark("report_page", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(study.reported),
        code=code("report_page.py", files=report_page.FILES),
    message:
        "Writing the page of {wildcards.experiment}"
    script:
        "../workflow_scripts/report_page.py"


rule diagnostics_table:
    input:
        **inputs.diagnostics_table(),
    output:
        **table("diagnostics", caption="captions/diagnostics_table.rst"),
    log:
        paths.log("diagnostics_table", "{experiment}"),
    benchmark:
        paths.benchmark("diagnostics_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "cells": study.generated_cells,
                "fitted": study.diagnosed,
                "pools": {pool: study.config.pool[pool].members for _, _, pool in study.generated_cells},
                "routers": {cell.router: slices.router(study.config, cell.router) for cell in study.diagnosed},
                "neighbours": study.config.neighbours,
            }
        ),
        titles=slices.canonical(study.titles),
        code=code.of_routers("diagnostics_table.py", study.diagnosed, study),
    message:
        "Checking what {wildcards.experiment} learns from generated queries"
    script:
        "../workflow_scripts/diagnostics_table.py"
