"""Compare texts (generated queries or task descriptions) with the questions in some split's test part."""

import numpy as np

from _job import running
from rgd.analysis.leaks import ids_of_test_parts, leak_rows
from rgd.artifacts import schemas
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import read_table, write_table

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    name, text = ("task", "description") if snakemake.params.described else ("query_id", "question")
    checked = read_table(snakemake.input.texts, [name, text])
    questions = read_table(snakemake.input.questions, ["query_id", "question"])
    test = np.array(ids_of_test_parts(read_table(snakemake.input.splits)), dtype=object)
    found = leak_rows(
        checked[name].to_pylist(),
        checked[text].to_pylist(),
        vectors_of(snakemake.input.embeddings, texts(checked[name])),
        test.tolist(),
        texts(questions["question"])[rows_in(texts(questions["query_id"]), test)].tolist(),
        vectors_of(snakemake.input.test_embeddings, test),
        within=snakemake.params.described,
    )
    write_table(snakemake.output.leaks, found, schemas.LEAKS)
    print(
        f"{found.num_rows} texts against {len(test)} test questions: {found['repeats'].is_valid().to_pylist().count(True)} repeat one"
    )
