"""The log of decisions and what it tells of drift: whole lines whatever happens, and verdicts on planted queries."""

import json
import os
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rgd import cli
from rgd.errors import UserError
from rgd.tool import bundle, drift
from rgd.tool.bundle import Content
from rgd.tool.decision_log import LONGEST_LINE, DecisionLog, Logged, Skipped, identity, read
from rgd.tool.routing import Bundle
from tests.unit.tool.test_serving import post, served
from tests.unit.tool.tool_world import DIMENSION, engines, world, written


@pytest.fixture(scope="module")
def known() -> tuple[Content, np.ndarray]:
    content, _, queries = world()
    return content, queries.embeddings


def logged(path: Path, content: Content, vectors: np.ndarray, **options: bool) -> DecisionLog:
    """The log of the decisions on these vectors."""
    log = DecisionLog(path, content, **options)
    routed = Bundle(content)
    for row, decision in enumerate(routed.route_vectors(vectors, [f"query {row}" for row in range(len(vectors))])):
        log.add(decision, vectors[row : row + 1], "top3")
    return log


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def changed_table(table: pa.Table, name: str) -> pa.Table:
    """The table with its last value of a column twice as long."""
    values = table[name].to_pylist()
    return table.set_column(table.column_names.index(name), name, pa.array([*values[:-1], values[-1] * 2]))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {"training": changed_table(content.training, "question")},
        lambda content: {"learned": content.learned.take(list(range(content.learned.num_rows))[::-1])},
        lambda content: {"embeddings": np.roll(content.embeddings, 1, axis=0)},
        lambda content: {"routing": {**content.routing, "neighbours": 63}},
        lambda content: {"members": [{**content.members[0], "key": "other"}, *content.members[1:]]},
        lambda content: {"made_from": {"router.parquet": "0" * 64}},
    ],
    ids=["training", "learned", "embeddings", "neighbours", "members", "made from"],
)
def test_bundles_that_differ_in_anything_that_decides_are_told_apart(tmp_path: Path, known: tuple, change) -> None:
    """Equal settings do not make equal bundles."""
    content, vectors = known
    for name, each in (("one", content), ("same", content), ("other", replace(content, **change(content)))):
        bundle.write(tmp_path / name, each)
    one, same, other = (bundle.read(tmp_path / name) for name in ("one", "same", "other"))
    assert identity(one) == identity(same)
    assert identity(one) != identity(other)
    log, skipped = DecisionLog(tmp_path / "log", one), Skipped()
    log.add(Bundle(one).route_vectors(vectors[:1])[0], vectors[:1], "top3")
    assert len(list(read([tmp_path / "log"], same, skipped))) == 1
    assert list(read([tmp_path / "log"], other, skipped)) == []
    assert skipped.other_bundle == 1


def test_a_bundle_with_other_titles_is_the_same(tmp_path: Path, known: tuple) -> None:
    content, _ = known
    titled = {**content.routing, "titles": {**content.routing["titles"], "pool": "Another name"}}
    for name, each in (("one", content), ("other", replace(content, routing=titled))):
        bundle.write(tmp_path / name, each)
    assert identity(bundle.read(tmp_path / "one")) == identity(bundle.read(tmp_path / "other"))


