# Benchmarks: their questions, apart from their labels, and how they are divided.


rule benchmark_questions:
    output:
        questions="<results>/questions/{dataset}/benchmark.parquet",
        labels="<results>/labels/{dataset}/benchmark.parquet",
    log:
        "<results>/logs/benchmark_questions/{dataset}.log",
    benchmark:
        "<results>/benchmarks/benchmark_questions/{dataset}.jsonl"
    priority: QUESTIONS_FIRST
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        data_root=CONFIG.paths.data_root or "",
    params:
        slice=lambda wildcards: slices.canonical(slices.benchmark(CONFIG, wildcards.dataset)),
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
