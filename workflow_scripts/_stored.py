"""What the scripts share that read answers which an earlier job has left in the store."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rgd.errors import UserError


@contextlib.contextmanager
def said_to_be_stored(claim: str) -> Iterator[None]:
    """Read what the file ``claim`` of an earlier job says is in the store.

    Should it not be there any more, or be damaged, the file is removed, so that the same command asks for it again.

    Raises:
        UserError: what the store said.
    """
    try:
        yield
    except UserError as error:
        Path(claim).unlink(missing_ok=True)
        raise UserError(
            f"{error} The record {claim}, which says that all answers are in the store, is removed, so that the next run asks "
            "for those that are missing."
        ) from error
