"""Members of pools: models and how they are asked, and those whose answers are recorded."""

from typing import NamedTuple

from rgd.config.schema import Ask, Config, Model

BLOCK = 50
"""Members of a larger recorded pool are read together, this many in a job: a job of one takes longer to start than to read."""


class Member(NamedTuple):
    """A member of a pool: a model and how it is asked."""

    model_name: str
    model: Model
    ask: Ask


def members(config: Config) -> dict[str, Member]:
    """All members that the model files define, by key: MODEL for the ask ``default``, else MODEL-ASK."""
    return {
        member_key(name, ask_name): Member(name, model, ask)
        for name, model in config.model.items()
        for ask_name, ask in model.asks.items()
    }


def member_key(model: str, ask: str) -> str:
    """The key of a model's member for one of its asks."""
    return model if ask == "default" else f"{model}-{ask}"


def recorded_members(config: Config) -> dict[str, str]:
    """The members whose answers a user already has, and the recorded pool's folder that holds each."""
    pools = [pool for pool in config.pool.values() if pool.recorded is not None]
    return {member: str(pool.recorded) for pool in pools for member in pool.members}


def recorded_blocks(config: Config) -> list[list[str]]:
    """The members of recorded pools with more than :data:`BLOCK` members, in the groups that one job reads."""
    blocks: list[list[str]] = []
    taken: set[str] = set()
    for pool in config.pool.values():
        if pool.recorded is not None and len(pool.members) > BLOCK:
            members = [member for member in pool.members if member not in taken]
            taken.update(members)
            blocks += [members[start : start + BLOCK] for start in range(0, len(members), BLOCK)]
    return blocks


def recorded_file(config: Config, dataset: str, member: str) -> str:
    """Where a recorded member's answers to a dataset lie, under paths.data_root."""
    return f"recorded/{config.dataset[dataset].recorded}/{recorded_members(config)[member]}/{member}.parquet"


def recorded_embeddings_file(config: Config, dataset: str) -> str:
    """Where a dataset's given embeddings lie, under paths.data_root."""
    spec = config.dataset[dataset]
    return f"recorded/{spec.recorded}/{spec.recorded_embeddings}"
