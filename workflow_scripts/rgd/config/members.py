"""Members of pools: models and how they are asked, and those whose answers are recorded."""

from pathlib import Path
from typing import NamedTuple

from rgd.config.products import products, unique
from rgd.config.schema import Ask, Config, Model

BLOCK = 50
"""Members of a larger recorded pool are read together, this many in a job: a job of one takes longer to start than to read."""


SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
"""How the name of a recorded file may end."""


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


def recorded_members(config: Config) -> tuple[str, ...]:
    """The members whose answers a user already has."""
    pools = [pool for pool in config.pool.values() if pool.recorded is not None]
    return unique(member for pool in pools for member in pool.members)


def recorded_blocks(config: Config) -> list[list[str]]:
    """The members of recorded pools with more than :data:`BLOCK` members, in the groups that one job reads.

    The members of a group are in the same pools, so that wherever one has a file, all have.
    """
    recorded = {name: pool.members for name, pool in config.pool.items() if pool.recorded is not None}
    pools_of: dict[str, list[str]] = {}
    for name, members in recorded.items():
        for member in members:
            pools_of.setdefault(member, []).append(name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for member, names in pools_of.items():
        if any(len(recorded[name]) > BLOCK for name in names):
            groups.setdefault(tuple(names), []).append(member)
    return [group[start : start + BLOCK] for group in groups.values() for start in range(0, len(group), BLOCK)]


def recorded_files(config: Config, dataset: str, member: str) -> list[str]:
    """The files of a recorded member's answers to a dataset, under paths.data_root.

    There is one in the folder of each pool that the experiment has for the dataset, or else of every pool. Several are of one
    content (:func:`rgd.config.checks.check_experiment`). A file may have any of :data:`SUFFIXES`; the first that exists is
    taken.
    """
    swept = unique(pool for product in products(config) if dataset in product.datasets for pool in product.pools)
    pools = [config.pool[name] for name in swept] + [pool for name, pool in config.pool.items() if name not in swept]
    found = [pool for pool in pools if pool.recorded is not None and member in pool.members]
    used = [pool for pool in found if any(config.pool[name] is pool for name in swept)] or found
    folder = f"recorded/{config.dataset[dataset].recorded}"
    names = unique(f"{folder}/{pool.recorded}/{pool.files.get(member, member)}" for pool in used)
    return [_existing(config, name) for name in names]


def _existing(config: Config, name: str) -> str:
    root = Path(config.paths.data_root or "")
    return next((name + suffix for suffix in SUFFIXES if (root / (name + suffix)).is_file()), name + SUFFIXES[0])


def recorded_file(config: Config, dataset: str, member: str) -> str:
    """Where a recorded member's answers to a dataset lie, under paths.data_root."""
    return recorded_files(config, dataset, member)[0]


def recorded_embeddings_file(config: Config, dataset: str) -> str:
    """Where a dataset's given embeddings lie, under paths.data_root."""
    spec = config.dataset[dataset]
    return f"recorded/{spec.recorded}/{spec.recorded_embeddings}"
