"""Nearest neighbours in blocks and at the edges."""

import numpy as np
import pytest

from rgd.routing import neighbours
from rgd.routing.neighbours import nearest


@pytest.mark.parametrize("tile", [1, 4, 16, 4096])
def test_blocks_and_tiles_do_not_change_the_result(tile, monkeypatch):
    random = np.random.default_rng(0)
    queries, training = random.integers(-3, 4, (23, 5)) / 4, random.integers(-3, 4, (17, 5)) / 4
    whole = nearest(queries, training, 6)
    own = nearest(training, training, 6, np.arange(17))
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", 50)
    monkeypatch.setattr(neighbours, "TILE", tile)
    for one, other in zip(
        (*whole, *own), (*nearest(queries, training, 6), *nearest(training, training, 6, np.arange(17))), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_duplicates_are_each_others_neighbours_but_not_their_own():
    rows = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (3, 1))
    indices, similarity = nearest(rows, rows, 2, own=np.arange(3))
    assert indices.tolist() == [[1, 2], [0, 2], [0, 1]]
    assert (similarity == 1).all()


def test_any_queries_may_be_training_rows():
    random = np.random.default_rng(0)
    training = random.normal(size=(20, 3))
    chosen = np.array([19, 4, 7])
    everyone = nearest(training, training, 5, own=np.arange(20))[0]
    np.testing.assert_array_equal(nearest(training[chosen], training, 5, own=chosen)[0], everyone[chosen])


def test_a_lone_row_has_no_neighbour():
    indices, similarity = nearest(np.ones((1, 1)), np.ones((1, 1)), 3, own=np.arange(1))
    assert indices.shape == similarity.shape == (1, 0)


def test_k_is_cut_to_the_rows_there_are():
    assert nearest(np.ones((2, 1)), np.array([[1.0], [0.5]]), 9)[0].tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(("shape", "k"), [((0, 2), 1), ((3, 2), 0), ((3, 5), 1)])
def test_bad_input_is_refused(shape, k):
    with pytest.raises(ValueError, match=r"dimensions|at least 1"):
        nearest(np.ones((2, 2)), np.ones(shape), k)
