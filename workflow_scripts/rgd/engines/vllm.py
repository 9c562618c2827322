"""Text generation, likelihood answering and embedding with vLLM in this process: its CPU build or its GPU build."""

import math
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.likelihood import chosen, prepare
from rgd.engines.memory import is_out_of_memory
from rgd.engines.pooling import cut, of_length_one
from rgd.engines.prompts import fit_context
from rgd.errors import UserError
from rgd.seeds import derive_seed
from rgd.weights.cache import cannot_load

BATCH_TOKENS = 8192
BATCH_REQUESTS = 256
# How often the model is reloaded with half the batch after running out of memory.
RELOADS = 3
LEAST_BATCH_TOKENS = 512
# Tokens per block of the attention cache on a CPU. Only whole blocks of a shared prompt are reused, so small blocks leave
# less of it to recompute for every draw; 32 is the smallest that vLLM's CPU build accepts.
CPU_BLOCK = 32


def load(settings: EngineSettings) -> "VllmEngine":
    """The engine with the model of ``settings`` in memory."""
    return VllmEngine(settings)


class VllmEngine:
    """A causal language model in vLLM, which answers or, with ``settings.pooling``, embeds."""

    def __init__(self, settings: EngineSettings) -> None:
        # vLLM reads these on import. One process and unbound threads keep a job off the cores that Snakemake gave to
        # other jobs.
        os.environ |= {
            "VLLM_CPU_KVCACHE_SPACE": str(settings.memory_gb),
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(settings.threads),
            "VLLM_NO_USAGE_STATS": "1",
            # Detecting a GPU must not initialise it: vLLM would then spawn the processes of several GPUs from the job's
            # script, which cannot be imported as a module.
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        }
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        import torch
        import vllm

        torch.set_num_threads(settings.threads)
        from rgd.engines import architectures

        architectures.register()
        self.on_gpu = torch.cuda.is_available()
        self.settings = settings
        self.requests = BATCH_REQUESTS
        # On a CPU a prompt must not be prefilled in chunks: vLLM 0.32 then fails if the request has a seed. So the budget
        # of a step fits any whole prompt (see _options).
        self.budget = max(settings.batch_tokens or BATCH_TOKENS, settings.max_model_len)
        self.reloads = 0
        self.model: Any = self._load()
        self.tokenizer: Any = self.model.get_tokenizer()
        # gpt-oss marks reasoning and answer with special tokens, without which they cannot be told apart.
        self.shows_special_tokens = "<|channel|>" in self.tokenizer.get_added_vocab()
        self.versions = {"version": vllm.__version__, "torch": torch.__version__}

    @property
    def provenance(self) -> dict[str, Any]:
        """What computes the answers; includes the batch size, which affects the order of floating-point sums."""
        return {
            "engine": "vllm",
            **self.versions,
            "device": "cuda" if self.on_gpu else "cpu",
            "gpus": max(1, self.settings.gpus) if self.on_gpu else 0,
            "threads": self.settings.threads,
            "batch_requests": self.requests,
            "batch_tokens": self.budget,
        }

    def _load(self) -> Any:
        """Load the model with a batch as large as the memory allows.

        Raises:
            UserError: vLLM cannot load the files, or even a small batch does not fit.
        """
        import vllm

        while True:
            try:
                return vllm.LLM(str(self.settings.weights), **self._options())
            except Exception as error:
                if not is_out_of_memory(error):
                    raise cannot_load("vLLM", self.settings.weights, error) from error
                reason = str(error)
            self._halve_batch(reason)

    def _options(self) -> dict[str, Any]:
        settings = self.settings
        options: dict[str, Any] = {
            "dtype": settings.dtype,
            "max_model_len": settings.max_model_len,
            "max_num_batched_tokens": self.budget,
            "max_num_seqs": self.requests,
            "use_tqdm_on_load": False,
            "trust_remote_code": False,
        }
        if settings.pooling is None:
            options |= {"enable_prefix_caching": True, "logprobs_mode": "raw_logprobs"}
        else:
            from vllm.config import PoolerConfig

            pooler = PoolerConfig(pooling_type=settings.pooling.upper())  # type: ignore[arg-type]
            options |= {"runner": "pooling", "convert": "embed", "pooler_config": pooler}
        if self.on_gpu:
            return options | {"tensor_parallel_size": max(1, settings.gpus)}
        options["enable_chunked_prefill"] = False
        return options | {"gpu_memory_utilization": 0.2, "enforce_eager": True, "block_size": CPU_BLOCK}

    def _halve_batch(self, reason: str) -> None:
        """Halve the batch for the next load and free the memory of the last one.

        Raises:
            UserError: the batch has already been halved RELOADS times.
        """
        if self.reloads == RELOADS:
            raise UserError(
                f"the memory is too small for the model in {self.settings.weights}, even with {self.requests} requests and "
                f"{self.budget} tokens at a time ({' '.join(reason.split())[:200]}). Lower max_model_len (now "
                f"{self.settings.max_model_len}), raise gpus (now {self.settings.gpus}), or stop other programs that use "
                "the memory, then run the same command again to resume."
            )
        self.reloads += 1
        self.requests //= 2
        # Without chunked prefill, the longest prompt has to fit into one step.
        whole = not self.on_gpu or self.settings.pooling is not None
        self.budget = max(self.budget // 2, self.settings.max_model_len if whole else LEAST_BATCH_TOKENS)
        print(
            f"out of memory: reloading the model for {self.requests} requests and {self.budget} tokens at a time",
            file=sys.stderr,
            flush=True,
        )
        from vllm.distributed import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()

    def close(self) -> None:
        """Free the model's memory."""
        self.model = None

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Generate an answer for each request.

        A request's seed derives from the sampling seed, the query and the draw. The same requests in the same order give
        the same bytes, whatever was asked before. Together with other requests they may not, since the order of
        floating-point sums then differs.

        Raises:
            UserError: a prompt does not fit the model even without its question.
        """
        import vllm

        room = self.settings.max_model_len - sampling.max_tokens
        if room < 1:
            raise UserError(
                f"sampling.max_tokens ({sampling.max_tokens}) leaves no room for a prompt in max_model_len "
                f"({self.settings.max_model_len}): lower max_tokens or raise max_model_len."
            )
        fitted = [fit_context(self.tokenizer, request, self.settings.chat, room) for request in requests]
        params = [
            vllm.SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=derive_seed(sampling.seed, request.query_key, request.draw),
                logprobs=0,
                skip_special_tokens=not self.shows_special_tokens,
            )
            for request in requests
        ]
        answers: list[Answer] = []
        prompts = [ids for _, _, ids, _ in fitted]
        # The content of the attention cache affects which prompts are computed together.
        self.model.reset_prefix_cache()
        self._share(prompts)
        for (_, _, prompt, trimmed), output in zip(fitted, self._run(prompts, params), strict=True):
            written = output.outputs[0]
            count = len(written.token_ids)
            answers.append(
                Answer(
                    text=written.text,
                    confidence=written.cumulative_logprob / count if count else math.nan,
                    scores=None,
                    prompt_tokens=len(prompt),
                    completion_tokens=count,
                    finish_reason=written.finish_reason,
                    trimmed=trimmed,
                )
            )
        return answers

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text, by the convention of :mod:`rgd.engines.likelihood`.

        Each option is a separate prompt whose log-probabilities vLLM returns. This suits large models on a GPU; on a CPU
        the engine ``transformers`` is several times faster.

        Raises:
            UserError: a request has no options, or does not fit the model even without its question.
        """
        import vllm

        prepared = [prepare(self.tokenizer, request, self.settings) for request in requests]
        prompts = [item.branches.prefix + branch for item in prepared for branch in item.branches.branches]
        scored = [count for item in prepared for count in item.branches.scored]
        params = vllm.SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        sums = [
            sum(output.prompt_logprobs[at][prompt[at]].logprob for at in range(len(prompt) - last, len(prompt)))
            for prompt, last, output in zip(prompts, scored, self._run(prompts, [params] * len(prompts)), strict=True)
        ]
        ends = np.cumsum([len(item.branches.branches) for item in prepared])
        by_question = np.split(np.array(sums), ends[:-1])
        return [
            chosen(request, item, part) for request, item, part in zip(requests, prepared, by_question, strict=True)
        ]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts`` by the last layer, pooled: (n, d) float32, rows of length 1. A text too long loses its end."""
        limits = cut(self.settings.max_model_len)
        prompts = [self.tokenizer(text, **limits)["input_ids"] for text in texts]
        return of_length_one([output.outputs.embedding for output in self._run(prompts)])

    def _share(self, prompts: Sequence[list[int]]) -> None:
        """Put prompts that several draws share into the attention cache.

        vLLM reuses a prompt only after computing it, not while several of its draws are queued together.
        """
        import vllm

        distinct = [list(ids) for ids in dict.fromkeys(map(tuple, prompts))]
        if len(distinct) < len(prompts):
            self._run(distinct, [vllm.SamplingParams(max_tokens=1, temperature=0.0)] * len(distinct))

    def _run(self, prompts: Sequence[list[int]], params: Sequence[Any] = ()) -> list[Any]:
        """vLLM's outputs for ``prompts``; if the memory runs out, the model is reloaded with a smaller batch.

        Raises:
            UserError: even a small batch does not fit.
        """
        inputs: Any = [{"prompt_token_ids": prompt} for prompt in prompts]
        while True:
            try:
                if self.settings.pooling is not None:
                    return self.model.embed(inputs, use_tqdm=False)
                return self.model.generate(inputs, list(params), use_tqdm=False)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            self.model = None
            self._halve_batch(reason)
            self.model = self._load()
