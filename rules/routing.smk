# Routers: consensus among the pool, fitting on a scenario's queries, routing the test queries, scoring.
# The label firewall: `fit` gets a label file only for a router whose class says needs_labels, `route` never does.


rule neighbours:
    input:
        unpack(tasks_of_subset),
        splits="<results>/splits/{dataset}.parquet",
        queries="<results>/embeddings/{dataset}/benchmark.parquet",
        training=training_set("<results>/embeddings/{dataset}/{query_set}.parquet"),
    output:
        neighbours="<results>/neighbours/{dataset}/{scenario}.parquet",
    log:
        "<results>/logs/neighbours/{dataset}/{scenario}.log",
    benchmark:
        "<results>/benchmarks/neighbours/{dataset}/{scenario}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=CONFIG.neighbours,
        code=code("neighbours.py"),
    message:
        "Finding the nearest training queries of {wildcards.scenario} for the test queries of {wildcards.dataset}"
    script:
        "../workflow_scripts/neighbours.py"


rule consensus:
    input:
        unpack(tasks_of_subset),
        splits="<results>/splits/{dataset}.parquet",
        responses=pool_answers_to(sweep.query_set),
    output:
        consensus="<results>/consensus/{dataset}/{scenario}/{pool}.parquet",
    log:
        "<results>/logs/consensus/{dataset}/{scenario}/{pool}.log",
    benchmark:
        "<results>/benchmarks/consensus/{dataset}/{scenario}/{pool}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.consensus(CONFIG)),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=code("consensus.py"),
    message:
        "Consensus of {wildcards.pool} on {wildcards.scenario} of {wildcards.dataset}"
    script:
        "../workflow_scripts/consensus.py"


rule fit:
    input:
        unpack(extra_fit_inputs),
        consensus="<results>/consensus/{dataset}/{scenario}/{pool}.parquet",
        questions=training_set("<results>/questions/{dataset}/{query_set}.parquet"),
        embeddings=training_set("<results>/embeddings/{dataset}/{query_set}.parquet"),
    output:
        router="<results>/routers/{dataset}/{scenario}/{pool}/{router}.parquet",
    log:
        "<results>/logs/fit/{dataset}/{scenario}/{pool}/{router}.log",
    benchmark:
        "<results>/benchmarks/fit/{dataset}/{scenario}/{pool}/{router}.jsonl"
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(
            slices.fitting(CONFIG, wildcards.router, pool_members(wildcards), router_class(wildcards).knows_sizes)
        ),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=lambda wildcards: code("fit.py", router_plugin(wildcards)),
    message:
        "Fitting {wildcards.router} on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/fit.py"


rule route:
    input:
        unpack(extra_route_inputs),
        router="<results>/routers/{dataset}/{scenario}/{pool}/{router}.parquet",
        neighbours="<results>/neighbours/{dataset}/{scenario}.parquet",
        questions="<results>/questions/{dataset}/benchmark.parquet",
        embeddings="<results>/embeddings/{dataset}/benchmark.parquet",
        responses=test_answers,
    output:
        routes="<results>/routes/{dataset}/{scenario}/{pool}/{router}.parquet",
    log:
        "<results>/logs/route/{dataset}/{scenario}/{pool}/{router}.log",
    benchmark:
        "<results>/benchmarks/route/{dataset}/{scenario}/{pool}/{router}.jsonl"
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.routing(CONFIG, wildcards.router)),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=lambda wildcards: code("route.py", router_plugin(wildcards)),
    message:
        "Routing {wildcards.dataset} with {wildcards.router}, fitted on {wildcards.scenario}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/route.py"


rule score:
    input:
        routes="<results>/routes/{dataset}/{scenario}/{pool}/{router}.parquet",
        responses=test_answers,
        labels=test_labels,
        questions="<results>/questions/{dataset}/benchmark.parquet",
    output:
        outcomes="<results>/outcomes/{dataset}/{scenario}/{pool}/{router}.parquet",
        choices="<results>/choices/{dataset}/{scenario}/{pool}/{router}.parquet",
        cell="<results>/cells/{dataset}/{scenario}/{pool}/{router}.parquet",
    log:
        "<results>/logs/score/{dataset}/{scenario}/{pool}/{router}.log",
    benchmark:
        "<results>/benchmarks/score/{dataset}/{scenario}/{pool}/{router}.jsonl"
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.interval(CONFIG)),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        family=lambda wildcards: router_class(wildcards).family,
        code=code("score.py"),
    message:
        "Scoring {wildcards.router} on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}"
    script:
        "../workflow_scripts/score.py"


rule score_reference:
    input:
        responses=test_answers,
        splits="<results>/splits/{dataset}.parquet",
        labels=test_labels,
        questions="<results>/questions/{dataset}/benchmark.parquet",
    output:
        outcomes="<results>/outcomes/{dataset}/real/{pool}/{reference}.parquet",
        choices="<results>/choices/{dataset}/real/{pool}/{reference}.parquet",
        cell="<results>/cells/{dataset}/real/{pool}/{reference}.parquet",
    log:
        "<results>/logs/score_reference/{dataset}/{pool}/{reference}.log",
    benchmark:
        "<results>/benchmarks/score_reference/{dataset}/{pool}/{reference}.jsonl"
    group:
        "cell"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(slices.interval(CONFIG)),
        members=lambda wildcards: slices.canonical(pool_members(wildcards)),
        code=code("score_reference.py"),
    message:
        "Computing {wildcards.reference} for {wildcards.pool} on {wildcards.dataset}"
    script:
        "../workflow_scripts/score_reference.py"
