# Generated scenarios: descriptions of the tasks, draws of a generator, the queries that are usable.


rule descriptions:
    output:
        descriptions="<results>/descriptions/{dataset}/default.parquet",
    log:
        "<results>/logs/descriptions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/descriptions/{dataset}.jsonl"
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.descriptions(CONFIG, wildcards.dataset)),
        code=code("descriptions.py"),
    message:
        "Writing down the task descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/descriptions.py"


rule draw_queries:
    input:
        descriptions="<results>/descriptions/{dataset}/default.parquet",
        benchmark="<results>/questions/{dataset}/benchmark.parquet",
        weights=lambda wildcards: fetched(CONFIG.generator[wildcards.generator].model),
    output:
        draws="<results>/draws/{dataset}/{generator}.json",
    log:
        "<results>/logs/draw_queries/{dataset}/{generator}.log",
    benchmark:
        "<results>/benchmarks/draw_queries/{dataset}/{generator}.jsonl"
    priority: lambda wildcards: DRAW_FIRST + size(CONFIG.generator[wildcards.generator].model)
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: CONFIG.model[CONFIG.generator[wildcards.generator].model].threads
    resources:
        mem_mb=lambda wildcards: CONFIG.model[CONFIG.generator[wildcards.generator].model].memory_mb,
        gpu=lambda wildcards: CONFIG.model[CONFIG.generator[wildcards.generator].model].gpus or None,
        engine=lambda wildcards: slices.writing_engine(CONFIG, CONFIG.generator[wildcards.generator]),
        weights=lambda wildcards: slices.canonical(
            slices.weights(CONFIG.model[CONFIG.generator[wildcards.generator].model].weights)
        ),
        api=lambda wildcards: slices.canonical(slices.api(CONFIG.model[CONFIG.generator[wildcards.generator].model])),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.draw_chunk_size,
    params:
        settings=lambda wildcards: slices.canonical(slices.generation(CONFIG, CONFIG_FOLDER, wildcards.generator)),
        slice=lambda wildcards: slices.canonical(slices.drawing(CONFIG, wildcards.dataset, wildcards.generator)),
    message:
        "{wildcards.generator} writes queries for {wildcards.dataset}"
    script:
        "../workflow_scripts/draw_queries.py"


rule generated_questions:
    input:
        draws="<results>/draws/{dataset}/{generator}.json",
        descriptions="<results>/descriptions/{dataset}/default.parquet",
        benchmark="<results>/questions/{dataset}/benchmark.parquet",
    output:
        questions="<results>/questions/{dataset}/{generator}.parquet",
        labels="<results>/labels/{dataset}/{generator}.parquet",
        counts="<results>/generation/{dataset}/{generator}.parquet",
    log:
        "<results>/logs/generated_questions/{dataset}/{generator}.log",
    benchmark:
        "<results>/benchmarks/generated_questions/{dataset}/{generator}.jsonl"
    priority: DRAW_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(slices.generation(CONFIG, CONFIG_FOLDER, wildcards.generator)),
        slice=lambda wildcards: slices.canonical(slices.drawing(CONFIG, wildcards.dataset, wildcards.generator)),
        code=code("generated_questions.py"),
    message:
        "Reading the queries that {wildcards.generator} wrote for {wildcards.dataset}"
    script:
        "../workflow_scripts/generated_questions.py"
