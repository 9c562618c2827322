"""The one tie rule, and who may win."""

import numpy as np
import pytest

from rgd.routing.votes import vote

NAN = float("nan")


def answer(row, z, asked, how, weight="logistic"):
    return int(vote(np.array([row], dtype=np.int32), np.array([z]), np.array([asked], dtype=np.int32), how, weight)[0])


def test_most_votes_win_whatever_the_confidence():
    assert answer([0, 1, 1], [9.0, -1.0, -1.0], [0, 1, 2], "majority") == 1


def test_consensus_lets_confidence_outweigh_a_vote():
    assert answer([0, 1, 1], [9.0, -4.0, -4.0], [0, 1, 2], "consensus") == 0
    assert answer([0, 1, 1], [9.0, 0.1, 0.1], [0, 1, 2], "consensus") == 1


def test_a_tie_goes_to_the_higher_summed_z():
    assert answer([0, 1, 2], [0.1, 0.3, 0.2], [0, 1, 2], "majority") == 1
    assert answer([0, 0, 1, 1], [3.0, -3.0, 0.5, 0.0], [0, 1, 2, 3], "majority") == 1


def test_a_tie_of_z_goes_to_the_better_rank():
    assert answer([0, 1, 2], [0.0, 0.0, 0.0], [2, 0, 1], "majority") == 2
    assert answer([0, 1, 2], [NAN, NAN, NAN], [1, 0, 2], "consensus") == 1


def test_the_clamp_leaves_z_to_decide():
    assert answer([0, 1], [50.0, 60.0], [0, 1], "consensus") == 1


def test_only_the_asked_vote():
    assert answer([0, 1, 1], [0.0, 5.0, 5.0], [0], "majority") == 0


@pytest.mark.parametrize("how", ["majority", "consensus"])
@pytest.mark.parametrize("weight", ["logistic", "z_sum", "posterior"])
def test_a_missing_answer_never_wins_over_a_given_one(how, weight):
    assert answer([-1, -1, 3], [9.0, 9.0, -9.0], [0, 1, 2], how, weight) == 3
    assert answer([-1, -1, 3], [9.0, 9.0, -9.0], [0, 1], how, weight) == -1


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="aggregate"):
        answer([0], [0.0], [0], "loudest")
