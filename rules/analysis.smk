# Tables and figures of an experiment, from its cells.


rule comparison_table:
    input:
        cells=CELLS,
        outcomes=[cell.replace("<results>/cells/", "<results>/outcomes/") for cell in CELLS],
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=DATASETS),
    output:
        parquet="<results>/tables/{experiment}/comparisons.parquet",
        csv=report(
            "<results>/tables/{experiment}/comparisons.csv", caption="captions/comparison_table.rst", category="Tables"
        ),
        md="<results>/tables/{experiment}/comparisons.md",
        tex="<results>/tables/{experiment}/comparisons.tex",
    log:
        "<results>/logs/comparison_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/comparison_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.tables(CONFIG)),
        interval=slices.canonical(slices.interval(CONFIG)),
        baseline=CONFIG.experiment.baseline,
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("comparison_table.py"),
    message:
        "Comparing every two routers of {wildcards.experiment}"
    script:
        "../workflow_scripts/comparison_table.py"


rule accuracy_table:
    input:
        cells=CELLS,
        comparisons="<results>/tables/{experiment}/comparisons.parquet",
    output:
        parquet="<results>/tables/{experiment}/accuracy.parquet",
        csv=report(
            "<results>/tables/{experiment}/accuracy.csv", caption="captions/accuracy_table.rst", category="Tables"
        ),
        md="<results>/tables/{experiment}/accuracy.md",
        tex="<results>/tables/{experiment}/accuracy.tex",
        summary="<results>/tables/{experiment}/summary.txt",
    log:
        "<results>/logs/accuracy_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/accuracy_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.tables(CONFIG)),
        baseline=CONFIG.experiment.baseline,
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("accuracy_table.py"),
    message:
        "Accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_table.py"


rule cost_table:
    input:
        accuracy="<results>/tables/{experiment}/accuracy.parquet",
    output:
        parquet="<results>/tables/{experiment}/costs.parquet",
        csv="<results>/tables/{experiment}/costs.csv",
        md="<results>/tables/{experiment}/costs.md",
        tex="<results>/tables/{experiment}/costs.tex",
    log:
        "<results>/logs/cost_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/cost_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("cost_table.py"),
    message:
        "What the accuracies of {wildcards.experiment} cost"
    script:
        "../workflow_scripts/cost_table.py"


rule choice_table:
    input:
        cells=CELLS,
        choices=[cell.replace("<results>/cells/", "<results>/choices/") for cell in CELLS],
    output:
        parquet="<results>/tables/{experiment}/choices.parquet",
        csv="<results>/tables/{experiment}/choices.csv",
        md="<results>/tables/{experiment}/choices.md",
        tex="<results>/tables/{experiment}/choices.tex",
    log:
        "<results>/logs/choice_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/choice_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("choice_table.py"),
    message:
        "Which members the routers of {wildcards.experiment} ask"
    script:
        "../workflow_scripts/choice_table.py"


rule task_table:
    input:
        labels=expand("<results>/labels/{dataset}/benchmark.parquet", dataset=DATASETS),
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=DATASETS),
        responses=graded_answers(),
    output:
        parquet="<results>/tables/{experiment}/tasks.parquet",
        csv=report("<results>/tables/{experiment}/tasks.csv", caption="captions/task_table.rst", category="Tables"),
        md="<results>/tables/{experiment}/tasks.md",
        tex="<results>/tables/{experiment}/tasks.tex",
    log:
        "<results>/logs/task_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/task_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        members=slices.canonical([[dataset, members_of(QUERY_SETS[dataset, BENCHMARK])] for dataset in DATASETS]),
        code=code("task_table.py"),
    message:
        "How often each member of {wildcards.experiment} is right, task by task"
    script:
        "../workflow_scripts/task_table.py"


rule benchmark_routing_table:
    input:
        labels=expand("<results>/labels/{dataset}/benchmark.parquet", dataset=DATASETS),
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=DATASETS),
        embeddings=expand("<results>/embeddings/{dataset}/benchmark.parquet", dataset=DATASETS),
        splits=expand("<results>/splits/{dataset}.parquet", dataset=DATASETS),
        responses=graded_answers(),
    output:
        parquet="<results>/tables/{experiment}/benchmark_routing.parquet",
        csv="<results>/tables/{experiment}/benchmark_routing.csv",
        md="<results>/tables/{experiment}/benchmark_routing.md",
        tex="<results>/tables/{experiment}/benchmark_routing.tex",
    log:
        "<results>/logs/benchmark_routing_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/benchmark_routing_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        pools=slices.canonical(
            [
                [dataset, members_of(pools), {pool: CONFIG.pool[pool].members for pool in pools}]
                for dataset in DATASETS
                for pools in [QUERY_SETS[dataset, BENCHMARK]]
            ]
        ),
        parameters_billion=slices.canonical(slices.parameters_billion(CONFIG)),
        interval=slices.canonical(slices.interval(CONFIG)),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("benchmark_routing_table.py"),
    message:
        "Benchmark routing of {wildcards.experiment}, rule by rule and by share of labelled queries"
    script:
        "../workflow_scripts/benchmark_routing_table.py"


