"""The grammar of scenario keys, over generators and pools whose names look much like its suffixes."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rgd.config.scenarios import VARIANTS, ambiguous, key_of, read
from rgd.config.schema import KEY_PATTERN, SIZE_PATTERN
from rgd.errors import UserError

PIECES = (
    "a",
    "b2",
    "-",
    ".",
    "_",
    "-short",
    "-shortest",
    "-human",
    "-20k",
    "-1m",
    "-filtered",
    "-filtered-",
    "20k",
    "7.8b",
)
NAMES = (
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)
    .map("".join)
    .filter(lambda name: re.match(KEY_PATTERN, name) is not None)
)
SIZES = ("20k", "5k", "1m")
CATALOGUES = st.lists(NAMES, min_size=1, max_size=4, unique=True)


@given(CATALOGUES, CATALOGUES, st.data())
def test_a_key_is_read_back_into_its_parts(generators, pools, data):
    assume(ambiguous(generators) is None)
    parts = (
        data.draw(st.sampled_from(generators)),
        data.draw(st.sampled_from(VARIANTS)),
        data.draw(st.sampled_from([None, *SIZES])),
        data.draw(st.sampled_from([None, *pools])),
    )
    found = read(key_of(*parts), generators, SIZES, pools)
    assert (found.generator, found.variant, found.size, found.pool) == parts
    assert found.key == key_of(*parts)
    assert found.drawn == key_of(*parts[:3])


@given(CATALOGUES, CATALOGUES, st.data())
def test_two_scenarios_never_share_a_key(generators, pools, data):
    assume(ambiguous(generators) is None)
    draw = st.tuples(
        st.sampled_from(generators),
        st.sampled_from(VARIANTS),
        st.sampled_from([None, *SIZES]),
        st.sampled_from([None, *pools]),
    )
    one, other = data.draw(draw), data.draw(draw)
    assert (key_of(*one) == key_of(*other)) == (one == other)


@given(NAMES | st.text(max_size=12), CATALOGUES, CATALOGUES)
def test_every_text_is_a_scenario_of_known_parts_or_one_error(key, generators, pools):
    try:
        found = read(key, generators, SIZES, pools)
    except UserError as error:
        message = str(error)
    else:
        assert key_of(found.generator, found.variant, found.size, found.pool) == key == found.key
        assert found.generator in generators
        assert found.size in (None, *SIZES)
        assert found.pool in (None, *pools)
        return
    assert repr(key) in message


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("qwen3", "qwen3-32b", False),
        ("qwen3", "qwen3-short", True),
        ("qwen3", "qwen3-shortest-20k", True),
        ("qwen3", "qwen3-filtered", True),
        ("qwen3", "qwen3-filtered-large", True),
        ("qwen3", "qwen3-shorter", False),
        ("qwen3-8b", "qwen3-8b-human", True),
        ("qwen3-8", "qwen3-8b-human", False),
    ],
)
def test_a_generator_may_not_be_named_as_another_ones_scenario(first, second, clash):
    assert (ambiguous([first, second]) is not None) == clash
    assert (ambiguous([second, first]) is not None) == clash


@given(st.from_regex(SIZE_PATTERN, fullmatch=True))
def test_a_size_is_text_in_yaml_as_well(size):
    import yaml

    assert yaml.safe_load(size) == size
