"""What is told of a file: its experiment, and what a run would do with it."""

from pathlib import Path

import pytest

from rgd.config import load
from rgd.planning import explain, reasons
from rgd.planning.changes import Change
from rgd.planning.explain import Story, content, experiment_of, lines, lists_of, standing
from rgd.planning.graph import Job, Plan, Record

LISTS: dict[str, dict[str, list[str]]] = {
    "quickstart": {"datasets": ["a"], "scenarios": ["real"], "pools": ["p"], "routers": ["knn"]},
    "another": {"datasets": ["a"], "scenarios": ["real"], "pools": ["p"], "routers": ["knn"]},
    "theirs": {"datasets": ["theirs", "b"], "scenarios": ["real"], "pools": ["theirs"], "routers": ["knn"]},
    "wider": {"datasets": ["a"], "scenarios": ["real", "g"], "pools": ["p", "q"], "routers": ["knn"]},
}


@pytest.mark.parametrize(
    ("path", "experiment"),
    [
        ("results/tables/theirs/accuracy.md", "theirs"),
        ("elsewhere/reports/another/report.html", "another"),
        ("results/cells/theirs/real/theirs/knn.parquet", "theirs"),
        ("results/splits/b.parquet", "theirs"),
        ("results/cells/a/real/p/knn.parquet", "quickstart"),
        ("results/cells/a/real/q/knn.parquet", "wider"),
        ("results/routers/a/g@20/p/knn.parquet", "wider"),
        ("results/cells/unknown/real/p/knn.parquet", None),
        ("results/weights/model/m.json", None),
    ],
)
def test_the_experiment_is_found_by_the_names_in_the_path(path: str, experiment: str | None) -> None:
    assert experiment_of(Path(path), LISTS) == experiment


def test_the_lists_of_experiments_are_read_with_what_they_have_besides(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("datasets: [a]\nalso:\n  - datasets: [b]\n    pools: [p]\n")
    for name, text in {"broken": "datasets: [", "strange": "[1]", "number": "datasets: 1"}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    empty: set[str] = set()
    assert lists_of(tmp_path) == {"one": {"datasets": {"a", "b"}, "scenarios": empty, "pools": {"p"}, "routers": empty}}


def job(
    number: int, name: str, *needs: int, inputs: tuple[str, ...] = (), runs: bool = True, known: bool = True
) -> Job:
    return Job(
        number=number,
        rule="fit",
        stage="routing",
        wildcards={},
        inputs=inputs,
        outputs=(f"results/{name}",),
        log="",
        benchmark="",
        parameters={},
        record=Record((), inputs) if known else None,
        missing=(),
        is_cut=False,
        newer=(),
        needs=needs,
        runs=runs,
    )


def planned(*jobs: Job) -> Plan:
    return Plan(load("config", "quickstart"), jobs, frozenset(), False)


EDITED = Change("configuration", "config/router/knn.yaml: k: 1 → 2", 7)


def test_a_file_is_made_again_for_the_changes_that_reach_it_through_a_chain_of_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = planned(
        job(0, "routers/r.parquet"),
        job(1, "routes/r.parquet", 0, inputs=("results/routers/r.parquet",)),
        job(2, "cells/r.parquet", 1, inputs=("results/routes/r.parquet",)),
        job(3, "cells/other.parquet"),
    )
    other = Change("code", "other")
    monkeypatch.setattr(reasons, "reasons", lambda _: {0: [EDITED], 1: [], 2: [], 3: [other]})
    stands = standing("cells/r.parquet", plan)
    assert stands.state == "remade"
    assert stands.because == [(EDITED, ["routers/r.parquet", "routes/r.parquet", "cells/r.parquet"])]
    assert standing("cells/other.parquet", plan).because == [(other, ["cells/other.parquet"])]


def test_a_file_that_a_run_leaves_is_current_whether_or_not_snakemake_knows_it() -> None:
    plan = planned(job(0, "a.parquet", runs=False), job(1, "b.parquet", runs=False, known=False))
    known, unknown = standing("a.parquet", plan), standing("b.parquet", plan)
    assert (known.state, known.is_recorded, known.because) == ("current", True, [])
    assert (unknown.state, unknown.is_recorded) == ("current", False)


STORY = Story(
    "cells/r.parquet",
    {"made": "then", "rule": "score", "versions": {"python": "3"}, "inputs": {}, "parameters": {}},
    {"cells/r.parquet": {"made": "then", "rule": "score", "inputs": {}, "parameters": {}}},
    (),
)


def test_the_first_line_says_what_stands_at_the_file_and_why() -> None:
    chain = ["routers/r.parquet", "cells/r.parquet"]
    remade = explain.Standing("e", "remade", [(EDITED, chain)])
    said = lines(STORY, remade, [(EDITED, ["routers/r.parquet"])])
    assert said[0].startswith("cells/r.parquet")
    assert EDITED.text in said[0]
    assert "7" in said[0]
    assert " > ".join(chain) in said[1]
    # What is told above is not told again.
    assert sum(EDITED.text in line for line in said) == 1
    told = content(STORY, remade, [])["because"]
    assert told == [{"kind": "configuration", "what": EDITED.text, "line": 7, "through": chain}]


def test_every_standing_has_words_of_its_own() -> None:
    known = [
        lines(STORY, stands, changed)[0]
        for stands, changed in (
            (explain.Standing("e", "current", []), []),
            (explain.Standing("e", "current", [], is_recorded=False), []),
            (explain.Standing("e", "current", []), [(EDITED, ["cells/r.parquet"])]),
            (explain.Standing("e", "unmade", []), []),
            (explain.Standing("e", "remade", [(EDITED, ["cells/r.parquet"])]), []),
            (explain.Standing("e", "remade", 2 * [(EDITED, ["cells/r.parquet"])]), []),
        )
    ]
    assert len(set(known)) == len(known)
