"""Labels that a person gave: LABELS/DATASET/QUERY_SET.csv, a table that a spreadsheet can fill in and no run writes to."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from rgd.answers.kinds import NUMBER, WITH_OPTIONS, YES_NO
from rgd.answers.values import value
from rgd.answers.wording import FALSE, NO, TRUE, YES, key, normal
from rgd.artifacts.files import replacing
from rgd.datasets.tables import read_table_file
from rgd.errors import UserError

COLUMNS = ("query_id", "label", "question", "options")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Asked(NamedTuple):
    """A query to label."""

    query_id: str
    question: str
    options: tuple[str, ...]
    answer_kind: str


def given_labels_file(folder: str | Path, dataset: str, query_set: str) -> Path:
    """The file of the labels that a person gave of a query set."""
    return Path(folder) / dataset / f"{query_set}.csv"


def asked_of(questions: pa.Table) -> dict[str, Asked]:
    """The queries of schemas.QUESTIONS, by id."""
    return {
        row["query_id"]: Asked(row["query_id"], row["question"], tuple(row["options"] or ()), row["answer_kind"])
        for row in questions.to_pylist()
    }


def label_of(text: str, query: Asked) -> str | None:
    """What ``text`` says is the right answer of ``query``, as labels are written; None if it cannot be one.

    Of a query with options it is a letter, a number from 1 on where no option is that number, or the text of an option.
    """
    text = " ".join(text.split())
    if not text:
        return None
    if query.answer_kind not in WITH_OPTIONS:
        return None if query.answer_kind == NUMBER and value(text) is None else text
    letters = LETTERS[: len(query.options)]
    bare = text.strip("()[].: ").upper()
    if len(bare) == 1 and bare in letters:
        return bare
    if query.answer_kind == YES_NO:
        said = key(text)
        return "A" if said in (*YES, *TRUE) else "B" if said in (*NO, *FALSE) else None
    for same in (str.strip, normal):
        found = [letter for letter, option in zip(letters, query.options, strict=False) if same(option) == same(text)]
        if len(found) == 1:
            return found[0]
    is_place = bare.isdecimal() and not any(option.strip()[:1].isdecimal() for option in query.options)
    return letters[int(bare) - 1] if is_place and 1 <= int(bare) <= len(letters) else None


def read_given(path: Path, queries: Mapping[str, Asked]) -> tuple[dict[str, str], int]:
    """The labels in a file, by query, and how many are of other queries; a row without a label is none.

    Args:
        path: with the columns query_id and label; it need not exist.
        queries: the query set.

    Raises:
        UserError: the file cannot be read, a label cannot be one of its query, or a query has two labels.
    """
    if not path.exists():
        return {}, 0
    found: dict[str, str] = {}
    others = 0
    for number, row in enumerate(read_table_file(path, ["query_id", "label"]), start=2):
        written, name = str(row["label"] or "").strip(), str(row["query_id"] or "").strip()
        if not written:
            continue
        query = queries.get(name)
        if query is None:
            others += 1
            continue
        label = label_of(written, query)
        if label is None:
            raise UserError(f"{path}, row {number}, query {name}: {refusal(written, query)}")
        if found.setdefault(name, label) != label:
            raise UserError(
                f"{path}, row {number}, query {name}: it has the labels {found[name]} and {label}. Keep one."
            )
    return found, others


def refusal(text: str, query: Asked) -> str:
    """Why ``text`` is no label of ``query``, and what would be."""
    if query.answer_kind == NUMBER:
        return f"the label {text!r} is no number. Write one."
    if query.answer_kind == YES_NO:
        return f"the label {text!r} is neither yes nor no. Write one of them."
    return (
        f"the label {text!r} names none of the {len(query.options)} options. Write a letter, A to {LETTERS[len(query.options) - 1]}, or "
        "an option's text."
    )


def write_given(path: Path, labels: Mapping[str, str | None], queries: Sequence[Asked]) -> None:
    """Write labels beside those in the file, which stay, also those of other queries; all or nothing.

    Args:
        path: made if absent.
        labels: by query; "" leaves the label for later, None deletes the one that is there.
        queries: those of ``labels``, whose texts are written with them.

    Raises:
        UserError: the file cannot be read or written.
    """
    rows: dict[str, dict[str, str]] = {}
    columns = list(COLUMNS)
    if path.exists():
        table = read_table_file(path)
        columns = list(dict.fromkeys([*(table[0] if table else ()), *COLUMNS]))
        rows = {str(row.get("query_id") or f"\0{place}"): row for place, row in enumerate(table)}
    for query in queries:
        old = rows.get(query.query_id, {})
        options = "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, query.options, strict=False))
        new = {"query_id": query.query_id, "question": query.question, "options": options}
        label = labels.get(query.query_id, "")
        rows[query.query_id] = {**old, **new, "label": "" if label is None else label or old.get("label") or ""}
    text = io.StringIO(newline="")
    table_of = csv.DictWriter(text, columns, lineterminator="\n")
    table_of.writeheader()
    table_of.writerows({name: row.get(name) or "" for name in columns} for row in rows.values())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {os.strerror(error.errno or 0)}.") from error
