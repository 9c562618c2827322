# Routers as tools: bundles, which route alone, and the page on which people look at an experiment.


rule bundle:
    input:
        unpack(descriptions_of_bundle),
        router="<results>/routers/{dataset}/{scenario}/{pool}/{router}.parquet",
        consensus="<results>/consensus/{dataset}/{scenario}/{pool}.parquet",
        questions=training_set("<results>/questions/{dataset}/{query_set}.parquet"),
        embeddings=training_set("<results>/embeddings/{dataset}/{query_set}.parquet"),
    output:
        manifest="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/bundle.json",
        router="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/router.parquet",
        training="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/training.parquet",
        embeddings="<results>/bundles/{dataset}/{scenario}/{pool}/{router}/embeddings.safetensors",
    log:
        "<results>/logs/bundle/{dataset}/{scenario}/{pool}/{router}.log",
    benchmark:
        "<results>/benchmarks/bundle/{dataset}/{scenario}/{pool}/{router}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        # Where models lie and which server is asked: part of the bundle, but no text for its provenance.
        members=lambda wildcards: slices.canonical(tool_settings.asking(CONFIG, CONFIG_FOLDER, cell_of(wildcards))),
    params:
        slice=lambda wildcards: slices.canonical(tool_settings.routing(CONFIG, cell_of(wildcards))),
        members=lambda wildcards: tool_settings.digest(tool_settings.asking(CONFIG, CONFIG_FOLDER, cell_of(wildcards))),
        code=code("bundle.py"),
    message:
        "Writing {wildcards.router}, fitted on {wildcards.scenario} of {wildcards.dataset}, pool {wildcards.pool}, as a bundle"
    script:
        "../workflow_scripts/bundle.py"


rule report_page:
    input:
        reported_files(),
    output:
        html=report("<results>/reports/{experiment}/report.html", caption="captions/report.rst", category="The page"),
    log:
        "<results>/logs/report_page/{experiment}.log",
    benchmark:
        "<results>/benchmarks/report_page/{experiment}.jsonl"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    params:
        slice=slices.canonical(REPORTED),
        code=code("report_page.py", files=report_page.FILES),
    message:
        "Writing the page of {wildcards.experiment}"
    script:
        "../workflow_scripts/report_page.py"
