"""The products that make up an experiment: its own, and additional ones such as ablations."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from rgd.config.schema import Config

Item = TypeVar("Item")


class Product(NamedTuple):
    """Every dataset with every scenario, pool and router."""

    datasets: tuple[str, ...]
    scenarios: tuple[str, ...]
    pools: tuple[str, ...]
    routers: tuple[str, ...]


def products(config: Config) -> list[Product]:
    """The experiment's own product and the additional ones, where an omitted list is the experiment's."""
    experiment = config.experiment
    own = Product(*(tuple(getattr(experiment, key)) for key in Product._fields))
    further = [
        Product(*(tuple(getattr(sweep, key) or default) for key, default in own._asdict().items()))
        for sweep in experiment.also
    ]
    return [own, *further]


def listed(config: Config) -> Product:
    """All datasets, scenarios, pools and routers that the experiment names, in the order in which it names them."""
    return Product(
        *(unique(name for product in products(config) for name in getattr(product, key)) for key in Product._fields)
    )


def unique(items: Iterable[Item]) -> tuple[Item, ...]:
    """``items`` in order, each once."""
    return tuple(dict.fromkeys(items))
