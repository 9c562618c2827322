"""Seeds for every purpose, derived from one named seed of the configuration."""

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 31-bit seed for ``purpose``, the same on every machine and in every process.

    ``derive_seed(0, "split", "algebra")`` and ``derive_seed(0, "split", "units")`` are independent,
    and neither changes when another purpose is added.
    """
    text = "\x1f".join([str(seed), *(str(part) for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator of its own for ``purpose`` (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, *purpose))
