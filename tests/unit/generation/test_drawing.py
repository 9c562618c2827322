from collections import Counter

import pytest

from rgd.errors import UserError
from rgd.generation.drawing import Draw, TaskProgress, accept, next_draws, shortfall_message
from rgd.generation.messages import build_messages, read_example
from rgd.generation.text import normalise_question


def block(number: int, answer: str = "B") -> str:
    options = f"[OPTION A] x\n[OPTION B] {number + 1}\n[OPTION C] y\n[OPTION D] z"
    return f"[QUESTION] What is {number} + 1?\n{options}\n[ANSWER] {answer}"


def draws(texts: list[str]) -> list[Draw]:
    return [Draw(number, text) for number, text in enumerate(texts)]


def test_the_first_round_asks_whole_blocks_from_the_first_draw():
    asked = next_draws([TaskProgress("sums", wanted=10)], max_draws_per_task=100, draws_per_block=8)
    assert asked == [("sums", number) for number in range(16)]


def test_a_later_round_goes_on_where_the_last_ended_and_asks_more_where_fewer_are_kept():
    half = TaskProgress("half", wanted=20, kept=10, drawn=20)
    good = TaskProgress("good", wanted=20, kept=18, drawn=20)
    asked = next_draws([half, good], max_draws_per_task=100, draws_per_block=4)
    assert asked == [("half", number) for number in range(20, 40)] + [("good", number) for number in range(20, 24)]


def test_a_round_at_most_doubles_the_draws():
    asked = next_draws([TaskProgress("hard", wanted=20, kept=0, drawn=8)], max_draws_per_task=1000, draws_per_block=8)
    assert len(asked) == 24


def test_nothing_is_asked_when_all_is_kept_or_the_cap_is_reached():
    done = TaskProgress("done", wanted=5, kept=5, drawn=8)
    capped = TaskProgress("capped", wanted=5, kept=1, drawn=10)
    assert next_draws([done, capped], max_draws_per_task=10) == []


def test_rounds_reach_the_cap_and_end():
    state, rounds = TaskProgress("hard", wanted=5), 0
    while asked := next_draws([state], max_draws_per_task=37):
        state = TaskProgress("hard", 5, 0, state.drawn + len(asked))
        rounds += 1
    assert state.drawn == 37
    assert rounds < 5


def test_a_cap_below_the_wanted_queries_is_refused():
    with pytest.raises(UserError, match=r"max_draws_per_task .*4.*5.*'sums'"):
        next_draws([TaskProgress("sums", wanted=5)], max_draws_per_task=4)


def test_every_draw_is_counted_under_one_outcome():
    texts = [block(1), "nonsense", block(1), block(2), block(3).replace("] z", "] y"), block(4), block(5)]
    benchmark = {normalise_question("what is  2 + 1")}
    kept, counts = accept("sums", draws(texts), 2, benchmark, seed=0)
    assert [query.query_id for query in kept] == ["sums-00000", "sums-00005"]
    assert counts == Counter(kept=2, no_question=1, repeats_query=1, repeats_benchmark=1, repeated_options=1, surplus=1)


def test_a_truncated_draw_is_counted_as_such():
    _, counts = accept("sums", [Draw(0, block(1)[:40], cut_off=True)], 1, set(), seed=0)
    assert counts == Counter(truncated=1)


def test_the_smaller_set_is_the_start_of_the_larger_one():
    texts = [block(number % 17) for number in range(40)]
    large, _ = accept("sums", draws(texts), 15, set(), seed=0)
    small, _ = accept("sums", draws(texts[:9])[::-1], 6, set(), seed=0)
    assert small == large[:6]


def test_the_letter_follows_the_shuffled_option():
    kept, _ = accept("sums", draws([block(number) for number in range(200)]), 200, set(), seed=0)
    for number, query in enumerate(kept):
        assert query.options["ABCD".index(query.label)] == str(number + 1)
        assert sorted(query.options) == sorted(["x", str(number + 1), "y", "z"])
    assert min(Counter(query.label for query in kept).values()) > 30


def test_the_order_of_options_depends_on_the_seed():
    texts = draws([block(number) for number in range(20)])
    assert accept("sums", texts, 20, set(), seed=0)[0] != accept("sums", texts, 20, set(), seed=1)[0]


def test_missing_queries_are_told():
    counts = {"sums": {"kept": 5}, "towns": {"kept": 3, "empty": 2}}
    assert shortfall_message(counts, {"sums": 5, "towns": 3}) is None
    assert "towns 3 of 5" in shortfall_message(counts, {"sums": 5, "towns": 5})


def test_a_task_without_a_query_is_an_error_that_shows_the_outcomes():
    with pytest.raises(UserError, match=r"'towns' \(empty 2, no_answer 4\)"):
        shortfall_message({"sums": {"kept": 5}, "towns": {"no_answer": 4, "empty": 2}}, {"sums": 5, "towns": 5})


EXAMPLE = "A task of sums,\nsmall ones.\n\n" + block(1)


def test_messages_show_the_examples_as_earlier_turns():
    example = read_example(EXAMPLE, "example.txt")
    messages = build_messages("Write a question.", [example, example], "Towns of\nEurope.")
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert messages[1]["content"] == "A task of sums, small ones."
    assert messages[2]["content"] == block(1)
    assert messages[-1]["content"] == "Towns of Europe."


@pytest.mark.parametrize(
    ("text", "fault"),
    [(block(1), r"description.*\[QUESTION\]"), ("A task.", "no_question|empty"), (EXAMPLE[:-1], "no_answer")],
)
def test_a_faulty_example_is_refused_by_name(text, fault):
    with pytest.raises(UserError, match=rf"example.txt: .*({fault})"):
        read_example(text, "example.txt")


def test_an_empty_description_is_refused():
    with pytest.raises(UserError, match="`tasks`"):
        build_messages("Write.", [], " ")
