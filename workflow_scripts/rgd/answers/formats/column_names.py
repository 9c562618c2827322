"""Names of a table's columns: those that it should have, and those that were taken for models."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.config.hints import nearest
from rgd.errors import UserError

ALL = "*"
"""What stands for all columns that are not named otherwise."""

# Where a table names its columns; each line of JSON names its own.
_PLACES = {".csv": "line 1", ".tsv": "line 1", ".parquet": ""}


def need_columns(path: Path, place: str, row: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a row that lacks one of the columns ``names``.

    Args:
        path: the table.
        place: of the row, as "line 3".
        row: its cells by column.
        names: of the columns.

    Raises:
        UserError: one is not there. The message names the header of a table that has one, and the nearest column.
    """
    for name in names:
        if name not in row:
            where = _PLACES.get(path.suffix.lower(), place)
            at = f"{path}, {where}" if where else str(path)
            raise UserError(f"{at}: there is no column {name}. {nearest(name, map(str, row))}")


def leaving_out(wide: str, models: Sequence[str]) -> str:
    """How to leave out a column that ``wide`` (models or answers) took for a model's, where ``models`` are the other ones."""
    return (
        f"{wide}={ALL} takes every column that --columns does not name for a model's. To leave this one out, write "
        f"{wide}={','.join(models) or 'COLUMN,COLUMN'} instead, without what else is no model's; a column of options, labels or "
        "tasks is named by options=COLUMN, label=COLUMN, task=COLUMN"
    )
