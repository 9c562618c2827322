# Of answers that are mathematics: which are right, and which of a pool's are equal. Their only query set is the benchmark.


rule grade_answers:
    input:
        responses="<results>/responses/{dataset}/benchmark/{member}.parquet",
        labels="<results>/labels/{dataset}/benchmark.parquet",
    output:
        responses="<results>/graded_responses/{dataset}/{member}.parquet",
    log:
        "<results>/logs/grade_answers/{dataset}/{member}.log",
    benchmark:
        "<results>/benchmarks/grade_answers/{dataset}/{member}.jsonl"
    wildcard_constraints:
        dataset=one_of(MATHEMATICAL),
    conda:
        "../envs/cpu.yaml"
    threads: 2
    params:
        code=code("grade_answers.py"),
    message:
        "Grading the answers of {wildcards.member} to {wildcards.dataset}"
    script:
        "../workflow_scripts/grade_answers.py"


rule equal_answers:
    input:
        responses=lambda wildcards: expand(
            "<results>/responses/{dataset}/benchmark/{member}.parquet",
            dataset=wildcards.dataset,
            member=pool_members(wildcards),
        ),
    output:
        equal="<results>/equal_answers/{dataset}/{pool}.parquet",
    log:
        "<results>/logs/equal_answers/{dataset}/{pool}.log",
    benchmark:
        "<results>/benchmarks/equal_answers/{dataset}/{pool}.jsonl"
    wildcard_constraints:
        dataset=one_of(MATHEMATICAL),
    conda:
        "../envs/cpu.yaml"
    threads: 2
    params:
        code=code("equal_answers.py"),
    message:
        "Finding equal answers of {wildcards.pool} to {wildcards.dataset}"
    script:
        "../workflow_scripts/equal_answers.py"


rule matched_responses:
    input:
        responses="<results>/responses/{dataset}/benchmark/{member}.parquet",
        equal="<results>/equal_answers/{dataset}/{pool}.parquet",
    output:
        responses="<results>/matched_responses/{dataset}/{pool}/{member}.parquet",
    log:
        "<results>/logs/matched_responses/{dataset}/{pool}/{member}.log",
    benchmark:
        "<results>/benchmarks/matched_responses/{dataset}/{pool}/{member}.jsonl"
    wildcard_constraints:
        dataset=one_of(MATHEMATICAL),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("matched_responses.py"),
    message:
        "Naming the answers of {wildcards.member} to {wildcards.dataset} as equal ones of {wildcards.pool}"
    script:
        "../workflow_scripts/matched_responses.py"


rule matched_labels:
    input:
        labels="<results>/labels/{dataset}/benchmark.parquet",
        matched=test_answers,
        graded=lambda wildcards: expand(
            "<results>/graded_responses/{dataset}/{member}.parquet",
            dataset=wildcards.dataset,
            member=pool_members(wildcards),
        ),
    output:
        labels="<results>/matched_labels/{dataset}/{pool}.parquet",
    log:
        "<results>/logs/matched_labels/{dataset}/{pool}.log",
    benchmark:
        "<results>/benchmarks/matched_labels/{dataset}/{pool}.jsonl"
    wildcard_constraints:
        dataset=one_of(MATHEMATICAL),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("matched_labels.py"),
    message:
        "Naming the labels of {wildcards.dataset} as the right answers of {wildcards.pool}"
    script:
        "../workflow_scripts/matched_labels.py"
