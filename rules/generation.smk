# Generated scenarios: task descriptions, a generator's draws, the usable queries, and those of them that tell models apart.


# If a dataset names a descriptor, the descriptions written by people are only its variant `human`.
ruleorder: read_descriptions > human_descriptions


rule human_descriptions:
    output:
        descriptions=paths.descriptions("{dataset}", "{variant}"),
    log:
        paths.log("human_descriptions", "{dataset}", "{variant}"),
    benchmark:
        paths.benchmark("human_descriptions", "{dataset}", "{variant}")
    wildcard_constraints:
        variant=one_of([scenarios.DEFAULT, scenarios.HUMAN]),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.descriptions(study.config, wildcards.dataset)),
        code=code("human_descriptions.py"),
    message:
        "Writing the task descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/human_descriptions.py"


rule ask_descriptions:
    input:
        unpack(inputs.ask_descriptions),
        weights=inputs.weights_of(study.model_of_descriptor),
    output:
        asked=paths.asked("descriptions", "{dataset}", "{variant}"),
    log:
        paths.log("ask_descriptions", "{dataset}", "{variant}"),
    benchmark:
        paths.benchmark("ask_descriptions", "{dataset}", "{variant}")
    wildcard_constraints:
        dataset=one_of(study.described),
        variant=one_of([scenarios.DEFAULT, scenarios.SHORT, scenarios.SHORTEST]),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: jobs.threads(study.model_of_descriptor)
    resources:
        **jobs.ask_descriptions(),
    params:
        settings=lambda wildcards: slices.canonical(
            slices.describing(study.config, study.folder, wildcards.dataset, wildcards.variant)
        ),
        slice=lambda wildcards: slices.canonical(slices.described(study.config, wildcards.dataset, wildcards.variant)),
        code=code("ask_descriptions.py"),
    message:
        "Describing the tasks of {wildcards.dataset}, {wildcards.variant}"
    script:
        "../workflow_scripts/ask_descriptions.py"


rule read_descriptions:
    input:
        unpack(inputs.ask_descriptions),
        asked=paths.asked("descriptions", "{dataset}", "{variant}"),
    output:
        descriptions=paths.descriptions("{dataset}", "{variant}"),
    log:
        paths.log("read_descriptions", "{dataset}", "{variant}"),
    benchmark:
        paths.benchmark("read_descriptions", "{dataset}", "{variant}")
    wildcard_constraints:
        dataset=one_of(study.described),
        variant=one_of([scenarios.DEFAULT, scenarios.SHORT, scenarios.SHORTEST]),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.describing(study.config, study.folder, wildcards.dataset, wildcards.variant)
        ),
        slice=lambda wildcards: slices.canonical(slices.described(study.config, wildcards.dataset, wildcards.variant)),
        code=code("read_descriptions.py"),
    message:
        "Reading the {wildcards.variant} descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/read_descriptions.py"


rule ask_queries:
    input:
        descriptions=inputs.ask_queries,
        benchmark=paths.questions("{dataset}", BENCHMARK),
        weights=inputs.weights_of(study.model_of_generator),
    output:
        asked=paths.asked("queries", "{dataset}", "{drawn}"),
    log:
        paths.log("ask_queries", "{dataset}", "{drawn}"),
    benchmark:
        paths.benchmark("ask_queries", "{dataset}", "{drawn}")
    priority: jobs.largest_first(study.model_of_generator, DRAW_FIRST)
    conda:
        "../envs/cpu.yaml"
    threads: jobs.threads(study.model_of_generator)
    resources:
        **jobs.ask_queries(),
    params:
        settings=lambda wildcards: slices.canonical(
            slices.generation(study.config, study.folder, study.generator_name(wildcards))
        ),
        slice=lambda wildcards: slices.canonical(slices.drawing(study.config, wildcards.dataset, wildcards.drawn)),
        code=code("ask_queries.py"),
    message:
        "Drawing the queries {wildcards.drawn} for {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_queries.py"


