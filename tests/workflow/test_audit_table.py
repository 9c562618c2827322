"""The audit of a finished experiment: made on demand, from responses and store, without a model."""

from pathlib import Path

import pyarrow.parquet as pq

from tests.workflow.project import MEMBERS, Project

AUDIT = "results/tables/tiny/audit.parquet"


def test_every_member_and_query_set_is_looked_over(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    done = project.run(AUDIT)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pq.read_table(project.folder / AUDIT).to_pylist()
    whole = [row for row in rows if row["task"] is None]
    assert {(row["query_set"], row["member"]) for row in whole} == {
        (query_set, member) for query_set in ("benchmark", "tiny-writer") for member in MEMBERS
    }
    for row in whole:
        tasks = [other for other in rows if other["task"] and all(other[k] == row[k] for k in ("query_set", "member"))]
        assert sum(other["answers"] for other in tasks) == row["answers"]
        assert row["engines"].startswith("transformers ")
        assert (row["unparsed"], row["truncated"], row["served_models"]) == (0, 0, "")
    assert project.pending(AUDIT) == set()
