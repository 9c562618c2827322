# Models at work: weights, embeddings, answers. Rules that ask fill the store; rules that read it need no model.
# Settings that change no result (the engine, the paths of weights and store, the size of a chunk) are resources, because a
# changed resource reruns nothing. A rule that asks follows the code that decides what is asked, and not the code that asks.

POOLING = "rgd.engines.pooling"
"""From the tokens of a text to its vector."""


rule fetch_model:
    output:
        weights=paths.model_weights("{model}"),
    log:
        paths.log("fetch_model", "{model}"),
    benchmark:
        paths.benchmark("fetch_model", "{model}")
    wildcard_constraints:
        model=one_of([name for name, spec in study.config.model.items() if spec.weights]),
    priority: jobs.largest_first(lambda wildcards: wildcards.model, FETCH_FIRST)
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        **jobs.fetching("model"),
    params:
        identity=lambda wildcards: slices.model_identity(study.config.model[wildcards.model]),
    message:
        "Fetching the weights of {wildcards.model}"
    script:
        "../workflow_scripts/fetch_weights.py"


rule fetch_embedder:
    output:
        weights=paths.embedder_weights("{embedder}"),
    log:
        paths.log("fetch_embedder", "{embedder}"),
    benchmark:
        paths.benchmark("fetch_embedder", "{embedder}")
    wildcard_constraints:
        embedder=one_of([name for name, spec in study.config.embedder.items() if spec.weights]),
    priority: FETCH_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        **jobs.fetching("embedder"),
    params:
        identity=lambda wildcards: slices.model_identity(study.config.embedder[wildcards.embedder]),
    message:
        "Fetching the weights of {wildcards.embedder}"
    script:
        "../workflow_scripts/fetch_weights.py"


rule embed_questions:
    input:
        questions=paths.questions("{dataset}", "{query_set}"),
        weights=inputs.embedder_weights,
    output:
        embeddings=paths.embeddings("{dataset}", "{query_set}"),
    log:
        paths.log("embed_questions", "{dataset}", "{query_set}"),
    benchmark:
        paths.benchmark("embed_questions", "{dataset}", "{query_set}")
    conda:
        "../envs/cpu.yaml"
    threads: jobs.embedder_threads
    resources:
        **jobs.embedding(jobs.queries),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(study.embedder(wildcards))),
        code=code("embed_questions.py", [POOLING]),
    message:
        "Embedding the queries {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_questions.py"


# Embeddings that the user provides are used instead of computed ones.
ruleorder: recorded_embeddings > embed_questions


rule recorded_embeddings:
    input:
        questions=paths.questions("{dataset}", BENCHMARK),
    output:
        embeddings=paths.embeddings("{dataset}", BENCHMARK),
    log:
        paths.log("recorded_embeddings", "{dataset}"),
    benchmark:
        paths.benchmark("recorded_embeddings", "{dataset}")
    wildcard_constraints:
        dataset=one_of([name for name, spec in study.config.dataset.items() if spec.recorded_embeddings]),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=study.config.paths.data_root or "",
    params:
        file=lambda wildcards: recorded_embeddings_file(study.config, wildcards.dataset),
        content=lambda wildcards: inputs.recorded_content(recorded_embeddings_file(study.config, wildcards.dataset)),
        dimension=lambda wildcards: study.embedder(wildcards).dimension,
        code=code("recorded_embeddings.py"),
    message:
        "Taking the given embeddings of {wildcards.dataset}"
    script:
        "../workflow_scripts/recorded_embeddings.py"


