"""From a text to its vector: the tokens that an embedding model reads, and one vector from those of its last layer.

Every rule that embeds has this module in its fingerprint, so an edit here embeds anew; the engines that call it have not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def cut(max_model_len: int) -> dict[str, Any]:
    """The arguments of a tokenizer that cut the end off a text of more than ``max_model_len`` tokens."""
    return {"truncation": True, "max_length": max_model_len}


def pooled(hidden: Any, mask: Any, pooling: str | None) -> Any:
    """One vector of length 1 for each text.

    Args:
        hidden: (texts, tokens, d) tensor of the last layer.
        mask: (texts, tokens) tensor, 0 where a text is padded.
        pooling: ``last`` for the last token's vector; else the mean over the tokens.

    Returns:
        (texts, d) tensor.
    """
    import torch

    hidden = hidden.float()
    if pooling == "last":
        # The last token that is not padding, on whichever side the tokenizer pads.
        last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
        found = hidden[torch.arange(len(mask), device=mask.device), last]
    else:
        shares = mask[..., None].float()
        found = (hidden * shares).sum(dim=1) / shares.sum(dim=1)
    return torch.nn.functional.normalize(found, dim=1)


def of_length_one(rows: Sequence[Any]) -> np.ndarray:
    """Vectors that an engine has pooled, scaled to length 1: (texts, d) float32.

    Args:
        rows: a vector of d numbers for each text.
    """
    vectors = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
