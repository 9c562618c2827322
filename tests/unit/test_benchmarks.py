"""The benchmarks run and measure what the workflow runs: at their tiny size, which says nothing about speed."""

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.benchmarks import inference
from tests.benchmarks.__main__ import bench, growth
from tests.benchmarks.inference_work import Work, asked, build_shape, lengths, works
from tests.benchmarks.sizes import MMLU_PRO, SCALING, SUPERGPQA, TINY

COMMANDS = {
    "routers": ["tests.benchmarks", "--sizes", "tiny", "--no-scaling"],
    **{
        name: [f"tests.benchmarks.{name}", "--size", "tiny"]
        for name in ("store", "inference", "dag", "overhead", "sweep")
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_runs_at_its_tiny_size(name: str) -> None:
    results = ROOT / "results/bench"
    before = {path: path.stat().st_mtime_ns for path in results.glob("*")}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow_scripts"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", *COMMANDS[name]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in results.glob("*")} == before


@pytest.mark.slow
def test_cells_and_baselines_run_and_are_measured(tmp_path):
    rows = bench(TINY, ("smoothie", "cascal"), True, tmp_path)
    assert [found["name"] for found in rows] == ["neighbours", "train", "consensus", "smoothie", "cascal"]
    for found in rows:
        assert found["seconds"] == pytest.approx(sum(found["steps"].values()), abs=0.01)
        assert found["peak_memory_mb"] >= 0
        assert (found["baseline_seconds"] is None) == (found["name"] in ("train", "consensus"))


def test_sizes_are_the_papers():
    assert (MMLU_PRO.train, MMLU_PRO.test, len(MMLU_PRO.tasks)) == (7089, 4737, 14)
    assert (SUPERGPQA.train, SUPERGPQA.test, len(SUPERGPQA.tasks)) == (15917, 10612, 13)
    assert [round(size.train / SCALING[0].train) for size in SCALING] == [1, 4, 16]
    assert len({size.test for size in SCALING}) == 1


def test_growth_is_relative_to_the_smallest_and_to_the_size_before():
    rows = [{"name": "a", "train": 10, "seconds": 2.0}, {"name": "a", "train": 40, "seconds": 5.0}]
    assert growth(rows) == [f"{'a':20}1x: 1.0   4x: 2.5   (from size to size 2.5)"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inference", "inference_long_tailed", "inference_server"])
def test_both_sides_do_the_same_and_are_timed(name, tmp_path):
    work = works(tmp_path, is_tiny=True, model=None, requests=None)[name]()
    row = inference.bench(work, rounds=1)
    assert row["same_texts"]
    assert row["name"] == name
    assert row["device"]
    if work.median is not None:
        assert row["tokens"] == sum(lengths(work))
    assert row["ratio"] == pytest.approx(row["baseline_seconds"] / row["seconds"], rel=0.05)
    assert 0 < row["store_share"] < 1
    assert f"ratio {row['ratio']:.3f}" in inference.line(row)


def test_rows_that_were_not_run_are_kept(tmp_path):
    path = tmp_path / "bench" / "inference.json"
    inference.keep([{"name": "a", "ratio": 1.0}, {"name": "b", "ratio": 1.0}], path)
    inference.keep([{"name": "b", "ratio": 2.0}], path)
    assert json.loads(path.read_text()) == [{"name": "a", "ratio": 1.0}, {"name": "b", "ratio": 2.0}]


@pytest.mark.slow
def test_a_model_of_a_given_shape_has_prompts_of_a_given_length(tmp_path):
    import transformers

    folder = build_shape(tmp_path, hidden_size=64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    assert (len(tokenizer), config.hidden_size, config.num_hidden_layers) == (config.vocab_size, 64, 36)
    work = Work("row", "size", "device", 3, 8192, median=600, prompt_tokens=494)
    for request in asked(work, tokenizer):
        turns = [{"role": "user", "content": request.messages[0].content}]
        assert len(tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]) == 494
