"""The table of an unfinished experiment: cells deleted one by one, and the command that prints it."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.partial import partial_table, state
from rgd.artifacts import schemas
from rgd.artifacts.files import write_json, write_table
from rgd.artifacts.provenance import beside, digest
from rgd.cli import main
from rgd.config import load, sweep
from tests import ROOT

# Composes whole configurations: seconds a test.
pytestmark = [pytest.mark.slow, pytest.mark.ci]

ORDER = {
    "datasets": ["quiz"],
    "scenarios": ["real", "strong"],
    "pools": ["p"],
    "routers": ["cascal", "topk"],
}
CELLS = {
    ("quiz", "real", "p", "cascal"): "query-only",
    ("quiz", "strong", "p", "cascal"): "query-only",
    ("quiz", "real", "p", "topk"): "learning-free",
    ("quiz", "real", "p", "oracle"): "reference",
}


def write_cell(results: Path, cell: tuple[str, ...], family: str, accuracy: float = 0.5) -> Path:
    dataset, scenario, pool, router = cell
    named = {"dataset": dataset, "scenario": scenario, "pool": pool, "router": router, "family": family}
    rows = [
        {field.name: 0.0 if pa.types.is_floating(field.type) else 0 for field in schemas.CELLS}
        | named
        | {"variant": variant, "seed": 0, "n_queries": 10, "accuracy": accuracy}
        for variant in ("top1", "top3")
    ]
    path = results / "cells" / dataset / scenario / pool / f"{router}.parquet"
    write_table(path, pa.Table.from_pylist(rows), schemas.CELLS)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for cell, family in CELLS.items():
        write_cell(tmp_path, cell, family)
    return tmp_path


def test_with_all_cells_nothing_is_missing(results: Path) -> None:
    found = partial_table(results, CELLS, ORDER)
    assert (found.missing, len(found.accuracy)) == ([], 8)
    assert state(found).startswith("All 4 ")
    assert "missing" not in found.people["quiz, p"].to_numpy()


def test_a_missing_cell_reads_missing_and_the_others_stay(results: Path) -> None:
    (results / "cells/quiz/strong/p/cascal.parquet").unlink()
    found = partial_table(results, CELLS, ORDER)
    assert found.missing == [("quiz", "strong", "p", "cascal")]
    table = found.people["quiz, p"].set_index(["router", "variant"])
    assert table.loc[("cascal", "top1"), ["real", "strong"]].tolist() == ["50.0", "missing"]
    assert table.loc[("topk", "top1"), ["real", "strong"]].tolist() == ["50.0", "same"]
    assert all(word in state(found) for word in ("3 of 4 ", " 1 ", "cascal on strong of quiz, pool p"))


def test_a_router_that_depends_on_no_scenario_has_its_figure_where_real_is_not_shown(results: Path) -> None:
    cells = {cell: family for cell, family in CELLS.items() if cell[1:4:2] != ("real", "cascal")}
    table = partial_table(results, cells, {**ORDER, "scenarios": ["strong"]}).people["quiz, p"].set_index("router")
    assert set(table["strong"]) == {"50.0"}
    (results / "cells/quiz/real/p/topk.parquet").unlink()
    table = partial_table(results, cells, {**ORDER, "scenarios": ["strong"]}).people["quiz, p"].set_index("router")
    assert table.loc["topk", "strong"] == "missing"


def test_a_router_without_any_cell_has_a_row(results: Path) -> None:
    for scenario in ("real", "strong"):
        (results / f"cells/quiz/{scenario}/p/cascal.parquet").unlink()
    table = partial_table(results, CELLS, ORDER).people["quiz, p"].set_index("router")
    assert table.loc["cascal", ["real", "strong"]].tolist() == ["missing", "missing"]


def test_a_cell_that_is_no_table_counts_as_missing(results: Path) -> None:
    (results / "cells/quiz/real/p/topk.parquet").write_bytes(b"half")
    found = partial_table(results, CELLS, ORDER)
    assert found.missing == [("quiz", "real", "p", "topk")]


def test_a_pool_of_which_nothing_is_there_is_shown(results: Path) -> None:
    cells = {**CELLS, ("quiz", "real", "other", "cascal"): "query-only"}
    found = partial_table(results, cells, {**ORDER, "pools": ["p", "other"]})
    assert found.people["quiz, other"]["real"].tolist() == ["missing"]


def test_what_is_excluded_keeps_its_reason(results: Path) -> None:
    cells = {cell: family for cell, family in CELLS.items() if cell[1] != "strong"}
    (results / "cells/quiz/strong/p/cascal.parquet").unlink()
    excluded = {("quiz", "strong", "p", "cascal"): "too dear"}
    table = partial_table(results, cells, ORDER, exclusions=excluded).people["quiz, p"].set_index("router")
    assert table.loc["cascal", "strong"].tolist() == ["too dear", "too dear"]


def test_the_command_needs_partial_for_an_unfinished_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    config = load("config")
    made = [*sweep.router_cells(config), *sweep.reference_cells(config)][::2]
    assert main(["table", "--partial"]) == 1
    assert "quickstart" in capsys.readouterr().err
    for cell in made:
        write_cell(tmp_path / "results", tuple(cell), "query-only")
    assert main(["table"]) == 1
    assert "--partial" in capsys.readouterr().err
    assert main(["table", "--partial", "--config", "experiment=quickstart"]) == 0
    said = capsys.readouterr().out
    assert "missing" in said
    assert f"{len(made)} of " in said
    written = pd.read_parquet("results/tables/quickstart/accuracy_partial.parquet")
    assert len(written) == 2 * len(made)
    (tmp_path / "results/tables/quickstart/summary.txt").write_text("the whole table\n")
    assert main(["table"]) == 0
    assert capsys.readouterr() == ("the whole table\n", "")
    # What has changed since the table was made is named beside it.
    inputs = {
        "/".join(["cells", *cell]) + ".parquet": digest(f"results/{'/'.join(['cells', *cell])}.parquet")
        for cell in made
    }
    write_json(beside("results/tables/quickstart/accuracy.parquet"), {"inputs": inputs})
    assert main(["table"]) == 0
    assert capsys.readouterr().err == ""
    write_cell(tmp_path / "results", tuple(made[1]), "query-only", accuracy=0.75)
    Path("results", *("cells", *made[2][:-1]), f"{made[2][-1]}.parquet").unlink()
    assert main(["table"]) == 0
    said = capsys.readouterr()
    assert said.out == "the whole table\n"
    assert said.err.startswith("2 ")
    assert "/".join(made[1]) in said.err
    assert main(["table", "--config", "experimnt=quickstart"]) == 1
    assert "experiment?" in capsys.readouterr().err
