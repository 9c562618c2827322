"""Prices of calls: what the files say of them, and what they are on the training queries."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rgd.config.prices import member_rates
from rgd.config.schema import Model, Router
from rgd.errors import UserError
from rgd.routing.prices import mean_prices

SERVED = {
    "title": "Served",
    "licence": "none",
    "engine": "openai",
    "max_model_len": 1024,
    "asks": {"default": {"way": "generate", "prompt": "ask_chat"}},
}


def model(**changes: object) -> Model:
    api = {"model": "m", "base_url": "http://localhost:1/v1", "price_prompt": 0.5, "price_completion": 2.0}
    return Model.model_validate(SERVED | {"api": api, "answers_per_minute": 120} | changes)


def router(**changes: object) -> Router:
    return Router.model_validate({"method": "latent_truth", **changes})


def test_each_unit_reads_its_own_keys_of_the_models_files() -> None:
    models = {"a": model(), "b": model(answers_per_minute=30)}
    rates = {price: member_rates(router(price=price), models, ["a", "b"]) for price in ("tokens", "dollars", "seconds")}
    assert rates == {
        "tokens": {"call": [0.0, 0.0], "prompt": [1.0, 1.0], "completion": [1.0, 1.0]},
        "dollars": {"call": [0.0, 0.0], "prompt": [5e-7, 5e-7], "completion": [2e-6, 2e-6]},
        "seconds": {"call": [0.5, 2.0], "prompt": [0.0, 0.0], "completion": [0.0, 0.0]},
    }
    assert member_rates(router(), models, ["a", "b"]) is None


def test_a_price_of_the_routers_file_goes_before_the_models() -> None:
    spec = router(price="seconds", prices={"b": 7})
    assert member_rates(spec, {"a": model()}, ["a", "b"]) == {
        "call": [0.5, 7.0],
        "prompt": [0.0, 0.0],
        "completion": [0.0, 0.0],
    }
    # One for another pool leaves this one as it is: its files are not made anew.
    assert member_rates(router(prices={"b": 7}), {"a": model()}, ["a"]) is None


@pytest.mark.parametrize("price", ["dollars", "seconds"])
def test_what_the_files_do_not_say_is_not_known(price: str) -> None:
    free = model(api=yaml.safe_load("{model: m, base_url: 'http://localhost:1/v1'}"), answers_per_minute=None)
    for models in ({"a": free}, {}):
        found = member_rates(router(price=price), models, ["a"])
        assert found is not None
        assert found["call"] == [None]


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), "free"])
def test_a_price_is_a_number_above_0(wrong: object) -> None:
    with pytest.raises(ValueError, match="prices"):
        router(prices={"a": wrong})


def responses(prompt: list[int | None], completion: list[int | None]) -> pa.Table:
    ids = [f"q{number}" for number in range(len(prompt))]
    types = pa.schema([("query_id", pa.string()), ("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32())])
    return pa.table({"query_id": ids, "prompt_tokens": prompt, "completion_tokens": completion}, schema=types)


tokens = st.none() | st.integers(0, 5000)


@given(
    counts=st.lists(st.tuples(tokens, tokens, st.booleans()), min_size=1, max_size=12),
    rates=st.tuples(*[st.floats(0.01, 5)] * 3),
)
def test_mean_prices_are_those_of_the_training_queries_alone(
    counts: list[tuple[int | None, int | None, bool]], rates: tuple[float, float, float]
) -> None:
    table = responses([row[0] for row in counts], [row[1] for row in counts])
    chosen = [number for number, row in enumerate(counts) if row[2]]
    known = [[counts[number][kind] for number in chosen if counts[number][kind] is not None] for kind in (0, 1)]
    given_rates = {key: [rate] for key, rate in zip(("call", "prompt", "completion"), rates, strict=True)}
    query_ids = np.array([f"q{number}" for number in chosen], dtype=object)
    if not all(known):
        with pytest.raises(UserError, match=r"the member a .* tokens; give the router's prices\.a"):
            mean_prices(given_rates, [table], query_ids, ["a"])
        return
    expected = rates[0] + sum(rate * sum(found) / len(found) for rate, found in zip(rates[1:], known, strict=True))
    assert mean_prices(given_rates, [table], query_ids, ["a"]) == pytest.approx([expected])


def test_a_call_that_costs_nothing_is_refused() -> None:
    rates = {"call": [0.0], "prompt": [0.0], "completion": [1.0]}
    with pytest.raises(UserError, match="the member a costs 0 on the training queries"):
        mean_prices(rates, [responses([5], [0])], np.array(["q0"], dtype=object), ["a"])
