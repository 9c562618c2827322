"""A model behind a server as a member and as a featurizer's model, from the rules to the responses."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.batch_world import Provider
from tests.faulty_server import Asked, FaultyServer, Play
from tests.workflow.project import Project, make, write

KEY = "sk-in-no-file-4711"
QUESTIONS = "results/questions/tiny/benchmark.parquet"
RESPONSES = "results/responses/tiny/benchmark/served.parquet"


def reply(asked: Asked) -> Play:
    message = {"role": "assistant", "content": f"{len(asked.body['messages'])} turn. The answer is (B)"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return Play({"model": "served-7", "choices": [choice], "usage": usage})


def refusal(status: int) -> Play:
    return Play({"error": {"message": f"not with {KEY}"}}, status)


def serve(project: Project, address: str, **api: object) -> None:
    write(
        project.folder / "config/model/served.yaml",
        title="Served",
        licence="none",
        engine="openai",
        max_model_len=1024,
        memory_mb=500,
        asks={"default": {"way": "generate", "prompt": "ask_chat"}},
        api={"model": "m", "base_url": f"{address}/v1", "backoff_s": 0.01, "concurrency": 2, **api},
    )


@pytest.mark.slow
def test_answers_of_a_server(tmp_path: Path) -> None:
    project = make(tmp_path / "project", tmp_path / "no_models")
    write(project.folder / "config/pool/tiny.yaml", title="Pool", members=["served", "tiny-a-chat"])
    (project.folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    with FaultyServer(reply, [*[Play(reply(Asked("", {}, {"messages": [1]}, 0)).body)] * 3, refusal(403)]) as server:
        serve(project, server.address)
        stopped = project.run(RESPONSES)
        assert stopped.returncode != 0
        assert "the key in OPENAI_API_KEY is not accepted" in stopped.stdout + stopped.stderr
        done = project.run(RESPONSES)
        assert done.returncode == 0, done.stderr
        questions = pq.read_table(project.folder / QUESTIONS).num_rows
        # One was refused; what had come before is not asked again, though its chunk was not whole.
        assert len(server.asked) == questions + 1
        assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
        serve(project, server.address, price_prompt=1.0, budget_dollars=1.0, requests_per_minute=60)
        assert project.pending(RESPONSES) == set()
        write_featurizer(project)
        described = project.run("results/features/tiny/benchmark/served.parquet")
        assert described.returncode == 0, described.stderr
    responses = pq.read_table(project.folder / RESPONSES)
    assert set(responses["answer"].to_pylist()) == {"B"}
    assert set(responses["confidence_kind"].to_pylist()) == {"none"}
    said = "".join(run.stdout + run.stderr for run in (stopped, done, described))
    files = [path for path in project.folder.rglob("*") if path.is_file() and path.name != ".env"]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in said


@pytest.mark.slow
@pytest.mark.ci
def test_a_batch_is_collected_by_a_later_run_and_changes_nothing_else(tmp_path: Path) -> None:
    project, provider = make(tmp_path / "project", tmp_path / "no_models"), Provider("openai", looks=0)
    write(project.folder / "config/pool/tiny.yaml", title="Pool", members=["served", "tiny-a-chat"])
    (project.folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    with FaultyServer(provider) as server:
        provider.looks = 10**9
        serve(project, server.address, batch=True, batch_wait_s=0, price_prompt=1.0)
        handed_in = project.run(RESPONSES)
        assert handed_in.returncode != 0
        assert "batch_0" in handed_in.stdout + handed_in.stderr
        assert "Traceback" not in handed_in.stdout + handed_in.stderr
        provider.looks = 0
        done = project.run(RESPONSES)
        assert done.returncode == 0, done.stderr
        questions = pq.read_table(project.folder / QUESTIONS).num_rows
        assert [len(batch.lines) for batch in provider.batches.values()] == [questions]
        # How answers are asked for makes them no other answers.
        serve(project, server.address)
        assert project.pending(RESPONSES) == set()
    assert pq.read_table(project.folder / RESPONSES).num_rows == questions


def write_featurizer(project: Project) -> None:
    write(
        project.folder / "config/featurizer/served.yaml",
        title="Served",
        model="served",
        prompt="features_of_question",
        max_tokens=60,
    )
