# Tables and figures of an experiment, from its cells.


rule comparison_table:
    input:
        cells=inputs.tested(targets.cells),
        outcomes=targets.outcomes,
        questions=inputs.questions(study.benchmarks),
    output:
        **table("comparisons", caption="captions/comparison_table.rst"),
    log:
        paths.log("comparison_table", "{experiment}"),
    benchmark:
        paths.benchmark("comparison_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.tables(study.config)),
        level=study.config.experiment.interval.level,
        baseline=study.config.experiment.baseline,
        titles=slices.canonical(study.titles),
        code=code("comparison_table.py"),
    message:
        "Comparing all pairs of routers of {wildcards.experiment}"
    script:
        "../workflow_scripts/comparison_table.py"


rule accuracy_table:
    input:
        cells=targets.cells,
        comparisons=paths.table("{experiment}", "comparisons"),
    output:
        **table("accuracy", caption="captions/accuracy_table.rst"),
        summary=paths.table("{experiment}", "summary", "txt"),
    log:
        paths.log("accuracy_table", "{experiment}"),
    benchmark:
        paths.benchmark("accuracy_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.tables(study.config)),
        baseline=study.config.experiment.baseline,
        titles=slices.canonical(study.titles),
        code=code("accuracy_table.py"),
    message:
        "Accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_table.py"


rule cost_table:
    input:
        unpack(inputs.cost_table),
        accuracy=paths.table("{experiment}", "accuracy"),
    output:
        **table("costs"),
    log:
        paths.log("cost_table", "{experiment}"),
    benchmark:
        paths.benchmark("cost_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=study.config.paths.data_root or "",
    params:
        slice=slices.canonical(slices.costs(study.config)),
        cells=slices.canonical(study.scored_cells),
        pools=slices.canonical([[*keys, study.pool(keys[1])] for keys in study.tested_pools]),
        recorded=lambda wildcards: slices.canonical(inputs.recorded_costs(wildcards)),
        titles=slices.canonical(study.titles),
        code=code("cost_table.py"),
    message:
        "Costs of the accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/cost_table.py"


rule leaderboard_table:
    input:
        cells=targets.cells,
        outcomes=targets.outcomes,
        questions=inputs.questions(study.benchmarks),
        costs=paths.table("{experiment}", "costs"),
    output:
        **table("leaderboard"),
        html=paths.table("{experiment}", "leaderboard", "html"),
    log:
        paths.log("leaderboard_table", "{experiment}"),
    benchmark:
        paths.benchmark("leaderboard_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        interval=slices.canonical(slices.interval(study.config)),
        title=study.config.experiment.title,
        titles=slices.canonical(study.titles),
        code=code("leaderboard_table.py", files=leaderboard_page.FILES),
    message:
        "Ranking the routers of {wildcards.experiment}"
    script:
        "../workflow_scripts/leaderboard_table.py"


rule choice_table:
    input:
        cells=inputs.tested(targets.cells),
        choices=targets.choices,
    output:
        **table("choices"),
    log:
        paths.log("choice_table", "{experiment}"),
    benchmark:
        paths.benchmark("choice_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(study.titles),
        code=code("choice_table.py"),
    message:
        "Which members the routers of {wildcards.experiment} ask"
    script:
        "../workflow_scripts/choice_table.py"


rule task_table:
    input:
        labels=inputs.tested([paths.labels(*keys) for keys in study.tested_benchmarks]),
        questions=inputs.questions(study.tested_benchmarks),
        responses=inputs.graded_answers(),
    output:
        **table("tasks", caption="captions/task_table.rst"),
    log:
        paths.log("task_table", "{experiment}"),
    benchmark:
        paths.benchmark("task_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        members=slices.canonical(
            [[dataset, study.members_of(study.query_sets[dataset, BENCHMARK])] for dataset in study.tested_datasets]
        ),
        code=code("task_table.py"),
    message:
        "How often each member of {wildcards.experiment} is right, task by task"
    script:
        "../workflow_scripts/task_table.py"


rule benchmark_routing_table:
    input:
        labels=inputs.tested([paths.labels(*keys) for keys in study.tested_benchmarks]),
        questions=inputs.questions(study.tested_benchmarks),
        embeddings=[paths.embeddings(*keys) for keys in study.tested_benchmarks],
        splits=[paths.splits(dataset) for dataset in study.tested_datasets],
        responses=inputs.graded_answers(),
    output:
        **table("benchmark_routing"),
    log:
        paths.log("benchmark_routing_table", "{experiment}"),
    benchmark:
        paths.benchmark("benchmark_routing_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        pools=slices.canonical(
            [
                [dataset, study.members_of(pools), {pool: study.config.pool[pool].members for pool in pools}]
                for dataset in study.tested_datasets
                for pools in [study.query_sets[dataset, BENCHMARK]]
            ]
        ),
        parameters_billion=slices.canonical(slices.parameters_billion(study.config)),
        interval=slices.canonical(slices.interval(study.config)),
        titles=slices.canonical(study.titles),
        code=code("benchmark_routing_table.py"),
    message:
        "Benchmark routing of {wildcards.experiment} by rule and by share of labelled queries"
    script:
        "../workflow_scripts/benchmark_routing_table.py"


rule instance_routing_table:
    input:
        labels=inputs.tested([paths.labels(*keys) for keys in study.tested_benchmarks]),
        questions=inputs.questions(study.tested_benchmarks),
        embeddings=[paths.embeddings(*keys) for keys in study.tested_benchmarks],
        splits=[paths.splits(dataset) for dataset in study.tested_datasets],
        responses=inputs.graded_answers(),
    output:
        **table("instance_routing"),
    log:
        paths.log("instance_routing_table", "{experiment}"),
    benchmark:
        paths.benchmark("instance_routing_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        pools=slices.canonical(
            [
                [dataset, study.members_of(pools), {pool: study.config.pool[pool].members for pool in pools}]
                for dataset in study.tested_datasets
                for pools in [study.query_sets[dataset, BENCHMARK]]
            ]
        ),
        seeds=slices.canonical(study.config.experiment.seeds),
        interval=slices.canonical(slices.interval(study.config)),
        titles=slices.canonical(study.titles),
        code=code("instance_routing_table.py"),
    message:
        "Routing {wildcards.experiment} query by query"
    script:
        "../workflow_scripts/instance_routing_table.py"


rule audit_table:
    input:
        questions=inputs.questions(study.query_sets),
        responses=targets.responses,
    output:
        **table("audit"),
    log:
        paths.log("audit_table", "{experiment}"),
    benchmark:
        paths.benchmark("audit_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        query_sets=slices.canonical([[*asked, study.members_of(pools)] for asked, pools in study.query_sets.items()]),
        # A function, so that Snakemake does not take {question} in the prompts for a wildcard.
        members=lambda wildcards: slices.canonical(slices.asked_under(study.config, study.folder, study.all_members)),
        titles=slices.canonical(study.titles),
        code=code("audit_table.py"),
    message:
        "Auditing the answers of {wildcards.experiment}"
    script:
        "../workflow_scripts/audit_table.py"


rule learning_curve_table:
    input:
        cells=inputs.tested([paths.cell(cell) for cell in study.learning_curve_cells]),
        consensus=inputs.consensus(study.learned_whole()),
    output:
        **table("learning_curve"),
    log:
        paths.log("learning_curve_table", "{experiment}"),
    benchmark:
        paths.benchmark("learning_curve_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical({**slices.tables(study.config), "trained": study.learned_whole()}),
        titles=slices.canonical(study.titles),
        code=code("learning_curve_table.py"),
    message:
        "Accuracy by number of training queries in {wildcards.experiment}"
    script:
        "../workflow_scripts/learning_curve_table.py"


rule label_budget_table:
    input:
        cells=inputs.tested([paths.cell(cell) for cell in study.label_budget_cells]),
    output:
        **table("label_budget"),
    log:
        paths.log("label_budget_table", "{experiment}"),
    benchmark:
        paths.benchmark("label_budget_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical({**slices.tables(study.config), "labels": slices.file_labels(study.config)}),
        titles=slices.canonical(study.titles),
        code=code("label_budget_table.py"),
    message:
        "Accuracy by number of labels in {wildcards.experiment}"
    script:
        "../workflow_scripts/label_budget_table.py"


rule drop_one_table:
    input:
        outcomes=inputs.tested([paths.outcomes(cell) for cell in study.drop_one_cells]),
        questions=inputs.questions(study.benchmarks),
    output:
        **table("drop_one"),
    log:
        paths.log("drop_one_table", "{experiment}"),
    benchmark:
        paths.benchmark("drop_one_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(
            {
                "cells": study.drop_one_cells,
                "datasets": study.datasets,
                "interval": {"level": study.config.experiment.interval.level},
            }
        ),
        titles=slices.canonical(study.titles),
        code=code("drop_one_table.py"),
    message:
        "What the routers of {wildcards.experiment} lose without each member"
    script:
        "../workflow_scripts/drop_one_table.py"


rule published_table:
    input:
        unpack(inputs.published_table),
        accuracy=paths.table("{experiment}", "accuracy"),
    output:
        **table("published"),
    log:
        paths.log("published_table", "{experiment}"),
    benchmark:
        paths.benchmark("published_table", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(analyses.published(study.config)),
        code=code("published_table.py", files=code.files("rgd/analysis/paper/*.csv")),
    message:
        "The figures of {wildcards.experiment} beside the published ones"
    script:
        "../workflow_scripts/published_table.py"


rule paper_table:
    input:
        published=paths.table("{experiment}", "published"),
    output:
        **table("table_{number}"),
    log:
        paths.log("paper_table", "{experiment}", "{number}"),
    benchmark:
        paths.benchmark("paper_table", "{experiment}", "{number}")
    wildcard_constraints:
        number="1|2|3|5|6|7|8|9|10|11|12|13",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(analyses.published_titles(study.config, study.titles)),
        code=code("paper_table.py"),
    message:
        "Table {wildcards.number} of the paper with the figures of {wildcards.experiment}"
    script:
        "../workflow_scripts/paper_table.py"


rule accuracy_figure:
    input:
        accuracy=paths.table("{experiment}", "accuracy"),
    output:
        **figure("accuracy", caption="captions/accuracy_figure.rst"),
    log:
        paths.log("accuracy_figure", "{experiment}"),
    benchmark:
        paths.benchmark("accuracy_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        scenarios=slices.canonical(study.plain_scenarios),
        titles=slices.canonical(study.titles),
        code=code("accuracy_figure.py"),
    message:
        "Figure of the accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_figure.py"


rule cost_figure:
    input:
        costs=paths.table("{experiment}", "costs"),
    output:
        **figure("cost", caption="captions/cost_figure.rst"),
    log:
        paths.log("cost_figure", "{experiment}"),
    benchmark:
        paths.benchmark("cost_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        scenarios=slices.canonical(study.plain_scenarios),
        titles=slices.canonical(study.titles),
        code=code("cost_figure.py"),
    message:
        "Figure of accuracy against cost in {wildcards.experiment}"
    script:
        "../workflow_scripts/cost_figure.py"


rule pareto_figure:
    input:
        costs=paths.table("{experiment}", "costs"),
    output:
        **figure("pareto", caption="captions/pareto_figure.rst"),
    log:
        paths.log("pareto_figure", "{experiment}"),
    benchmark:
        paths.benchmark("pareto_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(study.titles),
        code=code("pareto_figure.py"),
    message:
        "Figure of accuracy and its interval against cost in {wildcards.experiment}"
    script:
        "../workflow_scripts/pareto_figure.py"


rule benchmark_routing_figure:
    input:
        table=paths.table("{experiment}", "benchmark_routing"),
    output:
        **figure("benchmark_routing", caption="captions/benchmark_routing_figure.rst"),
    log:
        paths.log("benchmark_routing_figure", "{experiment}"),
    benchmark:
        paths.benchmark("benchmark_routing_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(study.titles),
        code=code("benchmark_routing_figure.py"),
    message:
        "Figure of benchmark routing by the share of labelled examples in {wildcards.experiment}"
    script:
        "../workflow_scripts/benchmark_routing_figure.py"


rule learning_curve_figure:
    input:
        curve=paths.table("{experiment}", "learning_curve"),
    output:
        **figure("learning_curve", caption="captions/learning_curve_figure.rst"),
    log:
        paths.log("learning_curve_figure", "{experiment}"),
    benchmark:
        paths.benchmark("learning_curve_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(study.titles),
        code=code("learning_curve_figure.py"),
    message:
        "Figure of the learning curves of {wildcards.experiment}"
    script:
        "../workflow_scripts/learning_curve_figure.py"


rule label_budget_figure:
    input:
        curve=paths.table("{experiment}", "label_budget"),
    output:
        **figure("label_budget", caption="captions/label_budget_figure.rst"),
    log:
        paths.log("label_budget_figure", "{experiment}"),
    benchmark:
        paths.benchmark("label_budget_figure", "{experiment}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(study.titles),
        code=code("label_budget_figure.py"),
    message:
        "Figure of accuracy by number of labels in {wildcards.experiment}"
    script:
        "../workflow_scripts/label_budget_figure.py"
