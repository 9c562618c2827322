"""A number names an option, unless it may be an option's value."""

import pytest

from rgd.answers.extraction import extract

SENTENCES = ("2인 이상이 함께 과실을 범하면 공동정범이 성립한다고 본다는 것이 판례이다.", "옳지 않다", "셋", "넷")
AGES = ("15세 미만", "병이 있는 사람", "글을 모르는 사람", "일하는 사람")
LENGTHS = ("2 cm", "3 cm", "5 cm", "8 cm")


@pytest.mark.parametrize(
    ("text", "options", "letter"),
    [
        ("정답은 2입니다.", SENTENCES, "B"),
        ("최종 답변: 2", AGES, "B"),
        ("The answer is 2.", AGES, "B"),
        ("The answer is 4.", LENGTHS, None),
        ("The answer is option 4.", LENGTHS, "D"),
        ("3: 글을 모르는 사람\n\nIt is the only one that cannot read what is asked for there.", AGES, "C"),
    ],
)
def test_a_number_is_read_where_it_counts_the_options(text: str, options: tuple[str, ...], letter: str | None) -> None:
    assert extract(text, "ABCD", options).answer == letter
