"""Options read by their texts: yes and no, classes of a task, options that hold each other, other scripts."""

import pytest

from rgd.answers.extraction import CUT_OFF, SEVERAL
from rgd.answers.kinds import YES_AND_NO
from rgd.answers.option_texts import extract_option

CLASSES = ("positive", "negative", "neutral")
WINES = ("red", "red wine", "white wine")
PAIR = ("equivalent", "not equivalent")
MAIL = ("spam", "ham")
CHINESE = ("正面", "负面")
READINGS = [
    (YES_AND_NO, "Yes", "Yes"),
    (YES_AND_NO, "yes.", "Yes"),
    (YES_AND_NO, "**No**", "No"),
    (YES_AND_NO, "No, because cats are mammals and yes they purr.", "No"),
    (YES_AND_NO, "The answer is no.", "No"),
    (YES_AND_NO, "The answer is yes because it rains.", "Yes"),
    (YES_AND_NO, "Let's think. Is it so? No. Well.\nAnswer: **No**", "No"),
    (YES_AND_NO, "Is it? The answer is: Yes", "Yes"),
    (YES_AND_NO, r"\boxed{No}", "No"),
    (YES_AND_NO, r"\boxed{\text{Yes}}", "Yes"),
    (YES_AND_NO, "<answer>yes</answer>", "Yes"),
    (YES_AND_NO, '{"answer": "no"}', "No"),
    (YES_AND_NO, "Final answer: No, it is not.", "No"),
    (YES_AND_NO, "It is possible. So yes.", "Yes"),
    (YES_AND_NO, "Therefore, no.", "No"),
    (YES_AND_NO, "No.\n\nWait, actually yes.", "Yes"),
    (YES_AND_NO, "Yes, there is no evidence.", "Yes"),
    (YES_AND_NO, "Answer: Yes\n\nQuestion: is 2 odd?\nAnswer: No", "Yes"),
    (YES_AND_NO, "True", "Yes"),
    (YES_AND_NO, "Answer: False.", "No"),
    (YES_AND_NO, "Nein.", "No"),
    (YES_AND_NO, "Antwort: Ja", "Yes"),
    (YES_AND_NO, "Non, car il pleut.", "No"),
    (YES_AND_NO, "Ответ: нет", "No"),
    (YES_AND_NO, "Нет.", "No"),
    (YES_AND_NO, "答案：是", "Yes"),
    (YES_AND_NO, "はい", "Yes"),
    (YES_AND_NO, "I think so. The statement is true.", None),
    (YES_AND_NO, "No idea what you mean.", None),
    (YES_AND_NO, "The answer is no longer known.", None),
    (YES_AND_NO, "There is no evidence.", None),
    (YES_AND_NO, "no-one knows", None),
    (YES_AND_NO, "Yes or no?", None),
    (YES_AND_NO, "", None),
    (CLASSES, "Sentiment: positive", "positive"),
    (CLASSES, "POSITIVE", "positive"),
    (CLASSES, "The sentiment of the text is positive.", "positive"),
    (CLASSES, "The review is not positive, it is negative.", "negative"),
    (CLASSES, "Positive is the correct answer.", "positive"),
    (CLASSES, "I would classify this as neutral.", "neutral"),
    (CLASSES, "Label: Neutral\n\nThe text is balanced, neither positive nor negative.", "neutral"),
    (CLASSES, "It could be positive or negative.", None),
    (CLASSES, "Not negative", None),
    (WINES, "Red wine goes best.", "red wine"),
    (WINES, "The answer is red wine.", "red wine"),
    (WINES, "The answer is red.", "red"),
    (WINES, "The answer is red-hot.", None),
    (PAIR, "not equivalent", "not equivalent"),
    (PAIR, "The two are not equivalent.", "not equivalent"),
    (PAIR, 'My answer is "Not_Equivalent".', "not equivalent"),
    (MAIL, "The answer is option 'spam'", "spam"),
    (MAIL, "Category -> ham", "ham"),
    (MAIL, "(spam)", "spam"),
    (CHINESE, "正面", "正面"),
    (CHINESE, "答案是正面。", "正面"),
    (CHINESE, "这是负面评价。", "负面"),
    (("A", "B and C"), "The answer is A.", "A"),
    (("Нет", "Да"), "Ответ: Нет", "Нет"),
]


@pytest.mark.parametrize(("options", "text", "answer"), READINGS)
def test_the_option_that_a_text_commits_itself_to(options: tuple[str, ...], text: str, answer: str | None) -> None:
    letters = "ABC"[: len(options)]
    found = extract_option(text, letters, options).answer
    assert (None if found is None else options[letters.index(found)]) == answer


@pytest.mark.parametrize(
    "text", ["Answer: positive or negative", "The answer is positive/negative.", "positive\nneutral"]
)
def test_several_options_are_no_answer(text: str) -> None:
    assert extract_option(text, "ABC", CLASSES).rule == SEVERAL


def test_a_letter_is_no_label() -> None:
    assert extract_option("The answer is (B).", "ABC", CLASSES).answer is None


def test_a_text_that_was_cut_off_needs_an_explicit_answer() -> None:
    assert extract_option("It seems to be positive", "ABC", CLASSES, cut_off=True).rule == CUT_OFF
    assert extract_option("Answer: positive. This is so since the", "ABC", CLASSES, cut_off=True).answer == "A"
    assert extract_option("Answer: positive. But wait, the", "ABC", CLASSES, cut_off=True).rule == CUT_OFF
