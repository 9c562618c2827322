"""Whether a router's training queries, or the descriptions given to a generator, repeat a test question."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rgd.analysis.order import Titles, group_title, records
from rgd.analysis.people import tables_by
from rgd.datasets.splits import TEST
from rgd.generation.text import normalise_question
from rgd.routing.neighbours import nearest

PAIR_COLUMNS = ["dataset", "source", "query_id", "test_query_id", "kind", "similarity", "text", "test_text"]
COLUMNS = ["dataset", "source", "n_texts", "n_test_questions", "exact", "near", "highest", "median", "threshold"]
EXACT, NEAR = "exact", "near"
NOTE = (
    "Texts that repeat a question which some split tests: exact is the same text after normalisation (a description: the question "
    "stands in it), near any other whose most similar test question has a cosine similarity of at least {threshold:g}. "
    "The pairs are listed in leaked_pairs.csv."
)


def ids_of_test_parts(splits: pa.Table) -> list[str]:
    """The ids of the questions that are in the test part of at least one split, in the splits' order."""
    parts = splits.select(["query_id", "part"]).to_pydict()
    return list(dict.fromkeys(q for q, part in zip(parts["query_id"], parts["part"], strict=True) if part == TEST))


def repeated(texts: Sequence[str], test_questions: Sequence[str], within: bool = False) -> list[int]:
    """The index of the test question that each text repeats; -1 if it repeats none.

    Args:
        texts: the texts to check.
        test_questions: the test questions; among those equal after normalisation the first counts.
        within: whether a question anywhere in the text counts; otherwise the whole text must be the question.
    """
    places: dict[str, int] = {}
    for place, question in enumerate(test_questions):
        places.setdefault(normalise_question(question), place)
    if not within:
        return [places.get(normalise_question(text), -1) for text in texts]
    found = []
    for text in texts:
        whole = f" {normalise_question(text)} "
        found.append(next((place for question, place in places.items() if question and question in whole), -1))
    return found


def leak_rows(
    query_ids: Sequence[str],
    texts: Sequence[str],
    vectors: np.ndarray,
    test: Sequence[str],
    test_questions: Sequence[str],
    test_vectors: np.ndarray,
    within: bool = False,
) -> pa.Table:
    """The test question that each text repeats, and the most similar one: a table with the columns of schemas.LEAKS.

    Args:
        query_ids: (n,) the texts' ids.
        texts: (n,).
        vectors: (n, d) float32, L2-normalised.
        test: (m,) ids of the test questions, at least one.
        test_questions: (m,) their texts.
        test_vectors: (m, d) float32, L2-normalised.
        within: as in :func:`repeated`.
    """
    same = repeated(texts, test_questions, within)
    rows, similarity = nearest(vectors, test_vectors, 1)
    return pa.table(
        {
            "query_id": pa.array(list(query_ids), pa.string()),
            "repeats": pa.array([None if place < 0 else test[place] for place in same], pa.string()),
            "nearest": pa.array([test[place] for place in rows[:, 0].tolist()], pa.string()),
            "similarity": similarity[:, 0],
        }
    )


def leak_table(found: Mapping[tuple[str, str], pa.Table], tested: Mapping[str, int], threshold: float) -> pd.DataFrame:
    """How many texts of each source repeat or nearly repeat a test question.

    Args:
        found: (dataset, source) -> schemas.LEAKS; a source is a query set, or ``description: VARIANT``.
        tested: dataset -> its test questions.
        threshold: the similarity from which a text is a near repeat.

    Returns:
        One row per dataset and source: n_texts, n_test_questions, exact, near (without the exact ones), highest and
        median similarity to the nearest test question, threshold.
    """
    rows = []
    for (dataset, source), table in found.items():
        kinds = _kinds(table, threshold)
        similarity = table["similarity"].to_numpy().astype(float)
        rows.append(
            {
                "dataset": dataset,
                "source": source,
                "n_texts": len(kinds),
                "n_test_questions": tested[dataset],
                "exact": int((kinds == EXACT).sum()),
                "near": int((kinds == NEAR).sum()),
                "highest": float(similarity.max()),
                "median": float(np.median(similarity)),
                "threshold": threshold,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def leaked_pairs(
    found: Mapping[tuple[str, str], pa.Table],
    texts: Mapping[tuple[str, str], Mapping[str, str]],
    test_texts: Mapping[str, Mapping[str, str]],
    threshold: float,
) -> pd.DataFrame:
    """The texts that repeat or nearly repeat a test question, with that question; the most similar of a source first.

    Args:
        found: (dataset, source) -> schemas.LEAKS.
        texts: (dataset, source) -> id -> text.
        test_texts: dataset -> id -> question.
        threshold: the similarity from which a text is a near repeat.
    """
    frames = []
    for (dataset, source), table in found.items():
        kinds = _kinds(table, threshold)
        frame = table.to_pandas()[kinds != ""]
        frame = frame.assign(dataset=dataset, source=source, kind=kinds[kinds != ""])
        frame["test_query_id"] = frame["repeats"].where(frame["kind"] == EXACT, frame["nearest"])
        frame["text"] = frame["query_id"].map(dict(texts[dataset, source]))
        frame["test_text"] = frame["test_query_id"].map(dict(test_texts[dataset]))
        frames.append(frame.sort_values(["kind", "similarity"], ascending=[True, False], kind="stable"))
    return pd.concat(frames, ignore_index=True)[PAIR_COLUMNS] if frames else pd.DataFrame(columns=PAIR_COLUMNS)


def leaks_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset: sources by kind of repetition."""

    def line(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "texts of": group_title(titles, scenario=row["source"]),
            "texts": row["n_texts"],
            "test questions": row["n_test_questions"],
            "exact": row["exact"],
            "near": row["near"],
            "highest similarity": f"{row['highest']:.3f}",
            "median similarity": f"{row['median']:.3f}",
        }

    return tables_by(("dataset",), table, titles, lambda part: pd.DataFrame(map(line, records(part))))


def _kinds(table: pa.Table, threshold: float) -> np.ndarray:
    """``exact``, ``near`` or an empty value for each row."""
    exact = table["repeats"].is_valid().to_numpy()
    near = table["similarity"].to_numpy() >= threshold
    return np.where(exact, EXACT, np.where(near, NEAR, ""))
