"""The two sides of the inference bench that run a model: the engine vllm with the store, and vLLM called by hand."""

import os
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.inference_work import SEED, Work, asked, lengths

TEMPERATURE, TOP_P = 0.7, 0.95
MEMORY_GB = 2


def answer_with_engine(work: Work) -> dict[str, float]:
    """Fill an empty store."""
    from rgd.engines import EngineSettings, Sampling
    from rgd.engines.vllm import VllmEngine
    from tests.benchmarks.inference_filling import fill_empty_store

    fixed: dict[str, int] = {}

    class Engine(VllmEngine):
        """Gives each answer the length that the bench has drawn for it."""

        @property
        def window(self) -> int:
            return work.window or super().window

        def _options(self) -> dict[str, Any]:
            return super()._options() | ({"load_format": "dummy"} if work.is_dummy else {})

        def _params(self, request: Any, sampling: Any) -> Any:
            params = super()._params(request, sampling)
            if request.query_key in fixed:
                params.max_tokens, params.ignore_eos = fixed[request.query_key], True
            return params

    sampling = Sampling(TEMPERATURE, TOP_P, work.max_tokens, SEED)
    engine = Engine(EngineSettings(Path(work.model), work.max_model_len, memory_gb=MEMORY_GB))
    try:
        requests = asked(work, engine.tokenizer)
        engine.generate(
            asked(work, engine.tokenizer, first=work.requests, count=2), Sampling(TEMPERATURE, TOP_P, 4, SEED)
        )
        if work.median is not None:
            fixed |= {request.query_key: length for request, length in zip(requests, lengths(work), strict=True)}
        return fill_empty_store(engine, requests, sampling)
    finally:
        engine.close()


def answer_by_hand(work: Work) -> dict[str, float]:
    """One call of vLLM's generate with all requests, and the options that the engine gives it."""
    import torch

    on_gpu = torch.cuda.is_available()
    os.environ |= {
        "VLLM_CPU_KVCACHE_SPACE": str(MEMORY_GB),
        # On a GPU the engine core is fastest in a process of its own.
        "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(on_gpu)),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    import vllm

    from rgd.seeds import derive_seed

    torch.set_num_threads(1)
    options: dict[str, Any] = {
        "dtype": "bfloat16",
        "max_model_len": work.max_model_len,
        "enable_prefix_caching": True,
        "logprobs_mode": "raw_logprobs",
        "use_tqdm_on_load": False,
    }
    if work.is_dummy:
        options["load_format"] = "dummy"
    if not on_gpu:
        options |= {
            "max_num_batched_tokens": 8192,
            "max_num_seqs": 256,
            "gpu_memory_utilization": 0.2,
            "enforce_eager": True,
            "block_size": 32,
            # vLLM 0.32 fails on a CPU if a prompt with a seed is computed in parts.
            "enable_chunked_prefill": False,
        }
    model = vllm.LLM(work.model, **options)
    tokenizer: Any = model.get_tokenizer()

    def generate(requests: list[Any], longest: list[int], ignore_eos: bool) -> list[Any]:
        prompts: Any = [
            {
                "prompt_token_ids": tokenizer.apply_chat_template(
                    [{"role": turn.role, "content": turn.content} for turn in request.messages],
                    add_generation_prompt=True,
                )["input_ids"]
            }
            for request in requests
        ]
        params = [
            vllm.SamplingParams(
                temperature=TEMPERATURE,
                top_p=TOP_P,
                max_tokens=length,
                ignore_eos=ignore_eos,
                seed=derive_seed(SEED, request.query_key, request.draw),
                logprobs=0,
            )
            for request, length in zip(requests, longest, strict=True)
        ]
        return [output.outputs[0] for output in model.generate(prompts, params, use_tqdm=False)]

    requests = asked(work, tokenizer)
    longest = [work.max_tokens] * len(requests) if work.median is None else lengths(work)
    generate(asked(work, tokenizer, first=work.requests, count=2), [4, 4], False)
    started, worked = time.perf_counter(), time.process_time()
    written = generate(requests, longest, work.median is not None)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "tokens": sum(len(one.token_ids) for one in written),
        "letters": sum(len(one.text) for one in written),
    }
