"""Time answering through the engine and the store beside vLLM called by hand: ``python -m tests.benchmarks.inference``.

The same batch of prompts with the same seeds, once by filling an empty store and once by ``vllm.LLM.chat``, each in a
process of its own on one core, by turns; the medians count. The clock runs from the loaded model to the last answer kept.
The model is SmolLM2-135M where its weights are in the cache (paths.cache), else a tiny random one: nothing is fetched.
The result goes to results/bench/inference.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "inference.json"
MODEL = "smollm2-135m"
TINY = "tiny random model"
# All prompts of the batch fit into one step of vLLM's, as facts of its CPU build demand where requests have seeds.
PROMPTS, MAX_TOKENS, MAX_MODEL_LEN, ROUNDS = 64, 64, 1024, 3
# Prompts, tokens and rounds at the size tiny, always of the tiny model.
TINY_SIZE = (4, 8, 1)
TEMPERATURE, TOP_P, SEED = 0.7, 0.95, 0
MEMORY_GB = 2
SIDES = ("engine", "by hand")
TARGET_RATIO, TARGET_STORE_SHARE = 0.95, 0.02
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")


def cached_model() -> Path | None:
    """The folder of the model's weights in the cache; None where they are not there."""
    from rgd.config import load
    from rgd.weights.cache import cache_folder

    config = load(ROOT / "config")
    weights = config.model[MODEL].weights
    assert weights is not None
    folder = cache_folder(weights, config.paths.cache)
    return folder if folder.is_dir() else None


def requests(count: int, first: int = 0) -> list[Any]:
    """Made-up questions in the prompt that asks for reasons."""
    from rgd.engines.prompts import render

    prompt = (ROOT / "config/prompts/ask_reasoning.txt").read_text(encoding="utf-8")
    made = []
    for number in range(first, first + count):
        boxes, apples = 3 + number % 17, 5 + number % 23
        question = f"A shop has {boxes} boxes with {apples} apples each and sells {number} apples. How many are left?"
        options = [f"{boxes * apples - number + shift} apples" for shift in (0, 1, -2, 10)]
        made.append(render(prompt, question, options))
    return made


def answer_with_engine(folder: Path, count: int, max_tokens: int) -> dict[str, float]:
    """Fill an empty store with one chunk; the store's time is what remains of the filling without the engine."""
    from rgd.engines import EngineSettings, Sampling, open_engine
    from rgd.store.answers import AnswerSettings, Store
    from rgd.store.fill import fill

    sampling = Sampling(TEMPERATURE, TOP_P, max_tokens, SEED)
    settings = AnswerSettings("0" * 64, "generate", "made up", MAX_MODEL_LEN, sampling=sampling)
    asked = requests(count)
    engine_settings = EngineSettings(folder, MAX_MODEL_LEN, memory_gb=MEMORY_GB)
    with open_engine("vllm", engine_settings) as engine, tempfile.TemporaryDirectory(prefix="rgd-bench-") as place:
        engine.generate(requests(2, first=count), Sampling(TEMPERATURE, TOP_P, 4, SEED))
        generate, in_engine = engine.generate, 0.0

        def timed(*given: Any) -> Any:
            nonlocal in_engine
            began = time.perf_counter()
            answers = generate(*given)
            in_engine += time.perf_counter() - began
            return answers

        engine.generate = timed  # type: ignore[method-assign]
        store, started, worked = Store(place), time.perf_counter(), time.process_time()
        fill(store, settings, asked, lambda: engine, count, lambda _: None)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
        kept = store.read(settings, [request.query_key for request in asked])
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "store_seconds": seconds - in_engine,
        "tokens": sum(kept["completion_tokens"].to_pylist()),
        "letters": sum(map(len, kept["text"].to_pylist())),
    }


def answer_by_hand(folder: Path, count: int, max_tokens: int) -> dict[str, float]:
    """One call of vLLM's chat, with the options that the engine gives it."""
    os.environ |= {
        "VLLM_CPU_KVCACHE_SPACE": str(MEMORY_GB),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    import torch
    import vllm

    from rgd.seeds import derive_seed

    torch.set_num_threads(1)
    model = vllm.LLM(
        str(folder),
        dtype="bfloat16",
        max_model_len=MAX_MODEL_LEN,
        max_num_batched_tokens=8192,
        max_num_seqs=256,
        enable_prefix_caching=True,
        logprobs_mode="raw_logprobs",
        gpu_memory_utilization=0.2,
        enforce_eager=True,
        block_size=32,
        use_tqdm_on_load=False,
    )

    def chat(asked: Sequence[Any], longest: int) -> list[Any]:
        turns: Any = [[{"role": turn.role, "content": turn.content} for turn in request.messages] for request in asked]
        params = [
            vllm.SamplingParams(
                temperature=TEMPERATURE,
                top_p=TOP_P,
                max_tokens=longest,
                seed=derive_seed(SEED, request.query_key, request.draw),
                logprobs=0,
            )
            for request in asked
        ]
        return [output.outputs[0] for output in model.chat(turns, params, use_tqdm=False)]

    chat(requests(2, first=count), 4)
    started, worked = time.perf_counter(), time.process_time()
    written = chat(requests(count), max_tokens)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "tokens": sum(len(one.token_ids) for one in written),
        "letters": sum(len(one.text) for one in written),
    }