def test_a_line_has_the_decision_and_no_text(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    logged(tmp_path / "log", content, vectors[:3])
    found = lines(tmp_path / "log")
    decisions = Bundle(content).route_vectors(vectors[:3])
    for line, decision in zip(found, decisions, strict=True):
        assert line["asks"] == list(decision.asked["top3"])
        assert line["likeness"] == decision.likeness
        assert list(line["scores"]) == [ranked.member for ranked in decision.ranking]
    assert "query 0" not in (tmp_path / "log").read_text(encoding="utf-8")
    assert "embedding" not in found[0]
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_digests_tell_equal_queries_of_one_server_alone(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    log = logged(tmp_path / "log", content, vectors[:2])
    decision = Bundle(content).route_vectors(vectors[:1], ["query 0"])[0]
    log.add(decision, vectors[:1], "top1")
    logged(tmp_path / "log", content, vectors[:1])
    first, second, again, other = (line["query"] for line in lines(tmp_path / "log"))
    assert first == again
    assert len({first, second, other}) == 3


def test_texts_and_vectors_are_logged_if_asked_for(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    logged(tmp_path / "log", content, vectors[:5], with_queries=True, with_embeddings=True)
    found = list(read([tmp_path / "log"], content, Skipped()))
    assert [each.text for each in found] == [f"query {row}" for row in range(5)]
    np.testing.assert_allclose([each.vector for each in found], vectors[:5], atol=1e-3)


def test_servers_share_a_file(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    threads = [
        threading.Thread(
            target=logged, args=(tmp_path / "log", content, vectors[:100]), kwargs={"with_embeddings": True}
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    skipped = Skipped()
    assert len(list(read([tmp_path / "log"], content, skipped))) == 400
    assert skipped == Skipped()


def test_a_full_disk_costs_lines_and_is_said_once(
    tmp_path: Path, known: tuple, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    content, vectors = known
    real, fits = os.write, iter([True, False, False, True, True])

    log = logged(tmp_path / "log", content, vectors[:1])
    monkeypatch.setattr(os, "write", lambda file, line: real(file, line if next(fits) else line[:40]))
    decision = Bundle(content).route_vectors(vectors[:1])[0]
    for _ in range(5):
        log.add(decision, vectors[:1], "top1")
    assert log.lost == 2
    said = capsys.readouterr().err.splitlines()
    assert [str(tmp_path / "log") in line for line in said] == [True, True]
    skipped = Skipped()
    assert len(list(read([tmp_path / "log"], content, skipped))) == 4
    assert skipped.mangled == 2


def test_a_device_without_space_loses_all(known: tuple, capsys: pytest.CaptureFixture) -> None:
    content, vectors = known
    log = logged(Path("/dev/full"), content, vectors[:5])
    assert log.lost == 5
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_rotated_file_is_made_anew_and_a_torn_one_mended(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    path = tmp_path / "log"
    log = logged(path, content, vectors[:2])
    path.rename(tmp_path / "old")
    decision = Bundle(content).route_vectors(vectors[:1])[0]
    log.add(decision, vectors[:1], "top1")
    assert (len(lines(tmp_path / "old")), len(lines(path))) == (2, 1)
    path.write_bytes(path.read_bytes()[:-20])
    logged(path, content, vectors[:1])
    skipped = Skipped()
    assert len(list(read([tmp_path / "old", path], content, skipped))) == 3
    assert skipped.mangled == 1


@pytest.mark.parametrize("path", ["missing/log", "."])
def test_a_file_that_cannot_be_opened_stops_the_server_before_it_starts(
    path: str, tmp_path: Path, known: tuple
) -> None:
    with pytest.raises(UserError, match="--log"):
        DecisionLog(tmp_path / path, known[0])


def test_foreign_and_mangled_lines_are_counted(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    path = tmp_path / "log"
    logged(path, content, vectors[:1], with_embeddings=True)
    good = lines(path)[0]
    changes = [
        {"rgd": 2},
        {"query": 3},
        {"likeness": 1.5},
        {"likeness": "high"},
        {"similarity": "near"},
        {"similarity": float("nan")},
        {"asks": "m1"},
        {"asks": [1]},
        {"task": None},
        {"text": ["x"]},
        {"embedding": "???"},
        {"embedding": "AAAA"},
        {"embedding": 5},
    ]
    mangled = [json.dumps(good | change).encode() for change in changes]
    mangled += [b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'"' + b"x" * (2 * LONGEST_LINE), b"7", b"\0" * 50]
    other = json.dumps(good | {"bundle": "0" * 16}).encode()
    path.write_bytes(b"\n".join([*mangled, b"", other, json.dumps(good).encode()]))
    skipped = Skipped()
    assert len(list(read([path], content, skipped))) == 1
    assert skipped == Skipped(mangled=len(mangled), other_bundle=1)


def test_decisions_that_are_served_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = world()[0]

    def serving(path: Path) -> AbstractContextManager[str]:
        opened, _ = engines()
        monkeypatch.setattr("rgd.engines.opening.opened", opened)
        monkeypatch.setattr("rgd.tool.answering.opened", opened)
        return served(Bundle(content), log=DecisionLog(path, content))

    with serving(tmp_path / "log") as address:
        post(address, "/v1/decision", {"query": "Which?", "model": "router-top3"})
        whole = {"model": "router", "messages": [{"role": "user", "content": "hello"}]}
        assert post(address, "/v1/chat/completions", whole)[0] == 200
        assert post(address, "/v1/decision", {"query": ""})[0] == 400
    assert [line["variant"] for line in lines(tmp_path / "log")] == ["top3", "top1"]
    with serving(Path("/dev/full")) as address:
        assert post(address, "/v1/decision", {"query": "Which?"})[0] == 200


def watched(folder: Path, *more: str, log: Path) -> int:
    return cli.main(["watch", "--bundle", str(folder), "--log", str(log), *more])


def test_queries_of_the_same_kind_are_like_and_of_another_unlike(
    tmp_path: Path, known: tuple, capsys: pytest.CaptureFixture
) -> None:
    _, vectors = known
    folder = written(tmp_path / "bundle")
    content = bundle.read(folder)
    away = np.random.default_rng(0).normal(size=(80, DIMENSION)).astype(np.float32)
    away -= 3 * content.embeddings.mean(axis=0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    kinds = {"same": vectors[:150], "other": np.concatenate([vectors[:20], away]), "few": away[:20]}
    for name, rows in kinds.items():
        logged(tmp_path / name, content, rows, with_queries=True, with_embeddings=True)
    assert watched(folder, "--json", log=tmp_path / "same") == 0
    same = json.loads(capsys.readouterr().out)
    assert same["verdict"] == drift.LIKE
    assert same["advice"] == []
    assert watched(folder, "--json", "--unlike", str(tmp_path / "new.jsonl"), log=tmp_path / "other") == 3
    other = json.loads(capsys.readouterr().out)
    assert other["unlike"] > 0.5
    assert other["mmd2"] > same["mmd2"]
    assert other["p_value"] < 0.01
    new = lines(tmp_path / "new.jsonl")
    assert len(new) == round(other["unlike"] * other["queries"])
    assert set(new[0]) == {"task", "question"}
    assert any("rgd init own" in line and "new.jsonl" in line for line in other["advice"])
    assert watched(folder, "--unlike", str(tmp_path / "new.jsonl"), log=tmp_path / "other") == 1
    assert watched(folder, log=tmp_path / "few") == 4
    # The last decisions alone tell when the kind has changed.
    logged(tmp_path / "same", content, away)
    assert watched(folder, "--last", "80", log=tmp_path / "same") == 3
    assert watched(folder, log=tmp_path / "nothing") == 1


def test_a_query_that_is_repeated_counts_once(known: tuple) -> None:
    content, _ = known
    one = Logged("digest", ("m0",), "task", 0.1, 0.0, None, None)
    others = [replace(one, query=f"q{row}", likeness=row / 100, similarity=0.9) for row in range(100)]
    found, far = drift.drift([*[one] * 10_000, *others], content.embeddings, Skipped())
    assert (found.queries, found.decisions, found.verdict) == (101, 10_100, drift.LIKE)
    assert len(far) == 2


def test_beside_one_training_query_nothing_is_told(tmp_path: Path, known: tuple) -> None:
    content, vectors = known
    alone = replace(content, embeddings=content.embeddings[:1], training=content.training[:1])
    decision = Bundle(content).route_vectors(vectors[:1])[0]
    log = DecisionLog(tmp_path / "log", alone)
    for row in range(60):
        log.add(replace(decision, query=f"query {row}", likeness=None), vectors[:1], "top3")
    skipped = Skipped()
    found, far = drift.drift(read([tmp_path / "log"], alone, skipped), alone.embeddings, skipped)
    assert (found.verdict, found.queries, found.mean_likeness, skipped.mangled) == (drift.TOO_FEW, 60, None, 0)
    assert not far


def test_even_likenesses_are_seldom_a_finding(known: tuple) -> None:
    content, _ = known
    random = np.random.default_rng(0)
    one = Logged("digest", ("m0",), "task", 0.1, 0.0, None, None)
    verdicts = [
        drift.drift(
            [replace(one, query=str(row), likeness=value) for row, value in enumerate(random.random(60))],
            content.embeddings,
            Skipped(),
        )[0].verdict
        for _ in range(300)
    ]
    assert verdicts.count(drift.LIKE) >= 298
