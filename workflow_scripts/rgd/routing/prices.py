"""What a call to each member costs on average, in calls, tokens, dollars or seconds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from rgd.artifacts.columns import rows_in, texts
from rgd.errors import UserError


def mean_prices(
    rates: Mapping[str, Sequence[float]],
    responses: Sequence[pa.Table] | None,
    query_ids: np.ndarray,
    members: Sequence[str],
) -> np.ndarray:
    """The mean price (M,) of a call to each member, over what it answered of ``query_ids``.

    Args:
        rates: ``call``, ``prompt`` and ``completion``, for each member what a call, a token of its prompt and a token of
            its answer cost.
        responses: of each member query_id, prompt_tokens and completion_tokens, null where they are not known; None where
            no rate is of tokens.
        query_ids: (n,) the training queries.
        members: the pool, in order.

    Raises:
        UserError: a member's tokens cost something and none of its answers has a count of them, or its calls are free.
    """
    price = np.array(rates["call"], dtype=np.float64)
    for kind in ("prompt", "completion"):
        for position in np.flatnonzero(rates[kind]):
            if responses is None:
                raise ValueError("the rates are of tokens and no responses were given")
            table = responses[position]
            rows = rows_in(texts(table["query_id"]), query_ids)
            counts = table[f"{kind}_tokens"].to_numpy(zero_copy_only=False).astype(np.float64)[rows]
            known = counts[np.isfinite(counts)]
            if not len(known):
                raise UserError(
                    f"the price of the member {members[position]} is by its tokens, and no answer of its to the training "
                    f"queries has a number of {kind} tokens; give the router's prices.{members[position]}."
                )
            price[position] += rates[kind][position] * known.mean()
    for member, found in zip(members, price, strict=True):
        if not found > 0:
            raise UserError(
                f"a call to the member {member} costs {found:g} on the training queries; give the router's prices.{member}."
            )
    return price
