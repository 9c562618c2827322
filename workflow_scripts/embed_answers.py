"""Embed every member's answers: their texts, or the options chosen. A text shared by several is embedded once."""

import json

import numpy as np
import pyarrow as pa

from _job import running
from _models import embed, model_of_job
from rgd.answers.responses import option_texts
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, read_table, write_table
from rgd.errors import UserError

with running(snakemake, libraries=("torch", "transformers")):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    tables = [read_table(path, ["query_id", "text", "answer"]) for path in snakemake.input.responses]
    if snakemake.wildcards.text == "option":
        questions = read_table(snakemake.input.questions, ["query_id", "options"])
        columns = [option_texts(questions, table) for table in tables]
    else:
        columns = [table["text"].to_pylist() for table in tables]
    if any(not table["query_id"].equals(tables[0]["query_id"]) for table in tables):
        raise ValueError("the members' responses have different queries or different orders")
    # By query and then by member, so that vectors compared with each other are adjacent.
    said = [text for texts_of_query in zip(*columns, strict=True) for text in texts_of_query]
    given = np.array([text is not None for text in said])
    if not given.any():
        raise UserError(
            f"the answers of {snakemake.wildcards.pool} have no text to embed. Use a router with answer_text: option, such as "
            "smoothie_option_text, which embeds the chosen options."
        )
    distinct, position = np.unique([text for text in said if text is not None], return_inverse=True)
    with model_of_job(snakemake, snakemake.resources.engine, settings) as engine:
        found = embed(engine(), distinct.tolist(), settings["dimension"])
    # A missing answer has no vector: it gets zeros, which no text has.
    vectors = np.zeros((len(said), settings["dimension"]), dtype=np.float32)
    vectors[given] = found[position]
    query_ids = tables[0]["query_id"].to_numpy(zero_copy_only=False)
    table = pa.table(
        {
            "query_id": pa.array(np.repeat(query_ids, len(members))),
            "member": pa.array(np.tile(np.array(members, dtype=object), len(query_ids))),
            "embedding": from_matrix(vectors),
        }
    )
    write_table(snakemake.output.embeddings, table, schemas.answer_embeddings(settings["dimension"]))
