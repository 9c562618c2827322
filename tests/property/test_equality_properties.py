"""Names of equal answers, for any equality whatever: an equivalence that depends on nothing but the answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.equality import Comparer, representatives
from rgd.answers.tidying import tidy

ANSWERS = st.lists(st.text("ab1/ \\{}$", max_size=6), max_size=8)
PAIRS = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)))


@given(ANSWERS, PAIRS, st.randoms(use_true_random=False))
def test_classes_do_not_depend_on_the_order_and_names_are_stable(answers, pairs, random) -> None:
    order = sorted(set(answers))

    def equal(truth: str, answer: str) -> bool:
        return (order.index(truth), order.index(answer)) in pairs

    names = representatives(answers, equal)
    assert set(names) == set(answers)
    # A class's name is an answer of the class, and the first of it.
    assert all(names[name] == name for name in names.values())
    assert all((len(names[answer]), names[answer]) <= (len(answer), answer) for answer in names)
    # Two answers of one class are equal both ways to its name, so that being in one class is symmetric.
    assert all(answer == name or (equal(name, answer) and equal(answer, name)) for answer, name in names.items())
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert representatives(shuffled, equal) == names


@given(st.text(max_size=40))
def test_tidying_twice_is_tidying_once(text) -> None:
    assert tidy(tidy(text)) == tidy(text)


@pytest.fixture(scope="module")
def compare():
    with Comparer() as comparer:
        yield comparer


NUMBERS = st.integers(-60, 60)


@given(NUMBERS, st.integers(1, 12), st.integers(2, 5))
def test_a_fraction_equals_its_expansion_and_no_other_number(compare, numerator, denominator, factor) -> None:
    plain = rf"\frac{{{numerator}}}{{{denominator}}}"
    expanded = rf"\dfrac{{{numerator * factor}}}{{{denominator * factor}}}"
    other = rf"\frac{{{numerator + 1}}}{{{denominator}}}"
    assert compare(plain, expanded)
    assert compare(expanded, plain)
    assert not compare(plain, other)
    assert representatives([plain, expanded, other], compare)[expanded] == plain


@given(
    st.lists(st.sampled_from(["1/2", "0.5", r"\frac{2}{4}", "x+1", "1+x", "2", "2.0", "}{", r"\text{no}"]), max_size=6)
)
def test_equal_answers_are_in_one_class_and_different_ones_are_not(compare, answers) -> None:
    classes = {"1/2": 0, "0.5": 0, r"\frac{2}{4}": 0, "x+1": 1, "1+x": 1, "2": 2, "2.0": 2, "}{": 3, r"\text{no}": 4}
    names = representatives(answers, compare)
    for first in answers:
        for second in answers:
            assert (names[first] == names[second]) == (classes[first] == classes[second])
