"""Members whose answers are recorded, and which of them one job reads."""

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from rgd.config.members import BLOCK, recorded_blocks
from rgd.config.schema import Config


def config_of(**pools: dict[str, Any]) -> Config:
    specs = {name: SimpleNamespace(**pool) for name, pool in pools.items()}
    return cast(Config, SimpleNamespace(pool=specs))


def numbered(start: int, end: int) -> list[str]:
    return [f"m{number}" for number in range(start, end)]


@given(sizes=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 130)), max_size=4))
def test_a_member_of_a_large_pool_is_in_one_block_and_no_other_is(sizes: list[tuple[int, int]]) -> None:
    pools = {
        f"p{row}": {"recorded": "all", "members": numbered(start, start + n)} for row, (start, n) in enumerate(sizes)
    }
    blocks = recorded_blocks(config_of(**pools))
    read = [member for block in blocks for member in block]
    large = {member for pool in pools.values() if len(pool["members"]) > BLOCK for member in pool["members"]}
    assert len(read) == len(set(read))
    assert set(read) == large
    for block in blocks:
        assert 0 < len(block) <= BLOCK
        together = {tuple(name for name, pool in pools.items() if member in pool["members"]) for member in block}
        assert len(together) == 1


def test_members_of_models_that_are_asked_are_in_no_block() -> None:
    assert recorded_blocks(config_of(asked={"recorded": None, "members": numbered(0, 200)})) == []
