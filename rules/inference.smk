# Models at work: weights, embeddings, answers. The rules that ask fill the store; the rules that read it need no model.
# What changes no result (the engine, where weights and store lie, how many queries make a chunk) is a resource, because
# a changed resource reruns nothing.


rule fetch_model:
    output:
        weights="<results>/weights/model/{model}.json",
    log:
        "<results>/logs/fetch_model/{model}.log",
    benchmark:
        "<results>/benchmarks/fetch_model/{model}.jsonl"
    wildcard_constraints:
        model=one_of([name for name, spec in CONFIG.model.items() if spec.weights]),
    priority: lambda wildcards: FETCH_FIRST + size(wildcards.model)
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: CONFIG.model[wildcards.model].memory_mb,
        weights=lambda wildcards: slices.canonical(slices.weights(CONFIG.model[wildcards.model].weights)),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        identity=lambda wildcards: slices.weights_identity(CONFIG.model[wildcards.model].weights),
    message:
        "Fetching the weights of {wildcards.model}"
    script:
        "../workflow_scripts/fetch_weights.py"


rule fetch_embedder:
    output:
        weights="<results>/weights/embedder/{embedder}.json",
    log:
        "<results>/logs/fetch_embedder/{embedder}.log",
    benchmark:
        "<results>/benchmarks/fetch_embedder/{embedder}.jsonl"
    wildcard_constraints:
        embedder=one_of([name for name, spec in CONFIG.embedder.items() if spec.weights]),
    priority: FETCH_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: CONFIG.embedder[wildcards.embedder].memory_mb,
        weights=lambda wildcards: slices.canonical(slices.weights(CONFIG.embedder[wildcards.embedder].weights)),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        identity=lambda wildcards: slices.weights_identity(CONFIG.embedder[wildcards.embedder].weights),
    message:
        "Fetching the weights of {wildcards.embedder}"
    script:
        "../workflow_scripts/fetch_weights.py"


