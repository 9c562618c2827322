"""Check for signs that generated data cannot train a router, and say what to do about each."""

import json

import numpy as np

from _job import running
from rgd.analysis.diagnostics import Trained, findings, for_people, summary, table
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table
from rgd.routers import make, restore
from rgd.routing.training import training_sets

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    given, settings = snakemake.input, json.loads(snakemake.params.slice)
    fitted = dict(zip(map(tuple, settings["fitted"]), given.routers, strict=True))
    found = {}
    for place, (dataset, scenario, pool) in enumerate(settings["cells"]):
        members = settings["pools"][pool]
        consensus = read_table(given.consensus[place])
        questions = read_table(given.questions[place], ["query_id", "task", "options"])
        sets = training_sets(consensus, questions, given.embeddings[place], members)
        train = next(sets)
        first = consensus.filter(consensus["seed"].to_numpy() == train.seed)
        routers = {}
        for (_, _, _, name), path in (each for each in fitted.items() if each[0][:3] == (dataset, scenario, pool)):
            spec = settings["routers"][name]
            learned = restore(read_table(path), lambda spec=spec: make(spec["method"], spec["parameters"]))
            routers[name] = learned[train.seed]
        trained = Trained(
            members=members,
            tasks=train.tasks,
            embeddings=train.embeddings,
            answers=train.answers,
            scores=first["consensus"].to_numpy().reshape(len(members), -1).T.astype(np.float64),
            routers=routers,
            neighbours=settings["neighbours"],
            options=train.options,
        )
        found[dataset, scenario, pool] = findings(trained, read_table(given.counts[place]).to_pandas())
    frame = table(found)
    note = summary(frame)
    write_all(
        frame,
        snakemake.output.parquet,
        for_people(frame, json.loads(snakemake.params.titles)),
        note,
    )
    print(note)
