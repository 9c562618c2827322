"""What a call to a member costs, by the router's file and the members' models' files."""

from collections.abc import Mapping, Sequence

from rgd.config.schema import Model, Router


def member_rates(
    router: Router, models: Mapping[str, Model], pool: Sequence[str]
) -> dict[str, list[float | None]] | None:
    """Of each member of ``pool`` what a ``call``, a token of its ``prompt`` and one of its ``completion`` cost.

    Args:
        router: whose unit and prices count.
        models: the members that have a model's file; recorded ones have none.
        pool: member keys.

    Returns:
        The three lists, a call None where the files do not say its price; None where all calls cost 1.
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
