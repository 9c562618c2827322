# Benchmarks: their questions, apart from their labels, and how they are divided.


# What is fetched is given by its revision, so only that and the files' names are parameters: address, cache and mirror are
# resources, which rerun nothing.
rule fetch_questions:
    output:
        source="<results>/sources/{dataset}.json",
    log:
        "<results>/logs/fetch_questions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/fetch_questions/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of([name for name, spec in CONFIG.dataset.items() if spec.source and spec.source.repo]),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        fetching=lambda wildcards: slices.canonical(slices.fetching(CONFIG, wildcards.dataset)),
        root=lambda wildcards: slices.data_roots(CONFIG, wildcards.dataset)[0],
        mirror=int(CONFIG.paths.data_root is not None),
        use_hub=int(CONFIG.site.use_hub),
    params:
        identity=lambda wildcards: slices.canonical(slices.fetched(CONFIG, wildcards.dataset)),
    message:
        "Fetching the questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/fetch_questions.py"


rule benchmark_questions:
    input:
        source=fetched_source,
    output:
        questions="<results>/questions/{dataset}/benchmark.parquet",
        labels="<results>/labels/{dataset}/benchmark.parquet",
        parts="<results>/parts/{dataset}.parquet",
        dropped="<results>/dropped/{dataset}.parquet",
    log:
        "<results>/logs/benchmark_questions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/benchmark_questions/{dataset}.jsonl"
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        roots=lambda wildcards: slices.canonical(slices.data_roots(CONFIG, wildcards.dataset)),
    params:
        slice=lambda wildcards: slices.canonical(slices.benchmark(CONFIG, wildcards.dataset)),
        own_content=own_content,
        code=lambda wildcards: code(
            "benchmark_questions.py",
            [f"rgd.datasets.{CONFIG.dataset[wildcards.dataset].adapter}"],
        ),
    message:
        "Making the questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/benchmark_questions.py"


rule splits:
    input:
        questions="<results>/questions/{dataset}/benchmark.parquet",
        parts="<results>/parts/{dataset}.parquet",
    output:
        splits="<results>/splits/{dataset}.parquet",
    log:
        "<results>/logs/splits/{dataset}.log",
    benchmark:
        "<results>/benchmarks/splits/{dataset}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.splits(CONFIG, wildcards.dataset)),
        code=code("splits.py"),
    message:
        "Dividing {wildcards.dataset} into train and test parts"
    script:
        "../workflow_scripts/splits.py"


# Tasks that are only described: their examples, if any, and nothing to be tested with.
ruleorder: described_questions > benchmark_questions
ruleorder: described_questions > splits


rule described_questions:
    output:
        questions="<results>/questions/{dataset}/benchmark.parquet",
        labels="<results>/labels/{dataset}/benchmark.parquet",
        parts="<results>/parts/{dataset}.parquet",
        dropped="<results>/dropped/{dataset}.parquet",
        splits="<results>/splits/{dataset}.parquet",
    log:
        "<results>/logs/described_questions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/described_questions/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(UNTESTED),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.own_tasks(CONFIG, wildcards.dataset)),
        code=code("described_questions.py"),
    message:
        "Writing down the examples of {wildcards.dataset}"
    script:
        "../workflow_scripts/described_questions.py"
