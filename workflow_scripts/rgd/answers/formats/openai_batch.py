"""OpenAI's batches: lines of output, lines of input, and a table of questions, told apart by their fields.

Lines are joined by ``custom_id``. The question is that of the table (columns custom_id, question, answer, and the options in
columns A, B, … or a list), or else what the last message of the input's user asks. The endpoints for chats, completions and
responses are read. A line with another status than 200 has failed; it names no model, so it counts for the model of its input,
or for all models of the batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.column_names import need_columns
from rgd.answers.formats.prompts import last_user_message, options_of, question_of, split_options
from rgd.answers.formats.reading import json_lines, reading, table_rows
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of
from rgd.answers.responses import MEAN_LOG_PROBABILITY
from rgd.errors import UserError

PATTERNS = ("*.jsonl", "*.csv", "*.parquet")
CONFIDENCE = MEAN_LOG_PROBABILITY
_LOWEST = -9000.0


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of the lines of output.

    Raises:
        UserError: a file is none of the three, or there is no output.
    """
    asked: dict[str, Asked] = {}
    models: dict[str, str] = {}
    outputs = []
    # Files of questions are read first, since they know more than the prompts do.
    for path in sorted(paths, key=lambda path: path.suffix == ".jsonl"):
        sort = _sort(path)
        if sort == "output":
            outputs.append(path)
        elif sort == "input":
            for place, row in json_lines(path):
                with reading(path, place):
                    custom_id = needed_text(row.get("custom_id"), "custom_id")
                    models[custom_id] = str(inside(row, "body", "model") or "")
                    if custom_id not in asked:
                        asked[custom_id] = _of_input(row)
        else:
            for place, row in table_rows(path):
                with reading(path, place):
                    need_columns(path, place, row, ["custom_id"])
                    asked[str(row["custom_id"])] = _of_table(row, path.stem)
    if not outputs:
        raise UserError(f"{paths[0]} and the other files have no lines of output, with custom_id and response.")
    failed: list[str] = []
    found: dict[str, None] = {}
    for path in outputs:
        for place, row in json_lines(path):
            with reading(path, place):
                custom_id = needed_text(row.get("custom_id"), "custom_id")
                record = _record(row, asked.get(custom_id))
            if record is None:
                failed.append(custom_id)
            else:
                found[record.model] = None
                yield record
    for custom_id in failed:
        for model in found or [models.get(custom_id) or "unknown"]:
            yield Record(model, asked.get(custom_id), failed=True)


def _sort(path: Path) -> str:
    """What a file is: ``input``, ``output`` or ``questions``."""
    if path.suffix.lower() != ".jsonl":
        return "questions"
    for place, row in json_lines(path):
        with reading(path, place):
            if "response" in row or "error" in row:
                return "output"
            if "body" in row:
                return "input"
            if "custom_id" in row and "question" in row:
                return "questions"
            raise UserError("is no line of a batch: it has neither response, body nor question")
    raise UserError(f"{path} is empty.")


def _of_input(row: Mapping[str, Any]) -> Asked:
    body = row["body"]
    prompt = next((body[name] for name in ("messages", "input", "prompt") if body.get(name)), None)
    return Asked(*split_options(needed_text(last_user_message(prompt), "message of the user")))


def _of_table(row: Mapping[str, Any], file: str) -> Asked:
    options, start = options_of(row)
    gold = row.get("answer", row.get("label"))
    task = next((str(row[name]) for name in ("category", "Category", "task", "subject") if row.get(name)), file)
    question = needed_text(question_of({name: row.get(name) for name in ("context", "question", "prompt")}), "question")
    return Asked(question, options, gold if isinstance(gold, str | int) else None, 1 if start == 1 else None, task)


def _record(row: Mapping[str, Any], asked: Asked | None) -> Record | None:
    """The record of a line of output; None if the call failed."""
    response = row.get("response")
    if row.get("error") is not None or response is None or number_of(inside(response, "status_code")) != 200:
        return None
    body = response["body"]
    choice = inside(body, "choices", 0)
    text = text_of(inside(choice, "message", "content")) if choice else None
    if text is None:
        text = text_of(inside(choice, "text"))
    outputs = inside(body, "output")
    if text is None and isinstance(outputs, list):
        texts = [text_of(inside(each, "content")) for each in outputs if inside(each, "type") == "message"]
        text = "\n".join(each for each in texts if each is not None) or None
    return Record(
        needed_text(inside(body, "model"), "model"),
        asked,
        # Without options nothing says that a rewriting, say, has an answer to be read, unless the right answer is known.
        said=text if asked is not None and (asked.options or asked.gold is not None) else None,
        text=text,
        confidence=_mean_log_probability(inside(choice, "logprobs")),
        prompt_tokens=count_of(inside(body, "usage", "prompt_tokens") or inside(body, "usage", "input_tokens")),
        completion_tokens=count_of(
            inside(body, "usage", "completion_tokens") or inside(body, "usage", "output_tokens")
        ),
        is_cut_off=inside(choice, "finish_reason") == "length" or inside(body, "status") == "incomplete",
    )


def _mean_log_probability(logprobs: Any) -> float | None:
    """The mean over the reply's tokens, of the endpoint for chats or the one for completions; None if there are none.

    A server writes about -9999 for a probability of 0; a mean with such a token is none.
    """
    tokens = inside(logprobs, "content")
    values = [inside(token, "logprob") for token in tokens] if isinstance(tokens, list) else []
    listed = inside(logprobs, "token_logprobs")
    values = values or (listed if isinstance(listed, list) else [])
    numbers = [number for value in values if (number := number_of(value)) is not None]
    if not numbers or len(numbers) < len(values) or min(numbers) < _LOWEST:
        return None
    return sum(numbers) / len(numbers)