# A model with replicas: further jobs that share the drawing.
use rule ask_queries as share_queries with:
    output:
        asked=paths.asked("queries", "{dataset}", "{drawn}", "{replica}"),
    log:
        paths.log("share_queries", "{dataset}", "{drawn}", "{replica}"),
    benchmark:
        paths.benchmark("share_queries", "{dataset}", "{drawn}", "{replica}")
    message:
        "Drawing the queries {wildcards.drawn} for {wildcards.dataset} too, in replica {wildcards.replica}"


rule read_queries:
    input:
        asked=paths.asked("queries", "{dataset}", "{drawn}"),
        descriptions=inputs.ask_queries,
        benchmark=paths.questions("{dataset}", BENCHMARK),
    output:
        questions=paths.questions("{dataset}", "{drawn}"),
        labels=paths.labels("{dataset}", "{drawn}"),
        counts=paths.generation("{dataset}", "{drawn}"),
    log:
        paths.log("read_queries", "{dataset}", "{drawn}"),
    benchmark:
        paths.benchmark("read_queries", "{dataset}", "{drawn}")
    priority: DRAW_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.generation(study.config, study.folder, study.generator_name(wildcards))
        ),
        slice=lambda wildcards: slices.canonical(slices.drawing(study.config, wildcards.dataset, wildcards.drawn)),
        code=code("read_queries.py"),
    message:
        "Reading the queries {wildcards.drawn} of {wildcards.dataset}"
    script:
        "../workflow_scripts/read_queries.py"


rule filtered_questions:
    input:
        questions=paths.questions("{dataset}", "{drawn}"),
        responses=inputs.filtered_questions,
    output:
        questions=paths.questions("{dataset}", "{drawn}-filtered-{pool}"),
        counts=paths.filtering("{dataset}", "{drawn}-filtered-{pool}"),
    log:
        paths.log("filtered_questions", "{dataset}", "{drawn}-filtered-{pool}"),
    benchmark:
        paths.benchmark("filtered_questions", "{dataset}", "{drawn}-filtered-{pool}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.consensus(study.config)),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code("filtered_questions.py"),
    message:
        "Filtering the queries {wildcards.drawn} of {wildcards.dataset} by the consensus of {wildcards.pool}"
    script:
        "../workflow_scripts/filtered_questions.py"


# A filtered set reuses its parent's rows: no model is loaded, asked or used to embed.
rule filtered_rows:
    input:
        rows=paths.result("{kind}", "{dataset}", "{drawn}"),
        questions=paths.questions("{dataset}", "{drawn}-filtered-{pool}"),
    output:
        rows=paths.result("{kind}", "{dataset}", "{drawn}-filtered-{pool}"),
    log:
        paths.log("filtered_rows", "{kind}", "{dataset}", "{drawn}-filtered-{pool}"),
    benchmark:
        paths.benchmark("filtered_rows", "{kind}", "{dataset}", "{drawn}-filtered-{pool}")
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
        rows=paths.result("{kind}", "{dataset}", "{drawn}", "{of}"),
        questions=paths.questions("{dataset}", "{drawn}-filtered-{pool}"),
    output:
        rows=paths.result("{kind}", "{dataset}", "{drawn}-filtered-{pool}", "{of}"),
    log:
        paths.log("filtered_rows_of", "{kind}", "{dataset}", "{drawn}-filtered-{pool}", "{of}"),
    benchmark:
        paths.benchmark("filtered_rows_of", "{kind}", "{dataset}", "{drawn}-filtered-{pool}", "{of}")
    wildcard_constraints:
        kind="responses|answer_embeddings|option_embeddings|features|feature_embeddings",
        of=one_of([*study.members, *study.config.pool, *study.config.featurizer]),
    message:
        "Taking the {wildcards.kind} by {wildcards.of} of {wildcards.drawn} of {wildcards.dataset} that the filter by {wildcards.pool} keeps"
