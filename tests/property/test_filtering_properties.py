"""The consensus filter against its slow twin."""

from hypothesis import given
from hypothesis import strategies as st

from rgd.generation.filtering import filter_queries
from rgd.routing.consensus import consensus
from tests.property.pools import NAMES, twin_votes, votes
from tests.slow_twins import filtering as slow


@given(votes(max_queries=30), st.sampled_from(["logistic", "z_sum"]), st.integers(1, 3))
def test_the_filter_is_that_of_the_slow_twin(voted, how, min_votes):
    answers, confidence = voted
    if answers.shape[1] < 2:
        return
    members = NAMES[: answers.shape[1]]
    result = filter_queries(answers, consensus(answers, confidence, how, min_votes), members)
    best, outcomes = slow.outcomes(twin_votes(answers, confidence, members), members, how, min_votes)
    assert [members[member] for member in result.best] == best
    assert result.outcome.tolist() == outcomes