rule embed_questions:
    input:
        questions="<results>/questions/{dataset}/{query_set}.parquet",
        weights=lambda wildcards: fetched_embedder(CONFIG.dataset[wildcards.dataset].embedder),
    output:
        embeddings="<results>/embeddings/{dataset}/{query_set}.parquet",
    log:
        "<results>/logs/embed_questions/{dataset}/{query_set}.log",
    benchmark:
        "<results>/benchmarks/embed_questions/{dataset}/{query_set}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: embedder(wildcards).threads
    resources:
        **embedding(queries),
        engine=lambda wildcards: embedder(wildcards).engine,
        weights=lambda wildcards: slices.canonical(slices.weights(embedder(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(embedder(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(embedder(wildcards))),
        code=code("embed_questions.py"),
    message:
        "Embedding the queries {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_questions.py"


# Embeddings that a user has are taken instead of computed.
ruleorder: recorded_embeddings > embed_questions


rule recorded_embeddings:
    input:
        questions="<results>/questions/{dataset}/benchmark.parquet",
    output:
        embeddings="<results>/embeddings/{dataset}/benchmark.parquet",
    log:
        "<results>/logs/recorded_embeddings/{dataset}.log",
    benchmark:
        "<results>/benchmarks/recorded_embeddings/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of([name for name, spec in CONFIG.dataset.items() if spec.recorded_embeddings]),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=CONFIG.paths.data_root or "",
    params:
        file=lambda wildcards: (
            f"recorded/{CONFIG.dataset[wildcards.dataset].recorded}/"
            f"{CONFIG.dataset[wildcards.dataset].recorded_embeddings}"
        ),
        dimension=lambda wildcards: embedder(wildcards).dimension,
        code=code("recorded_embeddings.py"),
    message:
        "Taking the given embeddings of {wildcards.dataset}"
    script:
        "../workflow_scripts/recorded_embeddings.py"


rule answer:
    input:
        questions="<results>/questions/{dataset}/{query_set}.parquet",
        weights=lambda wildcards: fetched(slices.model_of(CONFIG, wildcards.member)[0]),
    output:
        answered="<results>/answered/{dataset}/{query_set}/{member}.json",
    log:
        "<results>/logs/answer/{dataset}/{query_set}/{member}.log",
    benchmark:
        "<results>/benchmarks/answer/{dataset}/{query_set}/{member}.jsonl"
    priority: lambda wildcards: size(slices.model_of(CONFIG, wildcards.member)[0])
    group:
        together("answers", lambda wildcards: f"{answer_kind(wildcards)}_{wildcards.member}")
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1].threads
    resources:
        **one_load_at_a_time("member", members(CONFIG)),
        **one_api_job_at_a_time(lambda wildcards: slices.model_of(CONFIG, wildcards.member)[0]),
        **asking(
            lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1],
            "answers",
            lambda wildcards: asked_of(wildcards.member, answer_kind(wildcards)),
        ),
        engine=lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1].engine,
        weights=lambda wildcards: slices.canonical(slices.weights(slices.model_of(CONFIG, wildcards.member)[1].weights)),
        api=lambda wildcards: slices.canonical(slices.api(slices.model_of(CONFIG, wildcards.member)[1])),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.chunk_size,
        # The other query sets of the experiment: while the model is loaded it answers those that are there, so that
        # their own jobs find the answers in the store. A resource, because it changes no result.
        also=lambda wildcards: " ".join(asked_of(wildcards.member, answer_kind(wildcards))),
    params:
        settings=lambda wildcards: slices.canonical(
            slices.answering(CONFIG, CONFIG_FOLDER, wildcards.member, answer_kind(wildcards))
        ),
    message:
        "{wildcards.member} answers {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/answer.py"


rule responses:
    input:
        answered="<results>/answered/{dataset}/{query_set}/{member}.json",
        questions="<results>/questions/{dataset}/{query_set}.parquet",
    output:
        responses="<results>/responses/{dataset}/{query_set}/{member}.parquet",
    log:
        "<results>/logs/responses/{dataset}/{query_set}/{member}.log",
    benchmark:
        "<results>/benchmarks/responses/{dataset}/{query_set}/{member}.jsonl"
    wildcard_constraints:
        member=one_of(members(CONFIG)),
    group:
        together("responses", lambda wildcards: wildcards.member)
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.answering(CONFIG, CONFIG_FOLDER, wildcards.member, answer_kind(wildcards))
        ),
        code=code("responses.py"),
    message:
        "Reading the answers of {wildcards.member} to {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/responses.py"


rule recorded_responses:
    input:
        questions="<results>/questions/{dataset}/benchmark.parquet",
    output:
        responses="<results>/responses/{dataset}/benchmark/{member}.parquet",
    log:
        "<results>/logs/recorded_responses/{dataset}/{member}.log",
    benchmark:
        "<results>/benchmarks/recorded_responses/{dataset}/{member}.jsonl"
    wildcard_constraints:
        member=one_of(recorded_members(CONFIG)),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=CONFIG.paths.data_root or "",
    params:
        file=lambda wildcards: recorded_file(CONFIG, wildcards.dataset, wildcards.member),
        code=code("recorded_responses.py"),
    message:
        "Taking the recorded answers of {wildcards.member} to {wildcards.dataset}"
    script:
        "../workflow_scripts/recorded_responses.py"


