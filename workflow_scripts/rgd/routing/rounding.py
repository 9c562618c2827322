"""How exactly numbers are compared, so that the last bit, which differs between machines, decides nothing."""

DECIMALS = 9
"""Decimals that count: numbers that differ by less are the same number, summed in another order."""