rule ask_answers:
    input:
        questions=paths.questions("{dataset}", "{query_set}"),
        weights=inputs.weights_of(study.model_of_member),
    output:
        asked=paths.asked("answers", "{dataset}", "{query_set}", "{member}"),
    log:
        paths.log("ask_answers", "{dataset}", "{query_set}", "{member}"),
    benchmark:
        paths.benchmark("ask_answers", "{dataset}", "{query_set}", "{member}")
    priority: jobs.largest_first(study.model_of_member)
    group:
        jobs.together("answers", jobs.member_and_kind)
    conda:
        "../envs/cpu.yaml"
    threads: jobs.threads(study.model_of_member)
    resources:
        **jobs.ask_answers(inputs.asked_of_member),
    params:
        settings=lambda wildcards: slices.canonical(
            slices.answering(study.config, study.folder, wildcards.member, study.dataset(wildcards).kind)
        ),
        code=code("ask_answers.py"),
    message:
        "{wildcards.member} answers {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_answers.py"


# A model with replicas: further jobs that share what it is asked.
use rule ask_answers as share_answers with:
    output:
        asked=paths.asked("answers", "{dataset}", "{query_set}", "{member}", "{replica}"),
    log:
        paths.log("share_answers", "{dataset}", "{query_set}", "{member}", "{replica}"),
    benchmark:
        paths.benchmark("share_answers", "{dataset}", "{query_set}", "{member}", "{replica}")
    message:
        "{wildcards.member} answers {wildcards.query_set} of {wildcards.dataset} too, in replica {wildcards.replica}"


rule read_answers:
    input:
        asked=paths.asked("answers", "{dataset}", "{query_set}", "{member}"),
        questions=paths.questions("{dataset}", "{query_set}"),
    output:
        responses=paths.responses("{dataset}", "{query_set}", "{member}"),
    log:
        paths.log("read_answers", "{dataset}", "{query_set}", "{member}"),
    benchmark:
        paths.benchmark("read_answers", "{dataset}", "{query_set}", "{member}")
    wildcard_constraints:
        member=one_of(study.members),
    group:
        jobs.together("responses", lambda wildcards: wildcards.member)
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.answering(study.config, study.folder, wildcards.member, study.dataset(wildcards).kind)
        ),
        reader=lambda wildcards: slices.reader(study.config, wildcards.member),
        code=code("read_answers.py"),
    message:
        "Reading the answers of {wildcards.member} to {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/read_answers.py"


rule recorded_responses:
    input:
        questions=paths.questions("{dataset}", BENCHMARK),
    output:
        responses=paths.responses("{dataset}", BENCHMARK, "{member}"),
    log:
        paths.log("recorded_responses", "{dataset}", "{member}"),
    benchmark:
        paths.benchmark("recorded_responses", "{dataset}", "{member}")
    wildcard_constraints:
        member=one_of(study.recorded_alone),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=study.config.paths.data_root or "",
    params:
        file=lambda wildcards: recorded_file(study.config, wildcards.dataset, wildcards.member),
        content=lambda wildcards: inputs.recorded_content(
            recorded_file(study.config, wildcards.dataset, wildcards.member)
        ),
        code=code("recorded_responses.py"),
    message:
        "Taking the recorded answers of {wildcards.member} to {wildcards.dataset}"
    script:
        "../workflow_scripts/recorded_responses.py"


for number, block in enumerate(study.recorded_blocks):

    rule:
        name:
            f"recorded_block_{number}"
        input:
            questions=paths.questions("{dataset}", BENCHMARK),
        output:
            responses=[paths.responses("{dataset}", BENCHMARK, member) for member in block],
        log:
            paths.log(f"recorded_block_{number}", "{dataset}"),
        benchmark:
            paths.benchmark(f"recorded_block_{number}", "{dataset}")
        conda:
            "../envs/cpu.yaml"
        threads: 1
        resources:
            data_root=study.config.paths.data_root or "",
        params:
            file=partial(inputs.recorded_files, members=block),
            content=partial(inputs.recorded_contents, members=block),
            code=code("recorded_responses.py"),
        message:
            f"Taking the recorded answers of {len(block)} members to {{wildcards.dataset}}"
        script:
            "../workflow_scripts/recorded_responses.py"


