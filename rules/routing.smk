# Routers: consensus in the pool, fitting on a scenario's queries, routing the test queries, scoring.
# The label firewall: `fit` gets a label file only for a router whose class declares needs_labels, and for a router that asks
# for a few labels these alone; `route` never gets one.


rule neighbours:
    input:
        unpack(inputs.training_tasks),
        splits=paths.splits("{dataset}"),
        queries=paths.embeddings("{dataset}", BENCHMARK),
        training=inputs.training_embeddings,
    output:
        neighbours=paths.neighbours("{dataset}", "{scenario}"),
    log:
        paths.log("neighbours", "{dataset}", "{scenario}"),
    benchmark:
        paths.benchmark("neighbours", "{dataset}", "{scenario}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=study.config.neighbours,
        code=code("neighbours.py"),
    message:
        "Finding the nearest training queries of {wildcards.scenario} for the test queries of {wildcards.dataset}"
    script:
        "../workflow_scripts/neighbours.py"


rule train:
    input:
        unpack(inputs.training_tasks),
        splits=paths.splits("{dataset}"),
        responses=inputs.training_answers,
    output:
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
    log:
        paths.log("train", "{dataset}", "{scenario}", "{pool}"),
    benchmark:
        paths.benchmark("train", "{dataset}", "{scenario}", "{pool}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code("train.py"),
    message:
        "Gathering the training sets of {wildcards.pool} on {wildcards.scenario} of {wildcards.dataset}"
    script:
        "../workflow_scripts/train.py"


# Only analyses read this: a router that learns from consensus computes it with its own parameters.
rule consensus:
    input:
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
    output:
        consensus=paths.consensus("{dataset}", "{scenario}", "{pool}"),
    log:
        paths.log("consensus", "{dataset}", "{scenario}", "{pool}"),
    benchmark:
        paths.benchmark("consensus", "{dataset}", "{scenario}", "{pool}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.consensus(study.config)),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code("consensus.py"),
    message:
        "Computing the consensus of {wildcards.pool} on {wildcards.scenario} of {wildcards.dataset}"
    script:
        "../workflow_scripts/consensus.py"


rule queries_to_label:
    input:
        unpack(inputs.queries_to_label),
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
        questions=inputs.training_questions,
        embeddings=inputs.training_embeddings,
    output:
        queries=paths.queries_to_label(),
    log:
        paths.log("queries_to_label", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("queries_to_label", "{dataset}", "{scenario}", "{pool}", "{router}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(
            slices.fitting(
                study.config, wildcards.router, study.pool(wildcards.pool), study.router_class(wildcards).knows_sizes
            )
        ),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code.of_router("queries_to_label.py", study),
    message:
        "Choosing the queries whose labels {wildcards.router} asks for on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/queries_to_label.py"


# The one rule that looks at labels for a router of few labels: its output has those that were asked for, and no other.
rule revealed_labels:
    input:
        unpack(inputs.revealed_labels),
        queries=paths.queries_to_label(),
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
        questions=inputs.training_questions,
    output:
        labels=paths.revealed_labels(),
    log:
        paths.log("revealed_labels", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("revealed_labels", "{dataset}", "{scenario}", "{pool}", "{router}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        # A person's own file: its content counts, and not its place.
        given=lambda wildcards: str(inputs.given_labels(wildcards)),
    params:
        slice=lambda wildcards: slices.canonical(slices.revealing(study.config, wildcards.dataset, wildcards.router)),
        content=inputs.given_content,
        code=code("revealed_labels.py"),
    message:
        "Revealing the labels that {wildcards.router} asked for on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/revealed_labels.py"


rule fit:
    input:
        unpack(inputs.fit),
        training=paths.training("{dataset}", "{scenario}", "{pool}"),
        questions=inputs.training_questions,
        embeddings=inputs.training_embeddings,
    output:
        router=paths.router(),
    log:
        paths.log("fit", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("fit", "{dataset}", "{scenario}", "{pool}", "{router}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(
            slices.fitting(
                study.config, wildcards.router, study.pool(wildcards.pool), study.router_class(wildcards).knows_sizes
            )
        ),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code.of_router("fit.py", study),
    message:
        "Fitting {wildcards.router} on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/fit.py"


rule route:
    input:
        unpack(inputs.route),
        router=paths.router(),
        neighbours=paths.neighbours("{dataset}", "{scenario}"),
        questions=paths.questions("{dataset}", BENCHMARK),
        embeddings=paths.embeddings("{dataset}", BENCHMARK),
        responses=inputs.test_answers,
    output:
        routes=paths.routes(),
    log:
        paths.log("route", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("route", "{dataset}", "{scenario}", "{pool}", "{router}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.routing(study.config, wildcards.router)),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code.of_router("route.py", study),
    message:
        "Routing {wildcards.dataset} with {wildcards.router}, fitted on {wildcards.scenario}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/route.py"


rule score:
    input:
        routes=paths.routes(),
        responses=inputs.test_answers,
        labels=inputs.test_labels,
        questions=paths.questions("{dataset}", BENCHMARK),
    output:
        outcomes=paths.outcomes(),
        choices=paths.choices(),
        cell=paths.cell(),
    log:
        paths.log("score", "{dataset}", "{scenario}", "{pool}", "{router}"),
    benchmark:
        paths.benchmark("score", "{dataset}", "{scenario}", "{pool}", "{router}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.interval(study.config)),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        family=study.family,
        code=code("score.py"),
    message:
        "Scoring {wildcards.router} on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/score.py"


rule score_reference:
    input:
        responses=inputs.test_answers,
        splits=paths.splits("{dataset}"),
        labels=inputs.test_labels,
        questions=paths.questions("{dataset}", BENCHMARK),
    output:
        outcomes=paths.outcomes(("{dataset}", "real", "{pool}", "{reference}")),
        choices=paths.choices(("{dataset}", "real", "{pool}", "{reference}")),
        cell=paths.cell(("{dataset}", "real", "{pool}", "{reference}")),
    log:
        paths.log("score_reference", "{dataset}", "{pool}", "{reference}"),
    benchmark:
        paths.benchmark("score_reference", "{dataset}", "{pool}", "{reference}")
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.interval(study.config)),
        members=lambda wildcards: slices.canonical(study.pool(wildcards.pool)),
        code=code("score_reference.py"),
    message:
        "Computing {wildcards.reference} for {wildcards.pool} on {wildcards.dataset}"
    script:
        "../workflow_scripts/score_reference.py"
