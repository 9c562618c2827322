"""Reading and writing artifacts: Parquet that is either whole or absent, with its provenance beside it."""

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rgd.errors import UserError

# Numbers in a row group of vectors: 8 MiB.
ROW_GROUP_ENTRIES = 2 * 1024 * 1024
# Vectors are read in batches of this many numbers (4 MiB) through a buffer of this many bytes.
BATCH_ENTRIES = 1024 * 1024
BUFFER_BYTES = 1024 * 1024
# Errors of file systems that cannot flush a file or a folder on request.
_NO_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it if the block succeeds.

    The file is synced before the rename, so that after a crash ``path`` is the old file, the new file, or absent.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            flush(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Check the folder's permissions and free space, then run the same command again."
        ) from error
    finally:
        # Without a folder there is nothing to remove, and the first error is the one to report.
        with contextlib.suppress(OSError):
            temporary.unlink()


def flush(descriptor: int) -> None:
    """Flush an open file or folder to the disk, if its file system can do that on request.

    Raises:
        OSError: the disk is full or broken.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise


def write_table(path: str | Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write ``table`` to ``path`` as Parquet (zstd), after casting it to ``schema``.

    The same table gives the same bytes: no time, host or path is stored. Vectors are split by bytes, which makes them
    smaller and faster to read, and stored in row groups of a few MB, so that some can be read without the others.

    Raises:
        UserError: the file cannot be written.
        ValueError: ``table`` lacks a column of ``schema`` or a value does not fit it.
    """
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise ValueError(f"{path}: the table lacks the columns {missing}")
    table = table.select(schema.names).cast(schema).replace_schema_metadata(None)
    vectors = [field.name for field in schema if pa.types.is_fixed_size_list(field.type)]
    plain = [name for name in schema.names if name not in vectors]
    width = sum(schema.field(name).type.list_size for name in vectors)
    with replacing(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            write_statistics=True,
            row_group_size=max(1, ROW_GROUP_ENTRIES // width) if vectors else None,
            use_dictionary=plain if vectors else True,
            use_byte_stream_split=[f"{name}.list.element" for name in vectors],
        )


def read_table(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """Read ``columns`` (default: all) of the Parquet file at ``path``.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _reading(path):
        return pq.read_table(path, columns=columns, memory_map=True)


def read_vectors(path: str | Path, place: np.ndarray, column: str = "embedding") -> np.ndarray:
    """Read rows of a fixed-size-list column into an array, in batches: the memory holds hardly more than the result.

    Row groups without wanted rows are not read.

    Args:
        path: a Parquet file of m rows.
        place: (m,) the row of the result for each row of the file, -1 to leave it out.
        column: name of the column.

    Returns:
        (place.max() + 1, dimension) float32, contiguous.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _reading(path), pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
        dimension = file.schema_arrow.field(column).type.list_size
        vectors = np.empty((int(place.max(initial=-1)) + 1, dimension), dtype=np.float32)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        of_group = np.split(place, np.cumsum(sizes)[:-1])
        groups = [group for group, here in enumerate(of_group) if (here >= 0).any()]
        left = np.concatenate([of_group[group] for group in groups] or [place[:0]])
        rows = max(1, BATCH_ENTRIES // dimension)
        for batch in file.iter_batches(rows, row_groups=groups, columns=[column], use_threads=False):
            here, left = left[: len(batch)], left[len(batch) :]
            kept = here >= 0
            vectors[here[kept]] = matrix(batch.column(0))[kept]
    return vectors


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run snakemake with this path as the target to make it.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and run snakemake again to rebuild it.") from error


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as JSON with sorted keys, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A fixed-size-list column as a contiguous float32 array (rows, dimension)."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    width = array.type.list_size
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(-1, width), dtype=np.float32)


def from_matrix(values: np.ndarray) -> pa.FixedSizeListArray:
    """The inverse of :func:`matrix`: (rows, dimension) float32 as a fixed-size-list array."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def list_matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of equally long lists as an array (rows, length).

    Raises:
        ValueError: the lists differ in length.
    """
    lengths = np.unique(pc.list_value_length(column).to_numpy())
    if len(lengths) > 1:
        raise ValueError(f"the lists differ in length: {lengths.tolist()}")
    return pc.list_flatten(column).to_numpy().reshape(len(column), -1)