rule embed_answers:
    input:
        responses=inputs.embed_answers,
        questions=paths.questions("{dataset}", "{query_set}"),
        weights=inputs.embedder_weights,
    output:
        embeddings=paths.text_embeddings("{text}", "{dataset}", "{query_set}", "{pool}"),
    log:
        paths.log("embed_answers", "{text}", "{dataset}", "{query_set}", "{pool}"),
    benchmark:
        paths.benchmark("embed_answers", "{text}", "{dataset}", "{query_set}", "{pool}")
    wildcard_constraints:
        text="answer|option",
    conda:
        "../envs/cpu.yaml"
    threads: jobs.embedder_threads
    resources:
        **jobs.embedding(jobs.answers),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(study.embedder(wildcards))),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code("embed_answers.py", [POOLING]),
    message:
        "Embedding the {wildcards.text} texts of the answers of {wildcards.pool} to {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_answers.py"


rule ask_features:
    input:
        questions=paths.questions("{dataset}", "{query_set}"),
        weights=inputs.weights_of(study.model_of_featurizer),
    output:
        asked=paths.asked("features", "{dataset}", "{query_set}", "{featurizer}"),
    log:
        paths.log("ask_features", "{dataset}", "{query_set}", "{featurizer}"),
    benchmark:
        paths.benchmark("ask_features", "{dataset}", "{query_set}", "{featurizer}")
    priority: jobs.largest_first(study.model_of_featurizer)
    group:
        jobs.together("features", lambda wildcards: wildcards.featurizer)
    conda:
        "../envs/cpu.yaml"
    threads: jobs.threads(study.model_of_featurizer)
    resources:
        **jobs.ask_features(inputs.asked_of_featurizer),
    params:
        settings=lambda wildcards: slices.canonical(
            slices.featurizing(study.config, study.folder, wildcards.featurizer)
        ),
        code=code("ask_features.py"),
    message:
        "{wildcards.featurizer} describes {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_features.py"


use rule ask_features as share_features with:
    output:
        asked=paths.asked("features", "{dataset}", "{query_set}", "{featurizer}", "{replica}"),
    log:
        paths.log("share_features", "{dataset}", "{query_set}", "{featurizer}", "{replica}"),
    benchmark:
        paths.benchmark("share_features", "{dataset}", "{query_set}", "{featurizer}", "{replica}")
    message:
        "{wildcards.featurizer} describes {wildcards.query_set} of {wildcards.dataset} too, in replica {wildcards.replica}"


rule read_features:
    input:
        asked=paths.asked("features", "{dataset}", "{query_set}", "{featurizer}"),
        questions=paths.questions("{dataset}", "{query_set}"),
    output:
        features=paths.features("{dataset}", "{query_set}", "{featurizer}"),
    log:
        paths.log("read_features", "{dataset}", "{query_set}", "{featurizer}"),
    benchmark:
        paths.benchmark("read_features", "{dataset}", "{query_set}", "{featurizer}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(
            slices.featurizing(study.config, study.folder, wildcards.featurizer)
        ),
        code=code("read_features.py"),
    message:
        "Reading what {wildcards.featurizer} wrote about {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/read_features.py"


rule embed_features:
    input:
        features=paths.features("{dataset}", "{query_set}", "{featurizer}"),
        weights=inputs.embedder_weights,
    output:
        embeddings=paths.feature_embeddings("{dataset}", "{query_set}", "{featurizer}"),
    log:
        paths.log("embed_features", "{dataset}", "{query_set}", "{featurizer}"),
    benchmark:
        paths.benchmark("embed_features", "{dataset}", "{query_set}", "{featurizer}")
    conda:
        "../envs/cpu.yaml"
    threads: jobs.embedder_threads
    resources:
        **jobs.embedding(jobs.feature_texts),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(study.embedder(wildcards))),
        code=code("embed_features.py", [POOLING]),
    message:
        "Embedding what {wildcards.featurizer} wrote about {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_features.py"


