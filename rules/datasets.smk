# Benchmarks: questions, kept apart from labels, and splits.


# The revision determines the content, so only the revision and the files' names are parameters. Address, cache and mirror
# are resources, which rerun nothing.
rule fetch_questions:
    output:
        source=paths.source("{dataset}"),
    log:
        paths.log("fetch_questions", "{dataset}"),
    benchmark:
        paths.benchmark("fetch_questions", "{dataset}")
    wildcard_constraints:
        dataset=one_of([name for name, spec in study.config.dataset.items() if spec.source and spec.source.repo]),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        fetching=lambda wildcards: slices.canonical(slices.fetching(study.config, wildcards.dataset)),
        root=lambda wildcards: slices.data_roots(study.config, wildcards.dataset)[0],
        mirror=int(study.config.paths.data_root is not None),
        use_hub=int(study.config.site.use_hub),
    params:
        identity=lambda wildcards: slices.canonical(slices.fetched(study.config, wildcards.dataset)),
    message:
        "Fetching the questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/fetch_questions.py"


rule benchmark_questions:
    input:
        source=inputs.benchmark_questions,
    output:
        questions=paths.questions("{dataset}", BENCHMARK),
        labels=paths.labels("{dataset}", BENCHMARK),
        parts=paths.parts("{dataset}"),
        dropped=paths.dropped("{dataset}"),
    log:
        paths.log("benchmark_questions", "{dataset}"),
    benchmark:
        paths.benchmark("benchmark_questions", "{dataset}")
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        roots=lambda wildcards: slices.canonical(slices.data_roots(study.config, wildcards.dataset)),
    params:
        slice=lambda wildcards: slices.canonical(slices.benchmark(study.config, wildcards.dataset)),
        own_content=inputs.own_content,
        code=code.of_adapter("benchmark_questions.py", study),
    message:
        "Making the questions of {wildcards.dataset}"
    script:
        "../workflow_scripts/benchmark_questions.py"


rule splits:
    input:
        questions=paths.questions("{dataset}", BENCHMARK),
        parts=paths.parts("{dataset}"),
    output:
        splits=paths.splits("{dataset}"),
    log:
        paths.log("splits", "{dataset}"),
    benchmark:
        paths.benchmark("splits", "{dataset}")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.splits(study.config, wildcards.dataset)),
        code=code("splits.py"),
    message:
        "Splitting {wildcards.dataset} into train and test parts"
    script:
        "../workflow_scripts/splits.py"


# Tasks that are only described: their examples, if any, and no test part.
ruleorder: described_questions > benchmark_questions
ruleorder: described_questions > splits


rule described_questions:
    output:
        questions=paths.questions("{dataset}", BENCHMARK),
        labels=paths.labels("{dataset}", BENCHMARK),
        parts=paths.parts("{dataset}"),
        dropped=paths.dropped("{dataset}"),
        splits=paths.splits("{dataset}"),
    log:
        paths.log("described_questions", "{dataset}"),
    benchmark:
        paths.benchmark("described_questions", "{dataset}")
    wildcard_constraints:
        dataset=one_of(study.only_described),
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=lambda wildcards: slices.canonical(slices.own_tasks(study.config, wildcards.dataset)),
        code=code("described_questions.py"),
    message:
        "Writing the examples of {wildcards.dataset}"
    script:
        "../workflow_scripts/described_questions.py"
