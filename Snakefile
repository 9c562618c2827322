# Routing with Generated Data: from task descriptions and a pool of LLMs to routers and every number of the study.
#
#   snakemake --cores N                                the default experiment, quickstart
#   snakemake --cores N --config experiment=NAME       another one of config/experiment/
#   snakemake --cores N questions | answers | tables | figures     a stage; after questions, each member is loaded once
#   snakemake --cores N report | bundles               the page to look at; routers as tools for rgd route
#   snakemake --cores N weights                        the models' weights alone, where there is a network
#   snakemake --cores N results/cells/D/S/P/R.parquet  one result

import gc

from snakemake.utils import min_version

min_version("9.27")

# A graph of thousands of jobs is built in a fifth less time while nobody looks for garbage among its millions of objects.
gc.disable()


onstart:
    gc.freeze()
    gc.enable()


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/compared.smk"


report: "rules/captions/workflow.rst"


pathvars:
    results=CONFIG.paths.results,


include: "rules/datasets.smk"
include: "rules/generation.smk"
include: "rules/inference.smk"
include: "rules/equality.smk"
include: "rules/routing.smk"
include: "rules/query_sets.smk"
include: "rules/analysis.smk"
include: "rules/tool.smk"


place_jobs()


# What takes a second, and what needs a network, which the nodes of a cluster may not have.
localrules:
    all,
    weights,
    questions,
    answers,
    tables,
    figures,
    report,
    benchmark_questions,
    bundle,
    bundles,
    described_questions,
    descriptions,
    fetch_embedder,
    fetch_model,
    fetch_questions,
    splits,
    tested_questions,
    written_descriptions,


rule all:
    default_target: True
    input:
        CELLS,
        FITTED,
        TABLES,
        FIGURES,
        SUMMARY,
        BUNDLES,
        REPORT if CONFIG.experiment.report else [],


rule weights:
    input:
        WEIGHTS,


rule questions:
    input:
        QUESTIONS,


rule answers:
    input:
        RESPONSES,


rule tables:
    input:
        TABLES,


rule figures:
    input:
        FIGURES,


rule report:
    input:
        REPORT,


rule bundles:
    input:
        BUNDLES,


onsuccess:
    print_summary()
