"""Records of any format, joined by question and written as recorded answers.

Two tools rarely give a question the same id, so questions are joined by a hash of their text and their options, normalised.
Options may stand in another order; letters are then translated to the order that was seen first. The texts of replies, which
are most of the bytes, are written to temporary files as they come; the rest is kept in memory by columns.
"""

import hashlib
import re
import shutil
import unicodedata
import uuid
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rgd.answers.extraction import extract
from rgd.answers.formats.column_names import leaving_out
from rgd.answers.formats.reading import distinct_names
from rgd.answers.formats.records import Asked, Record
from rgd.answers.kinds import LATEX, NUMBER, TEXT
from rgd.answers.mathematics import extract_latex
from rgd.answers.numbers import extract_number
from rgd.answers.phrases import extract_phrase
from rgd.answers.thoughts import after_reasoning
from rgd.answers.wording import normal
from rgd.artifacts.files import read_table, replacing, write_table
from rgd.errors import UserError

MIRROR = "imported"
FREE = "_free"
"""What ends the name of the dataset of questions without options, where the files have both sorts."""

QUESTIONS = pa.schema(
    [
        ("question_id", pa.string()),
        ("category", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
        ("answer", pa.string()),
    ]
)
ANSWERS = pa.schema(
    [
        ("question_id", pa.string()),
        ("answer", pa.string()),
        ("text", pa.string()),
        ("score", pa.float64()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("cost", pa.float64()),
        ("latency", pa.float64()),
    ]
)
"""Columns of a member's file, besides its confidence, whose name is the format's."""

READERS = {LATEX: extract_latex, NUMBER: extract_number, TEXT: extract_phrase}
"""How a free answer is read, by the kind of answers."""

# Texts are spilled once they have this many characters.
_BUFFER = 64 * 2**20
_NUMBERS = ("score", "confidence", "prompt_tokens", "completion_tokens", "cost", "latency")
_LONGEST_NAME = 80


@dataclass
class Question:
    """A question of the import; ``answer`` is decided when all files are read, as ``gold`` may be an index from 0 or 1."""

    query_id: str
    text: str
    options: tuple[str, ...]
    task: str
    gold: str | int | None
    first_index: int | None
    answer: str | None = None


@dataclass
class Counts:
    """What became of one model's answers.

    Attributes:
        read: records in the files.
        repeated: records for a question that the model has answered before, which are left out.
        unmatched: records that belong to no question, which are left out.
        joined: questions with a record.
        failed: joined records whose call failed.
        unreadable: joined records with a reply, but neither an answer nor a score.
        answered: joined records with an answer.
        scored: joined records with a score.
        right: sum of the scores, where there are any, else the number of right answers.
        accuracy: ``right`` per question whose score or right answer is known; None if none is.
    """

    read: int = 0
    repeated: int = 0
    unmatched: int = 0
    joined: int = 0
    failed: int = 0
    unreadable: int = 0
    answered: int = 0
    scored: int = 0
    right: float = 0.0
    accuracy: float | None = None


@dataclass
class Imported:
    """What an import has written: the datasets' folders, and the counts of every model by its file's name."""

    datasets: dict[str, int]
    models: dict[str, Counts]
    shared: int


@dataclass
class _Member:
    """One model's records by columns: places of its questions, answers, numbers (NaN if unknown), and texts."""

    counts: Counts = field(default_factory=Counts)
    places: array = field(default_factory=lambda: array("i"))
    answers: list[str | None] = field(default_factory=list)
    numbers: dict[str, array] = field(default_factory=lambda: {name: array("d") for name in _NUMBERS})
    texts: list[str | None] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    parts: list[Path] = field(default_factory=list)


def key_of(text: str, options: Sequence[str]) -> str:
    """The id of a question: a hash of its normalised text and the set of its normalised options."""
    content = "\x1f".join([normalised(text), *sorted(map(normalised, options))])
    return "q" + hashlib.sha256(content.encode()).hexdigest()[:20]


def normalised(text: str) -> str:
    """A text without what differs between tools: case, the form of Unicode, and spaces."""
    return " ".join(unicodedata.normalize("NFKC", _storable(text)).casefold().split())


def file_name(model: str) -> str:
    """A model's name as the name of its file and as a key of the configuration: no separator, no leading dot.

    Raises:
        UserError: nothing of the name is left.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model.strip().replace("/", "__")).lstrip("._-")
    if not name:
        raise UserError(
            f"the model's name {model[:80]!r} has no letter or digit from which a file could be named. Rename it."
        )
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    return name


class Collector:
    """Joins records by their questions and writes them.

    Args:
        target: the folder to write to, a data_root.
        name: of the dataset.
        pool: of the models.
        confidence: the name of the column of confidences.
        kind: how free answers are read.
        limits: lowest and highest score of the metric.
        first_index: what right answers that are indices count from, where the files do not say; None to find it out.
        allow_empty: keep models of which nothing can be read.
        wide: what took all columns that are not named otherwise for models (models or answers); None where models are named.

    Raises:
        UserError: the pool has been imported already.
    """

    def __init__(
        self,
        target: Path,
        name: str,
        *,
        pool: str = "all",
        confidence: str = "confidence",
        kind: str = LATEX,
        limits: tuple[float, float] = (0.0, 1.0),
        first_index: int | None = None,
        allow_empty: bool = False,
        wide: str | None = None,
    ) -> None:
        self.wide = wide
        self.target, self.name, self.pool, self.confidence, self.kind = target, name, pool, confidence, kind
        self.limits, self.first_index, self.allow_empty = limits, first_index, allow_empty
        self.questions: list[Question] = []
        self.members: dict[str, _Member] = {}
        self.stage = target / f".import-{uuid.uuid4().hex[:8]}"
        self._by_key: dict[str, int] = {}
        self._last: tuple[Asked, tuple[int, tuple[str, ...] | None]] | None = None
        self._buffered = 0
        for dataset in (name, name + FREE):
            if (target / "recorded" / dataset / pool).exists():
                raise UserError(
                    f"{target / 'recorded' / dataset / pool} exists. Delete it, or give another --name or --pool."
                )
            path = target / "hub" / MIRROR / dataset / "questions.parquet"
            if path.exists():
                self._known(path)
        self.is_closed = bool(self.questions)

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.stage, ignore_errors=True)

    def add(self, record: Record) -> None:
        """Take a record over.

        Raises:
            UserError: its score lies outside the limits.
        """
        member = self.members.setdefault(record.model, _Member())
        member.counts.read += 1
        if record.is_other_version:
            member.counts.repeated += 1
            return
        if record.asked is None:
            member.counts.unmatched += 1
            return
        place, order = self._place(record.asked)
        if place < 0:
            member.counts.unmatched += 1
            return
        if place in member.seen:
            member.counts.repeated += 1
            return
        member.seen.add(place)
        answer = self._answer(record, self.questions[place], order)
        counts = member.counts
        counts.joined += 1
        counts.failed += record.failed
        counts.answered += answer is not None
        counts.scored += record.score is not None
        counts.unreadable += answer is None and record.score is None and not record.failed
        member.places.append(place)
        member.answers.append(answer)
        for name, column in member.numbers.items():
            value = self._scaled(record.model, record.score) if name == "score" else getattr(record, name)
            column.append(np.nan if value is None else value)
        text = None if record.text is None else _storable(record.text)
        member.texts.append(text)
        self._buffered += len(text or "")
        if self._buffered > _BUFFER:
            self._spill()

    def finish(self) -> Imported:
        """Write what was added: all of it, or nothing.

        Raises:
            UserError: there is nothing to write, a model has nothing that can be read, two models share a file's name, or
                right answers are indices whose beginning is unknown.
        """
        if not self.members:
            raise UserError("the files contain no answers. Are they of this format?")
        names = {model: file_name(model) for model in self.members}
        distinct_names(names.values(), "models")
        self._refuse_empty()
        if not self.is_closed:
            self._decide_labels()
        used = Counter(place for member in self.members.values() for place in member.places)
        sorts = {bool(question.options) for place, question in enumerate(self.questions) if used[place]}
        datasets = {with_options: self._dataset(with_options, sorts) for with_options in sorts}
        for with_options, dataset in datasets.items():
            self._write_questions(dataset, with_options)
        for model, member in self.members.items():
            self._write_member(member, names[model], datasets)
        self._move(datasets.values())
        shared = sum(count == len(self.members) for count in used.values())
        sizes = {
            dataset: sum(bool(question.options) == with_options for question in self.questions)
            for with_options, dataset in datasets.items()
        }
        return Imported(sizes, {names[model]: self._counted(member) for model, member in self.members.items()}, shared)

    def _known(self, path: Path) -> None:
        """Take over the questions of an earlier import, to which further models are joined."""
        for row in read_table(path, QUESTIONS.names).to_pylist():
            self._by_key[row["question_id"]] = len(self.questions)
            self.questions.append(
                Question(
                    row["question_id"],
                    row["question"],
                    tuple(row["options"]),
                    row["category"],
                    None,
                    None,
                    row["answer"],
                )
            )

    def _place(self, asked: Asked) -> tuple[int, tuple[str, ...] | None]:
        """The place of a question (-1: unknown), and the letter of each of its options if their order differs."""
        # A row of a wide table has one question for all models.
        if self._last is not None and self._last[0] is asked:
            return self._last[1]
        key = key_of(asked.text, asked.options)
        place = self._by_key.get(key, -1)
        if place < 0 and not self.is_closed:
            place = self._by_key[key] = len(self.questions)
            self.questions.append(
                Question(
                    key,
                    _storable(asked.text),
                    tuple(map(_storable, asked.options)),
                    _storable(asked.task) or self.name,
                    asked.gold,
                    asked.first_index,
                )
            )
        order = None
        if place >= 0:
            known = self.questions[place]
            order = _order(asked.options, known.options)
            if known.gold is None and known.answer is None and asked.gold is not None:
                known.gold, known.first_index = _gold(asked.gold, asked, order), asked.first_index
        self._last = (asked, (place, order))
        return self._last[1]

    def _answer(self, record: Record, question: Question, order: tuple[str, ...] | None) -> str | None:
        answer = record.answer
        if answer is None and record.said is not None:
            said = after_reasoning(_storable(record.said))
            if question.options:
                # The letters that the model names are those of its own prompt.
                options = record.asked.options if record.asked is not None else question.options
                answer = extract(said, _letters(len(options)), options, cut_off=record.is_cut_off).answer
            else:
                answer = READERS[self.kind](said, cut_off=record.is_cut_off).answer
        if answer is None:
            return None
        answer = _storable(answer).strip()
        if not question.options:
            return answer or None
        place = ord(answer) - ord("A") if len(answer) == 1 else -1
        if not 0 <= place < len(question.options):
            return None
        return answer if order is None else order[place]

    def _scaled(self, model: str, score: float | None) -> float | None:
        if score is None:
            return None
        low, high = self.limits
        if not low <= score <= high:
            raise UserError(
                f"{model}: the score {score} lies outside {low} to {high}. Give --score-range LOW HIGH of the metric."
            )
        return (score - low) / (high - low)

    def _refuse_empty(self) -> None:
        readable = [model for model, member in self.members.items() if member.counts.answered or member.counts.scored]
        for model, member in self.members.items():
            counts = member.counts
            if model not in readable and not self.allow_empty:
                fix = "Leave it out" if self.wide is None else leaving_out(self.wide, readable)
                raise UserError(
                    f"{model}: no answer can be read from its {counts.read} records ({counts.unmatched} belong to no question, "
                    f"{counts.failed} failed, {counts.unreadable} are unreadable). {fix}, or give --allow-empty."
                )

    def _decide_labels(self) -> None:
        """The right answers as letters, or as they are where there are no options."""
        by_task: dict[str, list[Question]] = {}
        for question in self.questions:
            by_task.setdefault(question.task, []).append(question)
        whole = self._first_index(self.questions)
        for task, questions in by_task.items():
            first = self._first_index(questions)
            first = whole if first is None else first
            for question in questions:
                question.answer = _label(question, first, task)

    def _first_index(self, questions: Sequence[Question]) -> int | None:
        """What indices count from: 0 if one is 0, 1 if one is the number of options, None if none tells."""
        if self.first_index is not None:
            return self.first_index
        indices = [
            (index, len(question.options))
            for question in questions
            if question.options and question.first_index is None and (index := _index(question)) is not None
        ]
        from_0 = any(index == 0 for index, _ in indices)
        from_1 = any(index == count for index, count in indices)
        return None if from_0 == from_1 else int(from_1)

    def _dataset(self, with_options: bool, sorts: set[bool]) -> str:
        return self.name if with_options or len(sorts) == 1 else self.name + FREE

    def _write_questions(self, dataset: str, with_options: bool) -> None:
        kept = [question for question in self.questions if bool(question.options) == with_options]
        columns = {
            "question_id": [question.query_id for question in kept],
            "category": [question.task for question in kept],
            "question": [question.text for question in kept],
            "options": pa.array([list(question.options) for question in kept], pa.list_(pa.string())),
            "answer": pa.array([question.answer for question in kept], pa.string()),
        }
        write_table(self.stage / "hub" / MIRROR / dataset / "questions.parquet", pa.table(columns), QUESTIONS)

    def _write_member(self, member: _Member, name: str, datasets: dict[bool, str]) -> None:
        """Write a member's file in each dataset, a row group for each piece of its texts: no more is in memory."""
        places = np.array(member.places, dtype=np.int32)
        numbers = {key: np.array(column) for key, column in member.numbers.items()}
        schema = pa.schema([*ANSWERS, (self.confidence, pa.float64())])
        has_options = np.array([bool(question.options) for question in self.questions], dtype=bool)[places]
        for with_options, dataset in datasets.items():
            if not (has_options == with_options).any():
                continue
            path = self.stage / "recorded" / dataset / self.pool / f"{name}.parquet"
            with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                start = 0
                for texts in self._texts(member):
                    rows = start + np.flatnonzero(has_options[start : start + len(texts)] == with_options)
                    columns = {
                        "question_id": [self.questions[place].query_id for place in places[rows]],
                        "answer": pa.array([member.answers[row] for row in rows], pa.string()),
                        "text": texts.take(pa.array(rows - start)),
                        **{
                            self.confidence if key == "confidence" else key: pa.array(values[rows], from_pandas=True)
                            for key, values in numbers.items()
                        },
                    }
                    writer.write_table(pa.table(columns).select(schema.names).cast(schema))
                    start += len(texts)

    def _texts(self, member: _Member) -> Iterator[pa.ChunkedArray]:
        """A member's texts in order, in the pieces in which they were spilled."""
        for part in member.parts:
            yield pq.read_table(part)["text"]
        if member.texts:
            yield pa.chunked_array([pa.array(member.texts, pa.string())])

    def _counted(self, member: _Member) -> Counts:
        scores = np.asarray(member.numbers["score"])
        results = [
            score if score == score else float(answer == label)
            for place, answer, score in zip(member.places, member.answers, scores, strict=True)
            if score == score or (label := self.questions[place].answer) is not None
        ]
        counts = member.counts
        counts.right = float(sum(results))
        counts.accuracy = counts.right / len(results) if results else None
        return counts

    def _spill(self) -> None:
        """Write the texts that are in memory to temporary files."""
        for member in self.members.values():
            if any(text is not None for text in member.texts):
                path = self.stage / "texts" / f"{uuid.uuid4().hex}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table({"text": pa.array(member.texts, pa.string())}), path, compression="zstd")
                member.parts.append(path)
                member.texts = []
        self._buffered = 0

    def _move(self, datasets: Iterable[str]) -> None:
        for dataset in datasets:
            moves = [(Path("recorded") / dataset / self.pool)]
            if not self.is_closed:
                moves.insert(0, Path("hub") / MIRROR / dataset)
            for part in moves:
                if (self.stage / part).exists():
                    (self.target / part).parent.mkdir(parents=True, exist_ok=True)
                    (self.stage / part).rename(self.target / part)


def _storable(text: str) -> str:
    """A text without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _letters(count: int) -> str:
    return "".join(chr(ord("A") + place) for place in range(count))


def _order(options: Sequence[str], known: Sequence[str]) -> tuple[str, ...] | None:
    """For each of ``options``, its letter among ``known``; None if the order is the same or cannot be told."""
    here, there = list(map(normalised, options)), list(map(normalised, known))
    if here == there or len(set(there)) < len(there):
        return None
    return tuple(chr(ord("A") + there.index(option)) for option in here)


def _gold(gold: str | int, asked: Asked, order: tuple[str, ...] | None) -> str | int | None:
    """A right answer in another order of the options; None if it is an index of unknown beginning."""
    if order is None:
        return gold
    label = _label(Question("", "", asked.options, "", gold, asked.first_index), asked.first_index, None)
    return None if label is None else order[ord(label) - ord("A")]


def _index(question: Question) -> int | None:
    gold = question.gold
    if isinstance(gold, str) and re.fullmatch(r"\d{1,2}(\.0)?", gold.strip()):
        # A number that is the text of an option is that option, unless the file's numbers are indices.
        is_text = question.first_index is None and gold.strip() in question.options
        return None if is_text else int(float(gold))
    return gold if isinstance(gold, int) and not isinstance(gold, bool) else None


def _label(question: Question, first_index: int | None, task: str | None) -> str | None:
    """The letter of the right option, or a free answer; None if unknown.

    Raises:
        UserError: it is an index, and it is unknown from what it counts.
    """
    gold, options = question.gold, question.options
    if gold is None:
        return None
    if not options:
        return _storable(str(gold)).strip() or None
    index = _index(question)
    if index is not None:
        first = question.first_index if question.first_index is not None else first_index
        if first is None:
            if task is None:
                return None
            raise UserError(
                f"the right answers of {task} are numbers of which none says whether they count from 0 or from 1. Give --index-from."
            )
        place = index - first
        return chr(ord("A") + place) if 0 <= place < len(options) else None
    text = str(gold).strip()
    letter = re.fullmatch(r"[(\[{\"'*]*([A-Za-z])[)\]}\"'*.:]*", text)
    same = [place for place, option in enumerate(options) if normal(option) == normal(text)]
    if len(same) == 1:
        return chr(ord("A") + same[0])
    if letter and 0 <= (place := ord(letter[1].upper()) - ord("A")) < len(options):
        return chr(ord("A") + place)
    return None
