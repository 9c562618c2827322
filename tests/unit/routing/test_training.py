"""What a router is fitted on, read from artifacts."""

import numpy as np
import pyarrow as pa
import pytest

from rgd.artifacts import files as artifacts
from rgd.artifacts import schemas
from rgd.artifacts.columns import vectors_of
from rgd.artifacts.files import from_matrix, read_table, read_vectors, write_table
from rgd.errors import UserError
from rgd.routing.training import training_ids, training_sets

IDS = np.array([f"q{row}" for row in range(9)], dtype=object)
VECTORS = np.arange(36, dtype=np.float32).reshape(9, 4)
MEMBERS = ("b", "a")


@pytest.fixture
def embeddings(tmp_path):
    path = tmp_path / "embeddings.parquet"
    write_table(path, pa.table({"query_id": IDS, "embedding": from_matrix(VECTORS)}), schemas.embeddings(4))
    return path


@pytest.fixture
def answer_embeddings(tmp_path):
    path = tmp_path / "answers.parquet"
    columns = {
        "query_id": np.repeat(IDS, 2),
        "member": np.tile(np.array(MEMBERS, dtype=object), 9),
        "embedding": from_matrix(np.stack([VECTORS, -VECTORS], axis=1).reshape(18, 4)),
    }
    write_table(path, pa.table(columns), schemas.answer_embeddings(4))
    return path


@pytest.mark.parametrize("batch_entries", [1, 12, 1024])
@pytest.mark.parametrize("group_entries", [1, 8, 1024])
def test_vectors_come_in_the_order_asked_for(tmp_path, group_entries, batch_entries, monkeypatch):
    monkeypatch.setattr(artifacts, "BATCH_ENTRIES", batch_entries)
    monkeypatch.setattr(artifacts, "ROW_GROUP_ENTRIES", group_entries)
    embeddings = tmp_path / "embeddings.parquet"
    write_table(embeddings, pa.table({"query_id": IDS, "embedding": from_matrix(VECTORS)}), schemas.embeddings(4))
    wanted = [7, 0, 8, 3]
    found = vectors_of(embeddings, IDS[wanted])
    np.testing.assert_array_equal(found, VECTORS[wanted])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_no_row_may_be_asked_for(embeddings):
    assert read_vectors(embeddings, np.full(9, -1)).shape == (0, 4)


def test_vectors_are_what_any_reader_of_parquet_finds(embeddings):
    table = read_table(embeddings)
    assert pa.types.is_fixed_size_list(table.schema.field("embedding").type)
    assert table["embedding"].to_pylist() == VECTORS.tolist()


@pytest.mark.parametrize("content", [None, b"nothing of Parquet"])
def test_a_missing_or_damaged_file_is_the_users_to_mend(tmp_path, content):
    path = tmp_path / "embeddings.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"is missing|cannot be read"):
        read_vectors(path, np.zeros(1, dtype=int))


def test_an_unknown_id_is_named(embeddings):
    with pytest.raises(ValueError, match="q99"):
        vectors_of(embeddings, np.array(["q1", "q99"], dtype=object))


def test_a_training_set_has_its_rows_and_members_in_order(embeddings, answer_embeddings):
    chosen = {3: [5, 1, 2], 4: [0, 8]}
    rows = [(seed, member, row) for seed, rows in chosen.items() for member in MEMBERS for row in rows]
    consensus = pa.table(
        {
            "seed": pa.array([seed for seed, _, _ in rows], pa.int32()),
            "query_id": [IDS[row] for _, _, row in rows],
            "member": [member for _, member, _ in rows],
            "answer": [None if row == 8 else "AB"[row % 2] for _, _, row in rows],
            "confidence": pa.array([row + (member == "a") / 2 for _, member, row in rows], pa.float32()),
        }
    )
    questions = pa.table({"query_id": IDS, "task": [f"t{row}" for row in range(9)]})
    labels = pa.table({"query_id": IDS[::-1], "label": ["B"] * 9})
    sets = list(training_sets(consensus, questions, embeddings, MEMBERS, labels, answer_embeddings, embeddings))
    assert [train.seed for train in sets] == [3, 4]
    for train in sets:
        rows = chosen[train.seed]
        assert train.query_ids.tolist() == IDS[rows].tolist()
        assert train.tasks.tolist() == [f"t{row}" for row in rows]
        np.testing.assert_array_equal(train.embeddings, VECTORS[rows])
        np.testing.assert_array_equal(train.features, VECTORS[rows])
        both = np.stack([VECTORS[rows], -VECTORS[rows]], axis=1)
        assert train.answer_embeddings.shape == both.shape
        for part in (slice(None), slice(1, 2), slice(0, 0)):
            np.testing.assert_array_equal(train.answer_embeddings[part], both[part])
        np.testing.assert_array_equal(train.confidence, np.array([rows, np.array(rows) + 0.5]).T)
        assert train.correct().tolist() == [[row % 2 == 1] * 2 for row in rows]
    assert {seed: ids.tolist() for seed, ids in training_ids(consensus).items()} == {
        seed: IDS[rows].tolist() for seed, rows in chosen.items()
    }
