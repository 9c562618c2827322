"""Embed the text of every member's answers; a text that several answers share is embedded once."""

import json

import numpy as np
import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import from_matrix, read_table, write_table
from rgd.engines import EngineSettings, open_engine
from rgd.engines.weights import ensure_weights
from rgd.training import texts

with running(snakemake, libraries=("torch", "transformers")):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    tables = [read_table(path, ["query_id", "text"]) for path in snakemake.input.responses]
    answers = np.concatenate([texts(table["text"]) for table in tables])
    distinct, position = np.unique(answers.astype(str), return_inverse=True)
    weights = ensure_weights(
        json.loads(snakemake.resources.weights), snakemake.resources.cache, use_hub=bool(snakemake.resources.use_hub)
    )
    with open_engine(
        "transformers",
        EngineSettings(weights, settings["max_model_len"], settings["dtype"], threads=snakemake.threads),
    ) as engine:
        vectors = engine.embed(distinct.tolist())
    table = pa.table(
        {
            "query_id": pa.concat_arrays([table["query_id"].combine_chunks() for table in tables]),
            "member": pa.array(np.repeat(np.array(members, dtype=object), [table.num_rows for table in tables])),
            "embedding": from_matrix(vectors[position]),
        }
    )
    write_table(snakemake.output.embeddings, table, schemas.answer_embeddings(settings["dimension"]))
