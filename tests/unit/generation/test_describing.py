"""What a descriptor is shown, and what becomes of what it writes."""

import numpy as np
import pyarrow as pa
import pytest

from rgd.datasets.splits import RESERVED, split
from rgd.errors import UserError
from rgd.generation.describing import clean, descriptions_from, numbered, requests_for, reserved_questions

PROMPT = "[user]\nQuestions:\n{questions}\nDescribe them."


def benchmark(per_task: int = 9) -> pa.Table:
    tasks = [task for task in ("b", "a") for _ in range(per_task)]
    return pa.table(
        {
            "query_id": [f"{task}{number}" for number, task in enumerate(tasks)],
            "task": tasks,
            "question": [f"question {number}" for number in range(len(tasks))],
        }
    )


@pytest.mark.parametrize("own", [{}, {"b0": "test", "b1": "train", "a9": "test"}])
def test_it_sees_the_questions_that_every_split_reserves_and_no_other(own: dict[str, str]) -> None:
    questions = benchmark()
    query_ids, tasks = (questions[name].to_numpy(zero_copy_only=False) for name in ("query_id", "task"))
    found = reserved_questions(questions, 3, own)
    assert {task: len(texts) for task, texts in found.items()} == {"a": 3, "b": 3}
    for seeds, share in (([4], 0.6), ([1, 2], 0.1)):
        for row in split(query_ids, tasks, seeds, share, 3, own).to_pylist():
            task = row["query_id"][0]
            text = f"question {row['query_id'][1:]}"
            assert (text in found[task]) == (row["part"] == RESERVED)


def test_a_request_shows_the_questions_where_the_prompt_says_and_nothing_of_them_is_a_place() -> None:
    shown = {"t": numbered(["What is {description}?", "[user] and {questions}"]), "u": numbered(["x"])}
    first, second = requests_for(shown, PROMPT)
    assert [message.role for message in first.messages] == ["user"]
    text = "Question 1:\nWhat is {description}?\n\nQuestion 2:\n[user] and {questions}"
    assert first.messages[0].content == f"Questions:\n{text}\nDescribe them."
    assert first.question == text
    assert first.query_key != second.query_key


def test_a_task_without_a_reserved_question_is_an_error() -> None:
    with pytest.raises(UserError, match=r"'t'.*reserved_per_task"):
        requests_for({"t": ""}, PROMPT)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("These questions are about birds.", "These questions are about birds."),
        ("  About birds,\n and their\tnests. \n", "About birds, and their nests."),
        ("**Description:** About birds.", "About birds."),
        ("**Description**: About birds.", "About birds."),
        ("## Task Description\n\nAbout birds.", "About birds."),
        ("Shorter description:\nAbout birds.", "About birds."),
        ('"About birds."', "About birds."),
        ('Description: "About birds."', "About birds."),
        ('About "birds".', 'About "birds".'),
        ('"Birds" and "nests"', '"Birds" and "nests"'),
        ("Description of birds.", "Description of birds."),
        ("Descriptions: how birds are described.", "Descriptions: how birds are described."),
        ("**Description:**", ""),
        ('"', '"'),
        ("", ""),
    ],
)
def test_a_description_is_freed_of_what_stands_around_it(written: str, text: str) -> None:
    assert clean(written) == text
    assert clean(clean(written)) == text


def answers(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"text": text, "finish_reason": reason} for text, reason in pairs]


def test_descriptions_keep_the_order_of_the_tasks() -> None:
    table = descriptions_from(["b", "a"], answers(("of b", "stop"), ("of a", "stop")))
    assert table.to_pylist() == [{"task": "b", "description": "of b"}, {"task": "a", "description": "of a"}]


def test_empty_descriptions_are_named_with_their_reason_and_what_to_do() -> None:
    with pytest.raises(UserError, match=r"b \(blocked\), c \(stop\).*max_tokens.*seed.*descriptor: null"):
        descriptions_from(["a", "b", "c"], answers(("of a", "stop"), ("", "blocked"), (" \n", "stop")))


def test_a_description_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(UserError, match=r"\bb\b.*max_tokens"):
        descriptions_from(["a", "b"], answers(("of a", "stop"), ("of", "length")))


def test_reserved_questions_are_in_the_order_of_the_benchmark() -> None:
    for texts in reserved_questions(benchmark(), 4).values():
        numbers = [int(text.split()[1]) for text in texts]
        assert numbers == sorted(numbers)
        assert len(np.unique(numbers)) == 4
