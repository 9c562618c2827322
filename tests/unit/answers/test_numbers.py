"""Answers that are numbers: their values as models write them, reading them from texts, and equality within a tolerance."""

import pytest

from rgd.answers.equality import equality_of, representatives
from rgd.answers.numbers import NO_NUMBER, extract_number
from rgd.answers.values import value

VALUES: list[tuple[str, float]] = [
    ("12 m", 12),
    ("$1,200.50", 1200.5),
    (r"1.2 \times 10^3", 1200),
    ("3 × 10^8 m/s", 3e8),
    ("6.02 x 10^23", 6.02e23),
    ("10^3", 1000),
    ("1e-5", 1e-5),
    ("1E+5", 1e5),
    ("3/4", 0.75),
    ("½", 0.5),
    (r"2\frac12", 2.5),
    (r"\frac{22}{7}", 22 / 7),
    ("3 1/2", 3.5),
    ("10 000", 10000),
    ("1{,}000", 1000),
    ("1,234", 1234),
    ("1.234", 1.234),
    ("1.234,5", 1234.5),
    ("3,5", 3.5),
    ("0,125", 0.125),
    ("€3,50", 3.5),
    (".5", 0.5),
    ("-.5", -0.5),
    ("+7", 7),
    ("−3", -3),
    ("12.", 12),
    ("about 3.5", 3.5),
    ("≈3.14", 3.14),
    ("x = 5", 5),
    (r"12\text{ cm}", 12),
    (r"5 \text{ meters per second}", 5),
    ("5 m/s^2", 5),
    ("5 m2", 5),
    ("25 °C", 25),
    (r"100^\circ", 100),
    ("50%", 50),
    (r"50\%", 50),
    ("99.9 %", 99.9),
    ("12 percent", 12),
    ("5 million", 5e6),
    ("$3.5 million", 3.5e6),
    ("2.5 dozen", 30),
    ("two hundred", 200),
    ("twelve", 12),
    ("minus two", -2),
]
NO_VALUES = [
    *("3 or 4", "3-4", "(1,2)", "x+1", "", "no", "1/0", "10^{400}", r"2\pi", "12 apples and 3 pears"),
    *("1,23,456", "two thirds", "5 to 6", "between 3 and 4", "nan", "inf", "9" * 400),
]


@pytest.mark.parametrize(("text", "number"), VALUES)
def test_the_value_of_a_number_as_it_is_written(text: str, number: float) -> None:
    found = value(text)
    assert found is not None
    assert found[0] == pytest.approx(number, rel=1e-12)
    assert found[1] == ("%" in text or "percent" in text)


@pytest.mark.parametrize("text", NO_VALUES)
def test_what_is_no_single_number_has_no_value(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is about 3.5 million dollars.", 3.5e6),
        ("So we get 5 apples.\n\nAnswer: 5", 5),
        ("Therefore, the total is 42.", 42),
        ("42", 42),
        ("It is about 12%.", 12),
        (r"\boxed{3.14\text{ rad}}", 3.14),
        ("Answer: 2.5 × 10^-3 mol", 2.5e-3),
        ("Final answer: approximately 2.5e-3 mol", 2.5e-3),
        ("The answer is $2.5 \\times 10^{3}$ J", 2500),
        ("Antwort: 3,5 Meter", 3.5),
        ("答案是12公里。", 12),
        ("#### 1,234", 1234),
        ("First 3, then 4.\nAnswer: -40 degrees", -40),
        ('{"reasoning": "...", "answer": 17.25}', 17.25),
        ("Answer: between 3 and 4", None),
        ("Between 3 and 4.", None),
        ("I do not know.", None),
    ],
)
def test_the_number_that_a_text_commits_itself_to(text: str, number: float | None) -> None:
    found = extract_number(text).answer
    assert (None if found is None else value(found)[0]) == number  # type: ignore[index]


def test_an_answer_that_is_no_number_is_counted_by_its_own_rule() -> None:
    assert extract_number("The answer is Paris.").rule == NO_NUMBER


def test_numbers_within_the_tolerance_are_one_class() -> None:
    equal = equality_of({"answer_kind": "number", "tolerance": {"absolute": 0.0, "relative": 0.01}})
    assert equal is not None
    found = representatives(["100", "100.5", "1.0 \\times 10^2", "102", "12%", "0.12", "12"], equal)
    classes = {frozenset(text for text in found if found[text] == leader) for leader in found.values()}
    # A percentage equals its number and its hundredth, which do not equal each other; the shortest leads its class.
    assert classes == {
        frozenset({"100", "100.5", "1.0 \\times 10^2"}),
        frozenset({"102"}),
        frozenset({"12", "12%"}),
        frozenset({"0.12"}),
    }
    exact = equality_of({"answer_kind": "number", "tolerance": {"absolute": 0.0, "relative": 0.0}})
    assert exact is not None
    assert exact("0.5", "1/2")
    assert not exact("100", "100.5")
    wide = equality_of({"answer_kind": "number", "tolerance": {"absolute": 0.5, "relative": 0.0}})
    assert wide is not None
    assert wide("100", "100.5")
    assert not wide("100", "100.51")
