"""Draw the queries of every scenario with the clusters that a router found in them, after the paper's Figure 4."""

import json

import numpy as np

from _job import running
from rgd.analysis.figures import QueryMap, pca_of_queries
from rgd.analysis.shift import subsample
from rgd.artifacts.columns import texts, vectors_of
from rgd.artifacts.files import read_table
from rgd.routers import restore
from rgd.routers.cascal import Cascal

LIBRARIES = ("matplotlib", "scikit-learn")

# Most dots of a query set; a larger set is sampled with a fixed seed, since more dots only cover each other.
MOST_QUERIES = 3000

with running(snakemake, LIBRARIES):
    titles = json.loads(snakemake.params.titles)["scenario"]
    scenarios = json.loads(snakemake.params.scenarios)
    routers = dict(zip(json.loads(snakemake.params.fitted), snakemake.input.routers, strict=True))
    panels = []
    for position, scenario in enumerate(scenarios):
        questions = read_table(snakemake.input.questions[position], ["query_id", "task"])
        questions = questions.take(subsample(questions.num_rows, MOST_QUERIES, 0, snakemake.params.dataset, scenario))
        vectors = vectors_of(snakemake.input.embeddings[position], texts(questions["query_id"]))
        centroids, centroid_tasks = np.zeros((0, vectors.shape[1]), dtype=np.float32), None
        if scenario in routers:
            fitted = restore(read_table(routers[scenario]), Cascal)
            first = fitted[min(fitted)]
            centroids, centroid_tasks = first.centroids_, first.task_names_[first.centroid_tasks_]
        panels.append(
            QueryMap(titles.get(scenario, scenario), vectors, texts(questions["task"]), centroids, centroid_tasks)
        )
    pca_of_queries(panels, snakemake.output.svg)
