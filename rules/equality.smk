# Answers to questions without options: which are right, and which of a pool's answers are equal. Their only query set is the benchmark.


rule grade_answers:
    input:
        responses=paths.responses("{dataset}", BENCHMARK, "{member}"),
        labels=paths.labels("{dataset}", BENCHMARK),
    output:
        responses=paths.graded_responses("{dataset}", "{member}"),
    log:
        paths.log("grade_answers", "{dataset}", "{member}"),
    benchmark:
        paths.benchmark("grade_answers", "{dataset}", "{member}")
    wildcard_constraints:
        dataset=one_of(study.graded),
    conda:
        "../envs/cpu.yaml"
    threads: 2
    params:
        comparing=lambda wildcards: slices.canonical(slices.comparing(study.config, wildcards.dataset)),
        code=code("grade_answers.py"),
    message:
        "Grading the answers of {wildcards.member} to {wildcards.dataset}"
    script:
        "../workflow_scripts/grade_answers.py"


rule equal_answers:
    input:
        responses=inputs.equal_answers,
    output:
        equal=paths.equal_answers("{dataset}", "{pool}"),
    log:
        paths.log("equal_answers", "{dataset}", "{pool}"),
    benchmark:
        paths.benchmark("equal_answers", "{dataset}", "{pool}")
    wildcard_constraints:
        dataset=one_of(study.free_form),
    conda:
        "../envs/cpu.yaml"
    threads: 2
    params:
        comparing=lambda wildcards: slices.canonical(slices.comparing(study.config, wildcards.dataset)),
        code=code("equal_answers.py"),
    message:
        "Finding equal answers of {wildcards.pool} to {wildcards.dataset}"
    script:
        "../workflow_scripts/equal_answers.py"


rule matched_responses:
    input:
        responses=paths.responses("{dataset}", BENCHMARK, "{member}"),
        equal=paths.equal_answers("{dataset}", "{pool}"),
    output:
        responses=paths.matched_responses("{dataset}", "{pool}", "{member}"),
    log:
        paths.log("matched_responses", "{dataset}", "{pool}", "{member}"),
    benchmark:
        paths.benchmark("matched_responses", "{dataset}", "{pool}", "{member}")
    wildcard_constraints:
        dataset=one_of(study.free_form),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("matched_responses.py"),
    message:
        "Giving the answers of {wildcards.member} to {wildcards.dataset} the texts of equal answers in {wildcards.pool}"
    script:
        "../workflow_scripts/matched_responses.py"


rule matched_labels:
    input:
        labels=paths.labels("{dataset}", BENCHMARK),
        matched=inputs.test_answers,
        graded=inputs.matched_labels,
    output:
        labels=paths.matched_labels("{dataset}", "{pool}"),
    log:
        paths.log("matched_labels", "{dataset}", "{pool}"),
    benchmark:
        paths.benchmark("matched_labels", "{dataset}", "{pool}")
    wildcard_constraints:
        dataset=one_of(study.graded),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        code=code("matched_labels.py"),
    message:
        "Giving the labels of {wildcards.dataset} the texts of the right answers of {wildcards.pool}"
    script:
        "../workflow_scripts/matched_labels.py"
