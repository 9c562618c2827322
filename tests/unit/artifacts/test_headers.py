"""The number of values that a Parquet file's header states: as Arrow tells it, and no fault of a header ends the process."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.artifacts import headers
from rgd.artifacts.headers import value_count

TABLE = pa.table(
    {
        "text": ["x", None, "yy"] * 40,
        "list": pa.array([[1.0, 2.0], [], None] * 40, pa.list_(pa.float64())),
        "whole": list(range(120)),
        "truth": [True, False, None] * 40,
        "struct": pa.array([{"a": 1, "b": ["u", "v"]}] * 120),
        "map": pa.array([[("k", 1)]] * 120, pa.map_(pa.string(), pa.int64())),
    }
)


def outcome(path: Path) -> str:
    """The number of values, or why it is not known."""
    try:
        count = value_count(path)
    except ValueError as error:
        return str(error)
    assert count >= 0
    return str(count)


def written(path: Path, table: pa.Table = TABLE, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 7},
        {"compression": "zstd", "data_page_version": "2.0", "write_page_checksum": True},
        {"write_statistics": False, "use_dictionary": False},
        {"write_page_index": True, "store_schema": False, "row_group_size": 50},
        {"sorting_columns": [pq.SortingColumn(2)], "version": "1.0"},
    ],
)
def test_it_is_what_arrow_counts(options: dict[str, object], tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", **options)
    found = pq.read_metadata(path)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    assert value_count(path) == sum(group.column(n).num_values for group in groups for n in range(found.num_columns))


def test_a_file_of_many_columns_and_one_without_rows_are_counted(tmp_path: Path) -> None:
    wide = pa.table({f"column {number}": [number] for number in range(300)})
    assert value_count(written(tmp_path / "wide.parquet", wide)) == 300
    assert value_count(written(tmp_path / "empty.parquet", TABLE.slice(0, 0))) == 0


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_header_is_counted_or_refused(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    path = written(tmp_path / "t.parquet")
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[-8:-4], "little")
    for _ in range(draw.choice([1, 1, 2, 20])):
        content[len(content) - 8 - draw.randrange(length + 1)] = draw.randrange(256)
    path.write_bytes(content)
    assert outcome(path)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_header_are_counted_or_refused(tmp_path_factory: pytest.TempPathFactory, header: bytes) -> None:
    path = tmp_path_factory.mktemp("headers") / "t.parquet"
    path.write_bytes(b"PAR1" + header + len(header).to_bytes(4, "little") + b"PAR1")
    assert outcome(path)


def test_what_is_no_parquet_file_or_has_a_huge_header_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    for content in (b"", b"PAR1", b"PAR1PAR1", b"x" * 100, b"PAR1" + (10**6).to_bytes(4, "little") + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Parquet|header"):
            value_count(path)
    written(path)
    monkeypatch.setattr(headers, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="bytes"):
        value_count(path)
