"""Shared code of the scripts that read answers left in the store by an earlier job."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rgd.errors import UserError


@contextlib.contextmanager
def said_to_be_stored(claim: str) -> Iterator[None]:
    """Read answers that an earlier job's file ``claim`` says are in the store.

    If they are missing or damaged, the file is removed, so that rerunning the command asks for them again.

    Raises:
        UserError: the store's error.
    """
    try:
        yield
    except UserError as error:
        Path(claim).unlink(missing_ok=True)
        raise UserError(
            f"{error} The record {claim}, which says that all answers are in the store, was removed. Rerun to ask for the "
            "missing ones."
        ) from error