rule audit_table:
    input:
        questions=questions_of(QUERY_SETS),
        responses=RESPONSES,
    output:
        parquet="<results>/tables/{experiment}/audit.parquet",
        csv="<results>/tables/{experiment}/audit.csv",
        md="<results>/tables/{experiment}/audit.md",
        tex="<results>/tables/{experiment}/audit.tex",
    log:
        "<results>/logs/audit_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/audit_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        query_sets=slices.canonical([[*asked, members_of(pools)] for asked, pools in QUERY_SETS.items()]),
        # A function, so that Snakemake takes the prompts' {question} for no wildcard.
        members=lambda wildcards: slices.canonical(slices.asked_under(CONFIG, CONFIG_FOLDER, all_members())),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("audit_table.py"),
    message:
        "Looking over the answers of {wildcards.experiment}"
    script:
        "../workflow_scripts/audit_table.py"


rule learning_curve_table:
    input:
        cells=results_of("cells", CURVE_CELLS),
        consensus=consensus_of(CURVE_WHOLE),
    output:
        parquet="<results>/tables/{experiment}/learning_curve.parquet",
        csv="<results>/tables/{experiment}/learning_curve.csv",
        md="<results>/tables/{experiment}/learning_curve.md",
        tex="<results>/tables/{experiment}/learning_curve.tex",
    log:
        "<results>/logs/learning_curve_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/learning_curve_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical({**slices.tables(CONFIG), "trained": CURVE_WHOLE}),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("learning_curve_table.py"),
    message:
        "Accuracy by number of training queries in {wildcards.experiment}"
    script:
        "../workflow_scripts/learning_curve_table.py"


rule drop_one_table:
    input:
        outcomes=results_of("outcomes", DROP_ONE_CELLS),
        questions=questions_of(BENCHMARKS),
    output:
        parquet="<results>/tables/{experiment}/drop_one.parquet",
        csv="<results>/tables/{experiment}/drop_one.csv",
        md="<results>/tables/{experiment}/drop_one.md",
        tex="<results>/tables/{experiment}/drop_one.tex",
    log:
        "<results>/logs/drop_one_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/drop_one_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical({"cells": DROP_ONE_CELLS, "datasets": DATASETS, "interval": slices.interval(CONFIG)}),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("drop_one_table.py"),
    message:
        "What routers of {wildcards.experiment} lose without each member"
    script:
        "../workflow_scripts/drop_one_table.py"


rule published_table:
    input:
        unpack(figures_to_compare),
        accuracy="<results>/tables/{experiment}/accuracy.parquet",
    output:
        parquet="<results>/tables/{experiment}/published.parquet",
        csv="<results>/tables/{experiment}/published.csv",
        md="<results>/tables/{experiment}/published.md",
        tex="<results>/tables/{experiment}/published.tex",
    log:
        "<results>/logs/published_table/{experiment}.log",
    benchmark:
        "<results>/benchmarks/published_table/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(analyses.published(CONFIG)),
        code=code("published_table.py", files=PUBLISHED),
    message:
        "The figures of {wildcards.experiment} beside the published ones"
    script:
        "../workflow_scripts/published_table.py"


rule paper_table:
    input:
        published="<results>/tables/{experiment}/published.parquet",
    output:
        parquet="<results>/tables/{experiment}/table_{number}.parquet",
        csv="<results>/tables/{experiment}/table_{number}.csv",
        md="<results>/tables/{experiment}/table_{number}.md",
        tex="<results>/tables/{experiment}/table_{number}.tex",
    log:
        "<results>/logs/paper_table/{experiment}/{number}.log",
    benchmark:
        "<results>/benchmarks/paper_table/{experiment}/{number}.jsonl"
    wildcard_constraints:
        number="1|2|3|5|6|7|8|9|10|11|12|13",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(analyses.published_titles(CONFIG, slices.titles(CONFIG))),
        code=code("paper_table.py"),
    message:
        "Table {wildcards.number} of the paper with the figures of {wildcards.experiment}"
    script:
        "../workflow_scripts/paper_table.py"


rule accuracy_figure:
    input:
        accuracy="<results>/tables/{experiment}/accuracy.parquet",
    output:
        svg=report(
            "<results>/figures/{experiment}/accuracy.svg", caption="captions/accuracy_figure.rst", category="Figures"
        ),
        png="<results>/figures/{experiment}/accuracy.png",
    log:
        "<results>/logs/accuracy_figure/{experiment}.log",
    benchmark:
        "<results>/benchmarks/accuracy_figure/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        scenarios=slices.canonical(PLAIN),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("accuracy_figure.py"),
    message:
        "Figure of the accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_figure.py"


rule cost_figure:
    input:
        costs="<results>/tables/{experiment}/costs.parquet",
    output:
        svg=report("<results>/figures/{experiment}/cost.svg", caption="captions/cost_figure.rst", category="Figures"),
        png="<results>/figures/{experiment}/cost.png",
    log:
        "<results>/logs/cost_figure/{experiment}.log",
    benchmark:
        "<results>/benchmarks/cost_figure/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        scenarios=slices.canonical(PLAIN),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("cost_figure.py"),
    message:
        "Figure of accuracy against cost in {wildcards.experiment}"
    script:
        "../workflow_scripts/cost_figure.py"


rule learning_curve_figure:
    input:
        curve="<results>/tables/{experiment}/learning_curve.parquet",
    output:
        svg=report(
            "<results>/figures/{experiment}/learning_curve.svg",
            caption="captions/learning_curve_figure.rst",
            category="Figures",
        ),
        png="<results>/figures/{experiment}/learning_curve.png",
    log:
        "<results>/logs/learning_curve_figure/{experiment}.log",
    benchmark:
        "<results>/benchmarks/learning_curve_figure/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("learning_curve_figure.py"),
    message:
        "Figure of the learning curves of {wildcards.experiment}"
    script:
        "../workflow_scripts/learning_curve_figure.py"