rule embed_answers:
    input:
        responses=lambda wildcards: expand(
            "<results>/responses/{dataset}/{query_set}/{member}.parquet",
            member=pool_members(wildcards),
            dataset=wildcards.dataset,
            query_set=wildcards.query_set,
        ),
        questions="<results>/questions/{dataset}/{query_set}.parquet",
        weights=lambda wildcards: fetched_embedder(CONFIG.dataset[wildcards.dataset].embedder),
    output:
        embeddings="<results>/{text}_embeddings/{dataset}/{query_set}/{pool}.parquet",
    log:
        "<results>/logs/embed_answers/{text}/{dataset}/{query_set}/{pool}.log",
    benchmark:
        "<results>/benchmarks/embed_answers/{text}/{dataset}/{query_set}/{pool}.jsonl"
    wildcard_constraints:
        text="answer|option",
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: embedder(wildcards).threads
    resources:
        **embedding(lambda wildcards: len(pool_members(wildcards)) * queries(wildcards)),
        engine=lambda wildcards: embedder(wildcards).engine,
        weights=lambda wildcards: slices.canonical(slices.weights(embedder(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(embedder(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(embedder(wildcards))),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=code("embed_answers.py"),
    message:
        "Embedding the {wildcards.text} texts of what {wildcards.pool} answered to {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_answers.py"


rule ask_features:
    input:
        questions="<results>/questions/{dataset}/{query_set}.parquet",
        weights=lambda wildcards: fetched(CONFIG.featurizer[wildcards.featurizer].model),
    output:
        featurized="<results>/featurized/{dataset}/{query_set}/{featurizer}.json",
    log:
        "<results>/logs/ask_features/{dataset}/{query_set}/{featurizer}.log",
    benchmark:
        "<results>/benchmarks/ask_features/{dataset}/{query_set}/{featurizer}.jsonl"
    priority: lambda wildcards: size(CONFIG.featurizer[wildcards.featurizer].model)
    group:
        together("features", lambda wildcards: wildcards.featurizer)
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: featurizer_model(wildcards).threads
    resources:
        **one_load_at_a_time("featurizer", CONFIG.featurizer),
        **one_api_job_at_a_time(lambda wildcards: CONFIG.featurizer[wildcards.featurizer].model),
        **asking(featurizer_model, "features", featurized_questions),
        engine=lambda wildcards: slices.writing_engine(CONFIG, CONFIG.featurizer[wildcards.featurizer]),
        weights=lambda wildcards: slices.canonical(slices.weights(featurizer_model(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(featurizer_model(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.chunk_size,
        # As for the rule answer: one start of the model for all query sets that are there.
        also=lambda wildcards: " ".join(featurized_questions(wildcards)),
    params:
        settings=lambda wildcards: slices.canonical(slices.featurizing(CONFIG, CONFIG_FOLDER, wildcards.featurizer)),
    message:
        "{wildcards.featurizer} describes {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_features.py"


rule features:
    input:
        featurized="<results>/featurized/{dataset}/{query_set}/{featurizer}.json",
        questions="<results>/questions/{dataset}/{query_set}.parquet",
    output:
        features="<results>/features/{dataset}/{query_set}/{featurizer}.parquet",
    log:
        "<results>/logs/features/{dataset}/{query_set}/{featurizer}.log",
    benchmark:
        "<results>/benchmarks/features/{dataset}/{query_set}/{featurizer}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(slices.featurizing(CONFIG, CONFIG_FOLDER, wildcards.featurizer)),
        code=code("features.py"),
    message:
        "Reading what {wildcards.featurizer} wrote about {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/features.py"


rule embed_features:
    input:
        features="<results>/features/{dataset}/{query_set}/{featurizer}.parquet",
        weights=lambda wildcards: fetched_embedder(CONFIG.dataset[wildcards.dataset].embedder),
    output:
        embeddings="<results>/feature_embeddings/{dataset}/{query_set}/{featurizer}.parquet",
    log:
        "<results>/logs/embed_features/{dataset}/{query_set}/{featurizer}.log",
    benchmark:
        "<results>/benchmarks/embed_features/{dataset}/{query_set}/{featurizer}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: embedder(wildcards).threads
    resources:
        **embedding(lambda wildcards: 2 * queries(wildcards)),
        engine=lambda wildcards: embedder(wildcards).engine,
        weights=lambda wildcards: slices.canonical(slices.weights(embedder(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(embedder(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(embedder(wildcards))),
        code=code("embed_features.py"),
    message:
        "Embedding what {wildcards.featurizer} wrote about {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_features.py"


rule embed_descriptions:
    input:
        descriptions="<results>/descriptions/{dataset}/{variant}.parquet",
        weights=lambda wildcards: fetched_embedder(CONFIG.dataset[wildcards.dataset].embedder),
    output:
        embeddings="<results>/description_embeddings/{dataset}/{variant}.parquet",
    log:
        "<results>/logs/embed_descriptions/{dataset}/{variant}.log",
    benchmark:
        "<results>/benchmarks/embed_descriptions/{dataset}/{variant}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: embedder(wildcards).threads
    resources:
        **embedding(lambda wildcards: len(CONFIG.dataset[wildcards.dataset].tasks)),
        engine=lambda wildcards: embedder(wildcards).engine,
        weights=lambda wildcards: slices.canonical(slices.weights(embedder(wildcards).weights)),
        api=lambda wildcards: slices.canonical(slices.api(embedder(wildcards))),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(embedder(wildcards))),
        code=code("embed_descriptions.py"),
    message:
        "Embedding the {wildcards.variant} descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_descriptions.py"


rule tested_questions:
    input:
        questions="<results>/questions/{dataset}/benchmark.parquet",
        splits="<results>/splits/{dataset}.parquet",
    output:
        questions="<results>/tested_questions/{dataset}.parquet",
    log:
        "<results>/logs/tested_questions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/tested_questions/{dataset}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("tested_questions.py"),
    message:
        "Taking the test questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/tested_questions.py"


rule ask_referee:
    input:
        questions=judged_questions,
        weights=lambda wildcards: fetched(slices.model_of(CONFIG, wildcards.member)[0]),
    output:
        refereed="<results>/refereed/{dataset}/{query_set}/{member}.json",
    log:
        "<results>/logs/ask_referee/{dataset}/{query_set}/{member}.log",
    benchmark:
        "<results>/benchmarks/ask_referee/{dataset}/{query_set}/{member}.jsonl"
    wildcard_constraints:
        member=one_of(REFEREES),
    priority: lambda wildcards: size(slices.model_of(CONFIG, wildcards.member)[0])
    group:
        together("referee", lambda wildcards: wildcards.member)
    conda:
        "../envs/cpu.yaml"
    threads: lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1].threads
    resources:
        # As for the rule answer, whose jobs of the same member these do not run beside.
        **one_load_at_a_time("member", members(CONFIG)),
        **one_api_job_at_a_time(lambda wildcards: slices.model_of(CONFIG, wildcards.member)[0]),
        **asking(
            lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1],
            "referee",
            lambda wildcards: [in_results(file_of_judged(*judged)) for judged in JUDGED],
            lambda wildcards: in_results(judged_questions(wildcards)),
            REFEREE_DRAWS,
        ),
        engine=lambda wildcards: slices.model_of(CONFIG, wildcards.member)[1].engine,
        weights=lambda wildcards: slices.canonical(slices.weights(slices.model_of(CONFIG, wildcards.member)[1].weights)),
        api=lambda wildcards: slices.canonical(slices.api(slices.model_of(CONFIG, wildcards.member)[1])),
        cache=CONFIG.paths.cache,
        use_hub=int(CONFIG.site.use_hub),
        store=CONFIG.paths.store,
        chunk_size=CONFIG.site.chunk_size,
        also=" ".join(
            file.replace("<results>", CONFIG.paths.results) for judged in JUDGED for file in [file_of_judged(*judged)]
        ),
    params:
        settings=lambda wildcards: slices.canonical(slices.answering(CONFIG, CONFIG_FOLDER, wildcards.member)),
        draws=REFEREE_DRAWS,
    message:
        "{wildcards.member} judges {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_referee.py"


rule referee_answers:
    input:
        refereed="<results>/refereed/{dataset}/{query_set}/{member}.json",
        questions=judged_questions,
    output:
        referee="<results>/referee/{dataset}/{query_set}/{member}.parquet",
    log:
        "<results>/logs/referee_answers/{dataset}/{query_set}/{member}.log",
    benchmark:
        "<results>/benchmarks/referee_answers/{dataset}/{query_set}/{member}.jsonl"
    wildcard_constraints:
        member=one_of(REFEREES),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=CONFIG.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(slices.answering(CONFIG, CONFIG_FOLDER, wildcards.member)),
        draws=REFEREE_DRAWS,
        code=code("referee_answers.py"),
    message:
        "Reading what {wildcards.member} says of {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/referee_answers.py"
