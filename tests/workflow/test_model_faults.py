"""Models that cannot be loaded, servers that die, budgets, damaged answers: one message, and the same command goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faulty_server import Asked, FaultyServer, Play
from tests.workflow.project import Project, make
from tests.workflow.test_api import KEY, QUESTIONS, RESPONSES, reply, serve

PLAIN = "results/responses/tiny/benchmark/tiny-a-plain.parquet"
CHAT = "results/responses/tiny/benchmark/tiny-a-chat.parquet"
DIES_AFTER = 9
EMBEDDINGS = "results/embeddings/tiny/benchmark.parquet"


def failed(project: Project, target: str, *messages: str, **environment: str) -> None:
    """The target is not made; each message is said, and no traceback."""
    done = project.run(target, **environment)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for message in messages:
        assert message in " ".join(said.split()), said
    assert "Traceback" not in said
    assert not (project.folder / target).exists()


def made(project: Project, target: str, **environment: str) -> int:
    """The target is made; its number of rows."""
    done = project.run(target, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return pq.read_table(project.folder / target).num_rows


def test_without_a_key_then_with_a_server_that_dies_then_with_one_that_lives(tmp_path: Path) -> None:
    """One command all the way: every question is answered once, and the key is in no file."""
    project = make(tmp_path / "project", tmp_path / "no_models")
    project.edit_yaml("pool/tiny.yaml", members=["served", "tiny-a-chat"])
    with FaultyServer(reply, dies_after=DIES_AFTER) as first:
        serve(project, first.address, key_variable="KEY_OF_MINE", attempts=2)
        failed(project, RESPONSES, "KEY_OF_MINE", ".env")
        assert first.asked == []
        failed(project, RESPONSES, first.address, "2 attempts", KEY_OF_MINE=KEY)
    assert len(first.asked) == DIES_AFTER
    failed(project, RESPONSES, f"no connection to {first.address}", KEY_OF_MINE=KEY)
    with FaultyServer(reply, port=first.port) as second:
        questions = made(project, RESPONSES, KEY_OF_MINE=KEY)
    assert len(first.asked) + len(second.asked) == questions
    assert not [path for path in project.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_budget_holds_over_jobs(tmp_path: Path) -> None:
    project = make(tmp_path / "project", tmp_path / "no_models")
    project.edit_yaml("pool/tiny.yaml", members=["served", "tiny-a-chat"])
    with FaultyServer(reply) as server:
        # An answer of four tokens costs 0.4 dollars, and could cost 409.6 had it all its 4,096 tokens.
        prices = {"price_completion": 1e5, "budget_dollars": 413.0}
        serve(project, server.address, **prices)
        failed(project, RESPONSES, "api.budget_dollars = 413 ", " 0.0000 dollars")
        first = len(server.asked)
        assert 1 < first < 24
        failed(project, RESPONSES, "api.budget_dollars = 413 ", f" {0.4 * first:.4f} dollars")
        assert len(server.asked) == first
        serve(project, server.address, **prices | {"budget_dollars": 1000.0})
        questions = made(project, RESPONSES)
        assert len(server.asked) == questions


def truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def missing(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "elsewhere")


def of_another_shape(folder: Path) -> None:
    file = folder / "config.json"
    file.write_text(file.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": "two"'))


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "target", "messages"),
    [
        (truncated, PLAIN, ["weights.path", "models/a/model.safetensors", "header"]),
        (missing, PLAIN, ["cannot load", "models/a", "weights.path"]),
        (of_another_shape, PLAIN, ["cannot load", "models/a", "weights.path"]),
        (without_template, CHAT, ["models/a", "chat template", "[user]"]),
    ],
    ids=["truncated", "missing", "damaged configuration", "no chat template"],
)
def test_a_model_that_cannot_be_used_is_told_and_the_mended_one_is_taken(
    models: Path, tmp_path: Path, damage: Callable[[Path], None], target: str, messages: list[str]
) -> None:
    own = tmp_path / "models"
    shutil.copytree(models / "a", own / "a")
    project = make(tmp_path / "project", own)
    damage(own / "a")
    failed(project, target, *messages)
    shutil.rmtree(own / "a")
    shutil.copytree(models / "a", own / "a")
    assert made(project, target) > 0


@pytest.mark.slow
def test_damaged_and_lost_answers_are_asked_again_by_the_same_command(tmp_path: Path) -> None:
    project = make(tmp_path / "project", tmp_path / "no_models")
    project.edit_yaml("pool/tiny.yaml", members=["served", "tiny-a-chat"])
    project.edit_yaml("site/workstation.yaml", chunk_size=8)
    with FaultyServer(reply) as server:
        serve(project, server.address)
        questions = made(project, RESPONSES)
        whole = (project.folder / RESPONSES).read_bytes()
        victim, lost = sorted((project.folder / "results/store").glob("*/*.parquet"))[:2]
        sizes = [pq.read_metadata(file).num_rows for file in (victim, lost)]
        victim.write_bytes(victim.read_bytes()[:-40])
        (project.folder / RESPONSES).unlink()
        failed(project, RESPONSES, f"{victim.relative_to(project.folder)} is damaged")
        # It is still in the way, and is not removed unasked.
        failed(project, RESPONSES, f"{victim.relative_to(project.folder)} is damaged")
        assert len(server.asked) == questions
        victim.unlink()
        assert made(project, RESPONSES) == questions
        assert len(server.asked) == questions + sizes[0]
        lost.unlink()
        (project.folder / RESPONSES).unlink()
        failed(
            project,
            RESPONSES,
            f"{sizes[1]} of {questions} answers are not in",
            "asked/answers/tiny/benchmark/served.json",
        )
        assert made(project, RESPONSES) == questions
        assert len(server.asked) == questions + sum(sizes)
    assert (project.folder / RESPONSES).read_bytes() == whole


@pytest.mark.slow
def test_a_server_embeds(tmp_path: Path) -> None:
    def embed(asked: Asked) -> Play:
        rows = [{"index": i, "embedding": [1.0, float(len(text))]} for i, text in enumerate(asked.body["input"])]
        return Play({"data": rows, "model": "m", "usage": {"prompt_tokens": 9, "total_tokens": 9}})

    project = make(tmp_path / "project", tmp_path / "no_models")
    with FaultyServer(embed, [Play({"error": {"message": "busy"}}, 503)]) as server:
        served = {"engine": "openai", "weights": None, "max_model_len": 128}
        served["api"] = {"model": "m", "base_url": f"{server.address}/v1", "backoff_s": 0.01}
        project.edit_yaml("embedder/tiny-embedder.yaml", **served)
        failed(project, EMBEDDINGS, "dimension: 64")
        project.edit_yaml("embedder/tiny-embedder.yaml", dimension=2)
        assert made(project, EMBEDDINGS) == pq.read_table(project.folder / QUESTIONS).num_rows
    vectors = pq.read_table(project.folder / EMBEDDINGS)["embedding"].to_pylist()
    assert {round(x * x + y * y, 5) for x, y in vectors} == {1.0}
