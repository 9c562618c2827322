"""What a job that runs a model asks a cluster for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.config import load
from rgd.config.schema import Api, Model
from rgd.workflow import run_times as runtimes
from tests import ROOT

CONFIG = ROOT / "config"


@pytest.fixture(scope="module")
def model() -> Model:
    return load(CONFIG).model["qwen2.5-coder-1.5b"].model_copy(update={"parameters_billion": 2.0})


def test_a_rate_in_the_file_goes_before_a_guess(model: Model) -> None:
    rated = model.model_copy(update={"answers_per_minute": 50.0})
    assert runtimes.answers_per_minute(rated) == 50.0
    start = runtimes.MINUTES_TO_START + 2.0 * runtimes.MINUTES_PER_BILLION
    assert runtimes.to_answer(rated, 500) == pytest.approx(start + 10, abs=1)


def test_a_guess_follows_size_and_gpus(model: Model) -> None:
    larger = model.model_copy(update={"parameters_billion": 4.0})
    on_gpus = model.model_copy(update={"gpus": 2})
    unknown = model.model_copy(update={"parameters_billion": None})
    assert runtimes.answers_per_minute(model) == 2 * runtimes.answers_per_minute(larger)
    assert runtimes.answers_per_minute(on_gpus) == runtimes.GPU_FACTOR * runtimes.answers_per_minute(model)
    assert runtimes.to_answer(unknown, 10**6) > runtimes.to_answer(larger, 10**6)


def test_an_api_is_as_fast_as_its_pace_lets_it(model: Model) -> None:
    served = model.model_copy(update={"api": Api(model="m", concurrency=4), "weights": None})
    paced = model.model_copy(update={"api": Api(model="m", concurrency=4, requests_per_minute=6.0), "weights": None})
    assert runtimes.answers_per_minute(served) == 48.0
    assert runtimes.answers_per_minute(paced) == 6.0


def test_jobs_that_share_a_job_of_the_cluster_get_no_more_than_its_longest_time() -> None:
    own = [20, 40, 60]
    for attempt in (1, 2, 3, 9):
        shares = [runtimes.within(minutes, sum(own), attempt, 300) for minutes in own]
        assert sum(shares) <= 300
        assert shares == [min(minutes * attempt, minutes * 300 // 120) for minutes in own]
    assert runtimes.within(30, 30, 2, 1440) == 60
    assert runtimes.within(5000, 5000, 1, 1440) == 1440
    assert runtimes.within(1, 10_000, 1, 60) == 1


def test_further_tries_get_more_memory_up_to_the_largest_node() -> None:
    assert [runtimes.raised(1000, attempt, None) for attempt in (1, 2, 3)] == [1000, 1500, 2000]
    assert [runtimes.raised(1000, attempt, 1200) for attempt in (1, 2, 3)] == [1000, 1200, 1200]
    # What the model's file says is never cut: SLURM refuses it, and says so.
    assert runtimes.raised(1000, 2, 800) == 1000


def test_rows_are_counted_where_there_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "questions.parquet"
    assert runtimes.count_rows(str(file)) == runtimes.QUERIES_UNKNOWN
    pq.write_table(pa.table({"query_id": ["a", "b", "c"]}), file)
    assert runtimes.count_rows(str(file)) == 3
    file.write_bytes(b"no Parquet")
    assert runtimes.count_rows(str(file)) == runtimes.QUERIES_UNKNOWN
