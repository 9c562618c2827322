"""Count and list what repeats or nearly repeats a test question."""

import json

from _job import running
from rgd.analysis.leaks import NOTE, ids_of_test_parts, leak_table, leaked_pairs, leaks_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table, replacing

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    threshold = settings["threshold"]
    tested, test_texts, found, texts = {}, {}, {}, {}
    for dataset, splits, questions in zip(
        settings["datasets"], snakemake.input.splits, snakemake.input.questions, strict=True
    ):
        tested[dataset] = len(ids_of_test_parts(read_table(splits)))
        columns = read_table(questions, ["query_id", "question"]).to_pydict()
        test_texts[dataset] = dict(zip(columns["query_id"], columns["question"], strict=True))
    sources = [tuple(source) for source in settings["sources"]]
    for source, leaks, checked in zip(sources, snakemake.input.leaks, snakemake.input.texts, strict=True):
        found[source] = read_table(leaks)
        described = source[1].startswith("description: ")
        names = ["task", "description"] if described else ["query_id", "question"]
        texts[source] = dict(zip(*read_table(checked, names).to_pydict().values(), strict=True))
    table = leak_table(found, tested, threshold)
    people = leaks_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE.format(threshold=threshold))
    with replacing(snakemake.output.pairs) as temporary:
        leaked_pairs(found, texts, test_texts, threshold).to_csv(temporary, index=False, lineterminator="\n")