def measure(side: str, folder: Path, count: int, max_tokens: int) -> dict[str, float]:
    """One side, in a process of its own with one thread; its peak memory is that of the process.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    command = [sys.executable, "-m", "tests.benchmarks.inference", "--side", side, "--model", str(folder)]
    command += ["--prompts", str(count), "--max-tokens", str(max_tokens)]
    environment = {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"answering by the {side} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def bench(folder: Path, name: str, count: int, max_tokens: int, rounds: int) -> dict[str, Any]:
    """Both sides by turns; the row of the result."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        # Which side goes first changes, so that neither always has the machine as the other left it.
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            found[side].append(measure(side, folder, count, max_tokens))
            last = found[side][-1]
            print(
                f"{side:10}{last['seconds']:8.2f} s{last['cpu_seconds']:8.2f} s of CPU{last['tokens']:8.0f} tokens",
                flush=True,
            )
    ours, theirs = (
        {key: statistics.median(one[key] for one in found[side]) for key in found[side][0]} for side in SIDES
    )
    return {
        "name": "inference",
        "size": f"{name}, {count} prompts, up to {max_tokens} tokens each",
        "seconds": round(ours["seconds"], 3),
        "baseline_seconds": round(theirs["seconds"], 3),
        "ratio": round((ours["tokens"] / ours["seconds"]) / (theirs["tokens"] / theirs["seconds"]), 3),
        "cpu_seconds": round(ours["cpu_seconds"], 3),
        "baseline_cpu_seconds": round(theirs["cpu_seconds"], 3),
        "cpu_ratio": round((ours["tokens"] / ours["cpu_seconds"]) / (theirs["tokens"] / theirs["cpu_seconds"]), 3),
        "target_ratio": TARGET_RATIO,
        "peak_memory_mb": round(ours["peak_memory_mb"], 1),
        "baseline_peak_memory_mb": round(theirs["peak_memory_mb"], 1),
        "tokens": round(ours["tokens"]),
        "tokens_per_second": round(ours["tokens"] / ours["seconds"], 1),
        "store_share": round(ours["store_seconds"] / ours["seconds"], 5),
        "target_store_share": TARGET_STORE_SHARE,
        "same_texts": all(one["letters"] == ours["letters"] for side in SIDES for one in found[side]),
        "rounds": [[round(one["seconds"], 3) for one in found[side]] for side in SIDES],
    }


def line(row: dict[str, Any]) -> str:
    """The row for people."""
    fast = "+" if row["ratio"] >= row["target_ratio"] else "-"
    small = "+" if row["store_share"] < row["target_store_share"] else "-"
    return (
        f"{row['size']}: {row['seconds']:.2f} s, by hand {row['baseline_seconds']:.2f} s, ratio {row['ratio']:.3f} "
        f"(target {row['target_ratio']}{fast}), by CPU-seconds {row['cpu_ratio']:.3f}; {row['tokens_per_second']:.0f} tokens/s; the store takes "
        f"{100 * row['store_share']:.2f} % of it (target below {100 * row['target_store_share']:g} %{small}); "
        f"{'the same' if row['same_texts'] else 'other'} texts on both sides"
    )


def main() -> None:
    """Run the bench, or one side of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.inference", description=__doc__)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help="folder of another model in Hugging Face format")
    parser.add_argument(
        "--size", choices=("full", "tiny"), default="full", help="tiny takes seconds and keeps no result"
    )
    parser.add_argument("--prompts", type=int, help=f"default: {PROMPTS}, tiny: {TINY_SIZE[0]}")
    parser.add_argument("--max-tokens", type=int, help=f"default: {MAX_TOKENS}, tiny: {TINY_SIZE[1]}")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}, tiny: {TINY_SIZE[2]}")
    options = parser.parse_args()
    is_tiny = options.size == "tiny"
    usual = TINY_SIZE if is_tiny else (PROMPTS, MAX_TOKENS, ROUNDS)
    prompts, max_tokens, rounds = (
        given or default
        for given, default in zip((options.prompts, options.max_tokens, options.rounds), usual, strict=True)
    )
    if options.side:
        from tests.benchmarks.measure import peak_bytes

        work = answer_with_engine if options.side == SIDES[0] else answer_by_hand
        found = work(options.model, prompts, max_tokens)
        print(json.dumps(found | {"peak_memory_mb": peak_bytes() / 1e6}))
        return
    folder = options.model or (None if is_tiny else cached_model())
    name = options.model.name if options.model else MODEL
    with tempfile.TemporaryDirectory(prefix="rgd-bench-") as place:
        if folder is None:
            from tests.tiny_models import build

            folder, name = build(Path(place) / "model", max_positions=MAX_MODEL_LEN), TINY
            print(
                f"a {TINY} is timed" + ("" if is_tiny else f": the weights of {MODEL} are not in the cache"), flush=True
            )
        row = bench(folder, name, prompts, max_tokens, rounds)
    print(line(row))
    if is_tiny:
        return
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps([row], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
