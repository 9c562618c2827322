# Tables and figures of an experiment, from its cells.


rule comparison_table:
    input:
        cells=CELLS,
        outcomes=[cell.replace("<results>/cells/", "<results>/outcomes/") for cell in CELLS],
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
    output:
        parquet="<results>/tables/{experiment}/comparisons.parquet",
        csv="<results>/tables/{experiment}/comparisons.csv",
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
        csv="<results>/tables/{experiment}/accuracy.csv",
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
        labels=expand("<results>/labels/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
        responses=expand(
            "<results>/responses/{dataset}/benchmark/{member}.parquet",
            dataset=CONFIG.experiment.datasets,
            member=all_members(),
        ),
    output:
        parquet="<results>/tables/{experiment}/tasks.parquet",
        csv="<results>/tables/{experiment}/tasks.csv",
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
        datasets=slices.canonical(CONFIG.experiment.datasets),
        members=slices.canonical(all_members()),
        code=code("task_table.py"),
    message:
        "How often each member of {wildcards.experiment} is right, task by task"
    script:
        "../workflow_scripts/task_table.py"


rule benchmark_routing_table:
    input:
        labels=expand("<results>/labels/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
        questions=expand("<results>/questions/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
        embeddings=expand("<results>/embeddings/{dataset}/benchmark.parquet", dataset=CONFIG.experiment.datasets),
        splits=expand("<results>/splits/{dataset}.parquet", dataset=CONFIG.experiment.datasets),
        responses=expand(
            "<results>/responses/{dataset}/benchmark/{member}.parquet",
            dataset=CONFIG.experiment.datasets,
            member=all_members(),
        ),
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
        datasets=slices.canonical(CONFIG.experiment.datasets),
        members=slices.canonical(all_members()),
        pools=slices.canonical({pool: CONFIG.pool[pool].members for pool in CONFIG.experiment.pools}),
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
        questions=expand(
            "<results>/questions/{dataset}/{query_set}.parquet",
            dataset=CONFIG.experiment.datasets,
            query_set=sweep.query_sets(CONFIG),
        ),
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
        datasets=slices.canonical(CONFIG.experiment.datasets),
        query_sets=slices.canonical(sweep.query_sets(CONFIG)),
        # A function, so that Snakemake takes the prompts' {question} for no wildcard.
        members=lambda wildcards: slices.canonical(slices.asked_under(CONFIG, CONFIG_FOLDER, all_members())),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("audit_table.py"),
    message:
        "Looking over the answers of {wildcards.experiment}"
    script:
        "../workflow_scripts/audit_table.py"


rule generation_table:
    input:
        counts=expand(
            "<results>/generation/{dataset}/{generator}.parquet",
            dataset=CONFIG.experiment.datasets,
            generator=[scenario for scenario in CONFIG.experiment.scenarios if scenario != REAL],
        ),
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


rule accuracy_figure:
    input:
        accuracy="<results>/tables/{experiment}/accuracy.parquet",
    output:
        svg="<results>/figures/{experiment}/accuracy.svg",
        png="<results>/figures/{experiment}/accuracy.png",
    log:
        "<results>/logs/accuracy_figure/{experiment}.log",
    benchmark:
        "<results>/benchmarks/accuracy_figure/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("accuracy_figure.py"),
    message:
        "Figure of the accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_figure.py"


rule query_figure:
    input:
        questions=expand(
            "<results>/questions/{dataset}/{query_set}.parquet",
            dataset=CONFIG.experiment.datasets[0],
            query_set=[sweep.query_set(scenario) for scenario in CONFIG.experiment.scenarios],
        ),
        embeddings=expand(
            "<results>/embeddings/{dataset}/{query_set}.parquet",
            dataset=CONFIG.experiment.datasets[0],
            query_set=[sweep.query_set(scenario) for scenario in CONFIG.experiment.scenarios],
        ),
        routers=router_of_figure,
    output:
        svg="<results>/figures/{experiment}/queries.svg",
        png="<results>/figures/{experiment}/queries.png",
    log:
        "<results>/logs/query_figure/{experiment}.log",
    benchmark:
        "<results>/benchmarks/query_figure/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        scenarios=slices.canonical(CONFIG.experiment.scenarios),
        titles=slices.canonical(slices.titles(CONFIG)),
        code=code("query_figure.py"),
    message:
        "Map of the queries of {wildcards.experiment} and the routers' clusters"
    script:
        "../workflow_scripts/query_figure.py"