rule embed_descriptions:
    input:
        descriptions=paths.descriptions("{dataset}", "{variant}"),
        weights=inputs.embedder_weights,
    output:
        embeddings=paths.description_embeddings("{dataset}", "{variant}"),
    log:
        paths.log("embed_descriptions", "{dataset}", "{variant}"),
    benchmark:
        paths.benchmark("embed_descriptions", "{dataset}", "{variant}")
    conda:
        "../envs/cpu.yaml"
    threads: jobs.embedder_threads
    resources:
        **jobs.embedding(jobs.tasks),
    params:
        slice=lambda wildcards: slices.canonical(slices.embedding(study.embedder(wildcards))),
        code=code("embed_descriptions.py", [POOLING]),
    message:
        "Embedding the {wildcards.variant} descriptions of {wildcards.dataset}"
    script:
        "../workflow_scripts/embed_descriptions.py"


rule tested_questions:
    input:
        questions=paths.questions("{dataset}", BENCHMARK),
        splits=paths.splits("{dataset}"),
    output:
        questions=paths.tested_questions("{dataset}"),
    log:
        paths.log("tested_questions", "{dataset}"),
    benchmark:
        paths.benchmark("tested_questions", "{dataset}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("tested_questions.py"),
    message:
        "Selecting the test questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/tested_questions.py"


rule ask_referee:
    input:
        questions=inputs.ask_referee,
        weights=inputs.weights_of(study.model_of_member),
    output:
        asked=paths.asked("referee", "{dataset}", "{query_set}", "{member}"),
    log:
        paths.log("ask_referee", "{dataset}", "{query_set}", "{member}"),
    benchmark:
        paths.benchmark("ask_referee", "{dataset}", "{query_set}", "{member}")
    wildcard_constraints:
        member=one_of(study.referees),
    priority: jobs.largest_first(study.model_of_member)
    group:
        jobs.together("referee", lambda wildcards: wildcards.member)
    conda:
        "../envs/cpu.yaml"
    threads: jobs.threads(study.model_of_member)
    resources:
        **jobs.ask_referee(inputs.asked_of_referee, inputs.ask_referee),
    params:
        settings=lambda wildcards: slices.canonical(slices.answering(study.config, study.folder, wildcards.member)),
        draws=study.referee_draws,
        code=code("ask_referee.py"),
    message:
        "{wildcards.member} judges {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/ask_referee.py"


use rule ask_referee as share_referee with:
    output:
        asked=paths.asked("referee", "{dataset}", "{query_set}", "{member}", "{replica}"),
    log:
        paths.log("share_referee", "{dataset}", "{query_set}", "{member}", "{replica}"),
    benchmark:
        paths.benchmark("share_referee", "{dataset}", "{query_set}", "{member}", "{replica}")
    message:
        "{wildcards.member} judges {wildcards.query_set} of {wildcards.dataset} too, in replica {wildcards.replica}"


rule read_referee:
    input:
        asked=paths.asked("referee", "{dataset}", "{query_set}", "{member}"),
        questions=inputs.ask_referee,
    output:
        referee=paths.referee("{dataset}", "{query_set}", "{member}"),
    log:
        paths.log("read_referee", "{dataset}", "{query_set}", "{member}"),
    benchmark:
        paths.benchmark("read_referee", "{dataset}", "{query_set}", "{member}")
    wildcard_constraints:
        member=one_of(study.referees),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        store=study.config.paths.store,
    params:
        settings=lambda wildcards: slices.canonical(slices.answering(study.config, study.folder, wildcards.member)),
        draws=study.referee_draws,
        reader=lambda wildcards: slices.reader(study.config, wildcards.member),
        code=code("read_referee.py"),
    message:
        "Reading the judgements of {wildcards.member} on {wildcards.query_set} of {wildcards.dataset}"
    script:
        "../workflow_scripts/read_referee.py"
