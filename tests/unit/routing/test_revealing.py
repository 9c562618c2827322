"""Which labels are revealed: those asked for, a person's before the dataset's, and never more than the budget."""

from hypothesis import given
from hypothesis import strategies as st

from rgd.routing.revealing import Revealed, revealed

NAMES = [f"q{number}" for number in range(12)]


def test_a_persons_label_wins_and_an_unlabelled_query_is_left_out() -> None:
    found = revealed(["b", "a", "c"], {"a": "A", "b": "B"}, {"b": "C"}, ["a", "b", "c"], 3)
    assert found == [Revealed("b", "C", True), Revealed("a", "A", False)]


def test_labels_given_for_an_earlier_choice_fill_what_is_missing() -> None:
    found = revealed(["a", "b"], {}, {"b": "B", "x": "X", "y": "Y", "gone": "Z"}, ["a", "b", "x", "y"], 2)
    assert found == [Revealed("b", "B", True), Revealed("x", "X", True)]


@given(
    st.permutations(NAMES),
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
    st.integers(1, 12),
    st.integers(0, 12),
)
def test_never_more_than_the_budget_and_no_dataset_label_that_was_not_asked_for(
    order: list[str], known: set[str], by_person: set[str], wanted: int, budget: int
) -> None:
    asked = order[:wanted]
    found = revealed(asked, dict.fromkeys(known, "D"), dict.fromkeys(by_person, "P"), NAMES, budget)
    queries = [label.query_id for label in found]
    assert len(queries) == len(set(queries)) <= budget
    for label in found:
        assert label.given == (label.query_id in by_person) == (label.label == "P")
        assert label.given or label.query_id in asked[:budget]
    # Nothing that was asked for and is known is held back.
    assert set(asked[:budget]) & (known | by_person) <= set(queries)
