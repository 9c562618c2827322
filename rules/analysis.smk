# Tables and figures of an experiment, from its cells.


rule accuracy_table:
    input:
        cells=CELLS,
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
        code=code("accuracy_table.py"),
    message:
        "Accuracies of {wildcards.experiment}"
    script:
        "../workflow_scripts/accuracy_table.py"


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
