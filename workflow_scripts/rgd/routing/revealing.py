"""Which labels a router that asks for a few is given: those it asked for, and no other of the dataset."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Revealed(NamedTuple):
    """A label of a training query, and whether a person gave it."""

    query_id: str
    label: str
    given: bool


def revealed(
    asked: Sequence[str], known: Mapping[str, str], given: Mapping[str, str], trained: Sequence[str], budget: int
) -> list[Revealed]:
    """The labels of one seed, in the order in which they were asked for.

    A label that a person gave wins over the dataset's. Where less than the budget is known of the queries asked for, a person's
    labels of other training queries fill it: they were asked for by an earlier fit, and would be lost.

    Args:
        asked: queries, the most telling first.
        known: the dataset's labels; empty where it has none.
        given: labels that a person gave.
        trained: the training queries.
        budget: how many labels there may be.
    """
    found = [
        Revealed(query, given[query], True) if query in given else Revealed(query, known[query], False)
        for query in asked[:budget]
        if query in given or query in known
    ]
    others = [query for query in trained if query in given and query not in set(asked[:budget])]
    return [*found, *(Revealed(query, given[query], True) for query in others[: budget - len(found)])]
