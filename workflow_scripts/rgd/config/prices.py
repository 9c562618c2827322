"""What a call to a member costs, according to the files of the router and of the members' models."""

from collections.abc import Mapping, Sequence

from rgd.config.schema import Model, Router


def member_rates(
    router: Router, models: Mapping[str, Model], pool: Sequence[str]
) -> dict[str, list[float | None]] | None:
    """The price of a ``call``, of a ``prompt`` token and of a ``completion`` token, for each member of ``pool``.

    Args:
        router: gives the unit and the prices.
        models: by member; recorded members have none.
        pool: member keys.

    Returns:
        The three lists, where a call is None if the files do not give its price; None if every call costs 1.
    """
    if router.price == "calls" and not any(member in router.prices for member in pool):
        return None
    rates = [
        (router.prices[member], 0.0, 0.0) if member in router.prices else _rates(router.price, models.get(member))
        for member in pool
    ]
    return {
        key: list(values)
        for key, values in zip(("call", "prompt", "completion"), zip(*rates, strict=True), strict=True)
    }


def _rates(unit: str, model: Model | None) -> tuple[float | None, float, float]:
    if unit == "calls":
        return 1.0, 0.0, 0.0
    if unit == "tokens":
        return 0.0, 1.0, 1.0
    if unit == "dollars" and model is not None and model.api and model.api.price_prompt + model.api.price_completion:
        return 0.0, model.api.price_prompt / 1e6, model.api.price_completion / 1e6
    if unit == "seconds" and model is not None and model.answers_per_minute:
        return 60.0 / model.answers_per_minute, 0.0, 0.0
    return None, 0.0, 0.0
