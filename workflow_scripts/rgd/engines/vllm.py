"""Writing text with vLLM in this process: the CPU build or the GPU build of the same version."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.likelihood import chosen, prepare
from rgd.engines.prompts import fit_context
from rgd.errors import UserError
from rgd.seeds import derive_seed

BATCH_TOKENS = 8192
BATCH_REQUESTS = 256
# Tokens in a block of the attention cache on a CPU. Only whole blocks of a shared prompt are found again, so small ones
# leave less of it to be computed for every draw; 32 is the smallest that vLLM's CPU build takes.
CPU_BLOCK = 32


def load(settings: EngineSettings) -> "VllmEngine":
    """The engine with the model of ``settings`` in memory."""
    return VllmEngine(settings)


class VllmEngine:
    """A causal language model in vLLM."""

    def __init__(self, settings: EngineSettings) -> None:
        # Read by vLLM when it is imported. One process and unbound threads: a job must not spread over cores that
        # Snakemake gave to others.
        os.environ |= {
            "VLLM_CPU_KVCACHE_SPACE": str(settings.memory_gb),
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(settings.threads),
            "VLLM_NO_USAGE_STATS": "1",
        }
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        import torch
        import vllm

        torch.set_num_threads(settings.threads)
        on_gpu = torch.cuda.is_available()
        self.settings = settings
        # On a CPU a prompt must not be prefilled in pieces: vLLM 0.32 fails there when the request has a seed. So the
        # budget of a step holds any prompt whole, and no more prompts are queued than one step takes (see _parts).
        self.budget = max(settings.batch_tokens or BATCH_TOKENS, settings.max_model_len)
        on_cpu = {"gpu_memory_utilization": 0.2, "enforce_eager": True, "block_size": CPU_BLOCK}
        options: dict[str, Any] = {"dtype": settings.dtype} | ({} if on_gpu else on_cpu)
        try:
            self.model = vllm.LLM(
                str(settings.weights),
                max_model_len=settings.max_model_len,
                max_num_batched_tokens=self.budget,
                max_num_seqs=BATCH_REQUESTS,
                enable_prefix_caching=True,
                use_tqdm_on_load=False,
                logprobs_mode="raw_logprobs",
                **options,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"vLLM cannot load the model in {settings.weights}: {error}") from error
        self.tokenizer: Any = self.model.get_tokenizer()
        self.provenance = {
            "engine": "vllm",
            "version": vllm.__version__,
            "torch": torch.__version__,
            "device": "cuda" if on_gpu else "cpu",
            "threads": settings.threads,
        }

    def close(self) -> None:
        """Free the model's memory."""
        del self.model

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Write an answer for each request.

        A request's seed follows from the sampling seed, the query and the draw. The same requests in the same order
        give the same bytes; in another company they may not, since sums of floating-point numbers are then ordered anew.

        Raises:
            UserError: a prompt does not fit into the model without its question.
        """
        import vllm

        room = self.settings.max_model_len - sampling.max_tokens
        if room < 1:
            raise UserError(
                f"sampling.max_tokens ({sampling.max_tokens}) leaves no room for a prompt in max_model_len ({self.settings.max_model_len})."
            )
        fitted = [fit_context(self.tokenizer, request, self.settings.chat, room) for request in requests]
        params = [
            vllm.SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=derive_seed(sampling.seed, request.query_key, request.draw),
                logprobs=0,
            )
            for request in requests
        ]
        answers: list[Answer] = []
        prompts = [ids for _, _, ids, _ in fitted]
        for part in self._draw_parts(prompts):
            outputs = self._run([prompts[index] for index in part], [params[index] for index in part])
            for index, output in zip(part, outputs, strict=True):
                written = output.outputs[0]
                count = len(written.token_ids)
                answers.append(
                    Answer(
                        text=written.text,
                        confidence=written.cumulative_logprob / count if count else math.nan,
                        scores=None,
                        prompt_tokens=len(fitted[index][2]),
                        completion_tokens=count,
                        finish_reason=written.finish_reason,
                        trimmed=fitted[index][3],
                    )
                )
        return answers

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text, the convention of :mod:`rgd.engines.likelihood`.

        Each option is a prompt of its own whose tokens' log-probabilities vLLM returns: right for large models on a
        GPU; on a CPU the engine ``transformers`` is several times faster.

        Raises:
            UserError: a request has no options, or does not fit into the model without its question.
        """
        import vllm

        prepared = [prepare(self.tokenizer, request, self.settings) for request in requests]
        prompts = [item.branches.prefix + branch for item in prepared for branch in item.branches.branches]
        scored = [count for item in prepared for count in item.branches.scored]
        params = vllm.SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        sums: list[float] = []
        for part in _parts([len(prompt) for prompt in prompts], self.budget):
            outputs = self._run([prompts[index] for index in part], [params] * len(part))
            for index, output in zip(part, outputs, strict=True):
                last = range(len(prompts[index]) - scored[index], len(prompts[index]))
                sums.append(sum(output.prompt_logprobs[at][prompts[index][at]].logprob for at in last))
        ends = np.cumsum([len(item.branches.branches) for item in prepared])
        by_question = np.split(np.array(sums), ends[:-1])
        return [
            chosen(request, item, part) for request, item, part in zip(requests, prepared, by_question, strict=True)
        ]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Not offered: the engine ``transformers`` embeds."""
        raise UserError("the engine vllm does not embed here: set engine: transformers in the embedder's file.")

    def _draw_parts(self, prompts: Sequence[list[int]]) -> Iterator[range]:
        """Runs of prompts for one step each; prompts that several draws share are put into the attention cache first.

        vLLM finds a prompt again only once it is computed, not while several draws of it are queued together.
        """
        distinct = [list(ids) for ids in dict.fromkeys(map(tuple, prompts))]
        if len(distinct) == len(prompts):
            yield from _parts([len(ids) for ids in prompts], self.budget)
            return
        import vllm

        one_token = vllm.SamplingParams(max_tokens=1, temperature=0.0)
        for part in _parts([len(ids) for ids in distinct], self.budget):
            self._run([distinct[index] for index in part], [one_token] * len(part))
        # What is left to compute of a cached prompt: less than a block, or one block where it ends with a whole one.
        yield from _parts([min(len(ids), CPU_BLOCK) for ids in prompts], self.budget)

    def _run(self, prompts: Sequence[list[int]], params: Sequence[Any]) -> list[Any]:
        inputs: Any = [{"prompt_token_ids": prompt} for prompt in prompts]
        return self.model.generate(inputs, list(params), use_tqdm=False)


def _parts(lengths: Sequence[int], budget: int) -> Iterator[range]:
    """Runs of prompts that vLLM can prefill in one step: at most ``budget`` tokens and BATCH_REQUESTS prompts."""
    start = used = 0
    for index, length in enumerate(lengths):
        if index > start and (used + length > budget or index - start == BATCH_REQUESTS):
            yield range(start, index)
            start, used = index, 0
        used += length
    if lengths:
        yield range(start, len(lengths))
