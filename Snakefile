# Routing with Generated Data: from task descriptions and a pool of LLMs to routers and every number of the study.
#
#   snakemake --cores N                                the default experiment, quickstart
#   snakemake --cores N --config experiment=NAME       another one of config/experiment/
#   snakemake --cores N questions | answers | tables | figures     a stage; run after questions, answers loads each member once
#   snakemake --cores N report | bundles               the page to look at; routers as tools for rgd route
#   snakemake --cores N leaderboard                    routers ranked by benchmark and scenario
#   snakemake --cores N weights                        only the models' weights, on a machine with a network
#   snakemake --cores N results/cells/D/S/P/R.parquet  one result

import gc
import runpy
import sys
from functools import partial
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# The checkout, also where another Snakefile includes this one.
ROOT = Path(str(workflow.current_basedir))
if not (ROOT / "workflow_scripts").is_dir():
    sys.exit(
        f"Checkout error: {ROOT} is no folder of this machine. Clone the repository and run snakemake in the clone: the workflow "
        "needs its package rgd and its environment (make install), which a module does not bring."
    )
# Run by path, so that no other checkout's copy runs instead.
CHECKOUT = runpy.run_path(str(ROOT / "workflow_scripts/rgd/workflow/checkout.py"))
if problem := CHECKOUT["problem"](ROOT):
    sys.exit(f"Checkout error: {problem}")

from rgd.config import analyses, scenarios, slices
from rgd.routing.reduced import BENCHMARK, REAL
from rgd.config.members import recorded_embeddings_file, recorded_file
from rgd.planning import expected
from rgd.planning.takeover import take_over
from rgd.planning.graph import Memory
from rgd.report import leaderboard as leaderboard_page
from rgd.report import page as report_page
from rgd.tool import settings as tool_settings
from rgd.workflow import nearest_target, paths, run_lock
from rgd.workflow.code import Code
from rgd.workflow.inputs import Inputs
from rgd.workflow.outputs import figure, table
from rgd.workflow.resources import DRAW_FIRST, FETCH_FIRST, QUESTIONS_FIRST, Jobs
from rgd.workflow.study import one_of, opened
from rgd.workflow.targets import Targets, following, summary

# Without garbage collection over its millions of objects, a graph of thousands of jobs is built in a fifth less time.
gc.disable()

study = opened(ROOT / "config", config)
if workflow.is_main_process:
    run_lock.guard()
    take_over(Path(study.config.paths.results), Memory, study.identities)
inputs = Inputs(study)
targets = Targets(study, inputs)
jobs = Jobs(study, workflow)
code = Code(ROOT / "workflow_scripts", Path(".snakemake/fingerprints"))


onstart:
    gc.freeze()
    gc.enable()
    expected.tell(workflow)


report: "rules/captions/workflow.rst"


pathvars:
    results=study.config.paths.results,


wildcard_constraints:
    **study.wildcard_constraints(),


include: "rules/datasets.smk"
include: "rules/generation.smk"
include: "rules/inference.smk"
include: "rules/equality.smk"
include: "rules/routing.smk"
include: "rules/query_sets.smk"
include: "rules/analysis.smk"
include: "rules/tool.smk"


jobs.place()
if workflow.is_main_process:
    nearest_target.advise(lambda: [*targets.files, *(rule.name for rule in workflow.rules if not rule.has_wildcards())])


# Rules that take about a second, and rules that need a network, which a cluster's nodes may lack.
localrules:
    all,
    weights,
    questions,
    answers,
    tables,
    figures,
    leaderboard,
    report,
    benchmark_questions,
    bundle,
    bundles,
    described_questions,
    human_descriptions,
    fetch_embedder,
    fetch_model,
    fetch_questions,
    read_descriptions,
    splits,
    tested_questions,


rule all:
    default_target: True
    input:
        targets.all,
        targets.replicas,


rule weights:
    input:
        targets.weights,


rule questions:
    input:
        targets.questions,
        targets.replicas_of_queries,


rule answers:
    input:
        targets.responses,
        targets.replicas_of_answers,


rule tables:
    input:
        targets.tables,
        targets.replicas,


rule figures:
    input:
        targets.figures,


rule leaderboard:
    input:
        targets.leaderboard,


rule report:
    input:
        targets.report,
        targets.replicas,


rule to_label:
    input:
        targets.to_label,


rule bundles:
    input:
        targets.bundles,


onsuccess:
    made = [str(path) for job in workflow.dag.jobs for path in job.output]
    expected.conclude(workflow, "\n\n".join(filter(None, [summary(study, made), following(study, made)])))
