# Generated scenarios: descriptions of the tasks, draws of a generator, the queries that are usable, those of them that tell
# models apart.


# Where a dataset names a descriptor, a person's descriptions are its variant `human` alone.
ruleorder: written_descriptions > descriptions


rule descriptions:
    output:
        descriptions="<results>/descriptions/{dataset}/{variant}.parquet",
    log:
        "<results>/logs/descriptions/{dataset}/{variant}.log",
    benchmark:
        "<results>/benchmarks/descriptions/{dataset}/{variant}.jsonl"
    wildcard_constraints:
        variant=one_of([scenarios.DEFAULT, scenarios.HUMAN]),
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


rule describe:
    input:
        unpack(shown_to_descriptor),
        weights=lambda wildcards: fetched(descriptor(wildcards).model),
    output:
        described="<results>/described/{dataset}/{variant}.json",
    log:
        "<results>/logs/describe/{dataset}/{variant}.log",
    benchmark:
        "<results>/benchmarks/describe/{dataset}/{variant}.jsonl"
    wildcard_constraints:
        dataset=one_of(DESCRIBED),
        variant=one_of(WRITTEN),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: descriptor_model(wildcards).threads
    resources:
        **one_api_job_at_a_time(lambda wildcards: descriptor(wildcards).model),
        **writing(descriptor_model, lambda wildcards: len(CONFIG.dataset[wildcards.dataset].tasks)),
        engine=lambda wildcards: slices.writing_engine(CONFIG, descriptor(wildcards)),
        weights=lambda wildcards: slices.canonical(slices.weights(descriptor_model(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(descriptor_model(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.chunk_size,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.describing(CONFIG, CONFIG_FOLDER, wildcards.dataset, wildcards.variant)
        ),
        slice=lambda wildcards: slices.canonical(slices.described(CONFIG, wildcards.dataset, wildcards.variant)),
    message:
        "Describing the tasks of {wildcards.dataset}, {wildcards.variant}"
    script:
        "../workflow_scripts/describe.py"


rule written_descriptions:
    input:
        unpack(shown_to_descriptor),
        described="<results>/described/{dataset}/{variant}.json",
    output:
        descriptions="<results>/descriptions/{dataset}/{variant}.parquet",
    log:
        "<results>/logs/written_descriptions/{dataset}/{variant}.log",
    benchmark:
        "<results>/benchmarks/written_descriptions/{dataset}/{variant}.jsonl"
    wildcard_constraints:
        dataset=one_of(DESCRIBED),
        variant=one_of(WRITTEN),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.describing(CONFIG, CONFIG_FOLDER, wildcards.dataset, wildcards.variant)
        ),
        slice=lambda wildcards: slices.canonical(slices.described(CONFIG, wildcards.dataset, wildcards.variant)),
        code=code("written_descriptions.py"),
    message:
        "Reading the {wildcards.variant} descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/written_descriptions.py"


rule draw_queries:
    input:
        descriptions=descriptions_for,
        benchmark="<results>/questions/{dataset}/benchmark.parquet",
        weights=lambda wildcards: fetched(generator(wildcards).model),
    output:
        draws="<results>/draws/{dataset}/{drawn}.json",
    log:
        "<results>/logs/draw_queries/{dataset}/{drawn}.log",
    benchmark:
        "<results>/benchmarks/draw_queries/{dataset}/{drawn}.jsonl"
    priority: lambda wildcards: DRAW_FIRST + size(generator(wildcards).model)
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: generator_model(wildcards).threads
    resources:
        **one_api_job_at_a_time(lambda wildcards: generator(wildcards).model),
        **writing(generator_model, draws_likely),
        engine=lambda wildcards: slices.writing_engine(CONFIG, generator(wildcards)),
        weights=lambda wildcards: slices.canonical(slices.weights(generator_model(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(generator_model(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.draw_chunk_size,
    params:
        settings=lambda wildcards: slices.canonical(slices.generation(CONFIG, CONFIG_FOLDER, generator_name(wildcards))),
        slice=lambda wildcards: slices.canonical(slices.drawing(CONFIG, wildcards.dataset, wildcards.drawn)),
    message:
        "Drawing the queries {wildcards.drawn} for {wildcards.dataset}"
    script:
        "../workflow_scripts/draw_queries.py"


rule generated_questions:
    input:
        draws="<results>/draws/{dataset}/{drawn}.json",
        descriptions=descriptions_for,
        benchmark="<results>/questions/{dataset}/benchmark.parquet",
    output:
        questions="<results>/questions/{dataset}/{drawn}.parquet",
        labels="<results>/labels/{dataset}/{drawn}.parquet",
        counts="<results>/generation/{dataset}/{drawn}.parquet",
    log:
        "<results>/logs/generated_questions/{dataset}/{drawn}.log",
    benchmark:
        "<results>/benchmarks/generated_questions/{dataset}/{drawn}.jsonl"
    priority: DRAW_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(slices.generation(CONFIG, CONFIG_FOLDER, generator_name(wildcards))),
        slice=lambda wildcards: slices.canonical(slices.drawing(CONFIG, wildcards.dataset, wildcards.drawn)),
        code=code("generated_questions.py"),
    message:
        "Reading the queries {wildcards.drawn} of {wildcards.dataset}"
    script:
        "../workflow_scripts/generated_questions.py"


rule filtered_questions:
    input:
        questions="<results>/questions/{dataset}/{drawn}.parquet",
        responses=lambda wildcards: expand(
            "<results>/responses/{dataset}/{drawn}/{member}.parquet",
            dataset=wildcards.dataset,
            drawn=wildcards.drawn,
            member=pool_members(wildcards),
        ),
    output:
        questions="<results>/questions/{dataset}/{drawn}-filtered-{pool}.parquet",
        counts="<results>/filtering/{dataset}/{drawn}-filtered-{pool}.parquet",
    log:
        "<results>/logs/filtered_questions/{dataset}/{drawn}-filtered-{pool}.log",
    benchmark:
        "<results>/benchmarks/filtered_questions/{dataset}/{drawn}-filtered-{pool}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.consensus(CONFIG)),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=code("filtered_questions.py"),
    message:
        "Filtering the queries {wildcards.drawn} of {wildcards.dataset} by the consensus of {wildcards.pool}"
    script:
        "../workflow_scripts/filtered_questions.py"


# What is there of the whole set is there of a filtered one: its rows are taken, and no model is loaded, asked or embedded with.
rule filtered_rows:
    input:
        rows="<results>/{kind}/{dataset}/{drawn}.parquet",
        questions="<results>/questions/{dataset}/{drawn}-filtered-{pool}.parquet",
    output:
        rows="<results>/{kind}/{dataset}/{drawn}-filtered-{pool}.parquet",
    log:
        "<results>/logs/filtered_rows/{kind}/{dataset}/{drawn}-filtered-{pool}.log",
    benchmark:
        "<results>/benchmarks/filtered_rows/{kind}/{dataset}/{drawn}-filtered-{pool}.jsonl"
    wildcard_constraints:
        kind="labels|embeddings",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("filtered_rows.py"),
    message:
        "Taking the {wildcards.kind} of {wildcards.drawn} of {wildcards.dataset} that the filter by {wildcards.pool} keeps"
    script:
        "../workflow_scripts/filtered_rows.py"


use rule filtered_rows as filtered_rows_of with:
    input:
        rows="<results>/{kind}/{dataset}/{drawn}/{of}.parquet",
        questions="<results>/questions/{dataset}/{drawn}-filtered-{pool}.parquet",
    output:
        rows="<results>/{kind}/{dataset}/{drawn}-filtered-{pool}/{of}.parquet",
    log:
        "<results>/logs/filtered_rows_of/{kind}/{dataset}/{drawn}-filtered-{pool}/{of}.log",
    benchmark:
        "<results>/benchmarks/filtered_rows_of/{kind}/{dataset}/{drawn}-filtered-{pool}/{of}.jsonl"
    wildcard_constraints:
        kind="responses|answer_embeddings|option_embeddings|features|feature_embeddings",
        of=one_of([*members(CONFIG), *CONFIG.pool, *CONFIG.featurizer]),
    message:
        "Taking the {wildcards.kind} by {wildcards.of} of {wildcards.drawn} of {wildcards.dataset} that the filter by {wildcards.pool} keeps"
