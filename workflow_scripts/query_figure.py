"""Draw the queries of every scenario with the clusters that a router found in them, after the paper's Figure 4."""

import json
from pathlib import Path

import numpy as np

from job import running
from rgd.analysis.figures import QueryMap, pca_of_queries
from rgd.artifacts import matrix, read_table
from rgd.routers import restore
from rgd.routers.cascal import Cascal
from rgd.training import rows_in, texts

LIBRARIES = ("matplotlib", "scikit-learn")

with running(snakemake, LIBRARIES):
    titles = json.loads(snakemake.params.titles)["scenario"]
    scenarios = json.loads(snakemake.params.scenarios)
    panels = []
    for position, scenario in enumerate(scenarios):
        questions = read_table(snakemake.input.questions[position], ["query_id", "task"])
        embeddings = read_table(snakemake.input.embeddings[position])
        rows = rows_in(texts(embeddings["query_id"]), texts(questions["query_id"]))
        vectors = matrix(embeddings["embedding"])[rows]
        centroids, centroid_tasks = np.zeros((0, vectors.shape[1]), dtype=np.float32), None
        if snakemake.input.routers:
            fitted = restore(read_table(snakemake.input.routers[position]), Cascal)
            first = fitted[min(fitted)]
            centroids, centroid_tasks = first.centroids_, first.task_names_[first.centroid_tasks_]
        panels.append(
            QueryMap(titles.get(scenario, scenario), vectors, texts(questions["task"]), centroids, centroid_tasks)
        )
    pca_of_queries(panels, Path(snakemake.output.svg).with_suffix(""))
