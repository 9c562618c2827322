"""Text generation, likelihood answering and embedding with vLLM, offline: its CPU build or its GPU build.

On a GPU the engine core, which schedules and computes, runs in a process of its own beside this one, which prepares
requests and reads outputs: measured on an H100, 9,200 tokens per second instead of 6,340. On a CPU it runs in this process,
where the two would only compete.
"""

import gc
import importlib.util
import itertools
import math
import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from rgd.engines.base import Answer, Engine, EngineSettings, Request, Sampling, TooLong
from rgd.engines.core_process import can_fork, dependent_forks, has_died, on_death
from rgd.engines.likelihood import Prepared, chosen, prepare
from rgd.engines.memory import is_out_of_memory
from rgd.engines.pooling import cut, of_length_one
from rgd.engines.prompts import fit_context
from rgd.errors import UserError
from rgd.seeds import derive_seed
from rgd.weights.cache import cannot_load

# What a CPU computes at once. On a GPU vLLM chooses by the card.
BATCH_TOKENS = 8192
BATCH_REQUESTS = 256
# Requests in flight for each that is computed: those that wait take the place of those that end at once.
IN_FLIGHT = 2
# A character that tokens leave incomplete; of a text that was cut off, vLLM drops the last one.
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
# The tokens before an answer that decide whether it begins with a space.
TOKENS_BEFORE = 6
# How often the model is reloaded with half the batch after running out of memory.
RELOADS = 3
LEAST_BATCH_TOKENS = 512
# Tokens per block of the attention cache on a CPU. Only whole blocks of a shared prompt are reused, so small blocks leave
# less of it to recompute for every draw; 32 is the smallest that vLLM's CPU build accepts.
CPU_BLOCK = 32


def load(settings: EngineSettings) -> "VllmEngine":
    """The engine with the model of ``settings`` in memory."""
    return VllmEngine(settings)


@dataclass
class _Asked:
    """A request in flight: its prompts (one, or one for each option), their parameters, and the outputs so far."""

    request: Request
    prompts: list[list[int]]
    params: Any
    trimmed: bool
    prepared: Prepared | None
    outputs: dict[int, Any] = field(default_factory=dict)


class VllmEngine(Engine):
    """A causal language model in vLLM, which answers or, with ``settings.pooling``, embeds."""

    def __init__(self, settings: EngineSettings) -> None:
        # vLLM reads these on import. Unbound threads keep a job off the cores that Snakemake gave to other jobs.
        os.environ |= {
            "VLLM_CPU_KVCACHE_SPACE": str(settings.memory_gb),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(settings.threads),
            "VLLM_NO_USAGE_STATS": "1",
            # Detecting a GPU must not initialise it: vLLM would then spawn its processes from the job's script, which
            # cannot be imported as a module, instead of forking them.
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        }
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        if importlib.util.find_spec("flashinfer") is None:
            # Otherwise vLLM's CUDA build does not load without the package.
            os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
        import torch
        import vllm

        torch.set_num_threads(settings.threads)
        from rgd.engines import architectures

        architectures.register()
        self.on_gpu = torch.cuda.is_available()
        self.settings = settings
        self.in_own_process = self.on_gpu and settings.pooling is None and can_fork()
        self.requests = None if self.on_gpu else BATCH_REQUESTS
        # On a CPU a prompt must not be prefilled in chunks: vLLM 0.32 then fails if the request has a seed. So the budget
        # of a step fits any whole prompt (see _options).
        self.budget = settings.batch_tokens
        if not self.on_gpu:
            self.budget = max(settings.batch_tokens or BATCH_TOKENS, settings.max_model_len)
        self.reloads = 0
        self.processes: Sequence[BaseProcess] = []
        self.asked: dict[int, _Asked] = {}
        self.numbers = itertools.count()
        self.model: Any = self._load()
        self.tokenizer: Any = self.model.get_tokenizer()
        # gpt-oss marks reasoning and answer with special tokens, without which they cannot be told apart.
        self.shows_special_tokens = "<|channel|>" in self.tokenizer.get_added_vocab()
        self.versions = {"version": vllm.__version__, "torch": torch.__version__}

    @property
    def provenance(self) -> dict[str, Any]:  # type: ignore[override]
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

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """How many requests vLLM computes at once at most."""
        return self.requests or BATCH_REQUESTS

    @property
    def window(self) -> int:  # type: ignore[override]
        """See :class:`rgd.engines.base.Engine`."""
        return IN_FLIGHT * self.at_once

    @property
    def in_flight(self) -> int:
        """See :class:`rgd.engines.base.Engine`."""
        return len(self.asked)

    def begin(self) -> None:
        """Begin a new stream; the content of the attention cache would affect which prompts are computed together."""
        super().begin()
        self.model.reset_prefix_cache()

    def add(self, request: Request, sampling: Sampling | None) -> None:
        """Take a request. Its seed derives from the sampling seed, the query and the draw.

        To score options, each option is a prompt of its own, whose log-probabilities vLLM returns. This suits large models
        on a GPU; on a CPU the engine ``transformers`` is several times faster.

        Raises:
            UserError: the prompt does not fit the model even without its question, or there are no options to score.
        """
        asked = self._prepared(request) if sampling is None else self._fitted(request, sampling)
        number = next(self.numbers)
        self.asked[number] = asked
        self._enter(number, asked)

    def _fitted(self, request: Request, sampling: Sampling) -> _Asked:
        room = self.settings.max_model_len - sampling.max_tokens
        if room < 1:
            raise UserError(
                f"sampling.max_tokens ({sampling.max_tokens}) leaves no room for a prompt in max_model_len "
                f"({self.settings.max_model_len}): lower max_tokens or raise max_model_len."
            )
        _, _, prompt, trimmed = fit_context(self.tokenizer, request, self.settings.chat, room)
        return _Asked(request, [prompt], self._params(request, sampling), trimmed, None)

    def _params(self, request: Request, sampling: Sampling) -> Any:
        """vLLM's parameters for generating the answer to ``request``.

        The text is decoded once at the end, and log-probabilities come as plain lists: both save this process, which has to
        keep up with the engine core, work for each token.
        """
        import vllm
        from vllm.sampling_params import RequestOutputKind

        return vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=derive_seed(sampling.seed, request.query_key, request.draw),
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _prepared(self, request: Request) -> _Asked:
        prepared = prepare(self.tokenizer, request, self.settings)
        prompts = [prepared.branches.prefix + branch for branch in prepared.branches.branches]
        return _Asked(request, prompts, self._scoring(from_cache=True), prepared.trimmed, prepared)

    def _scoring(self, *, from_cache: bool) -> Any:
        """vLLM's parameters for scoring a prompt; ``from_cache`` computes only what other prompts have not.

        Log-probabilities of tokens from the cache are not computed. What vLLM returns in their place must not be decoded.
        """
        import vllm
        from vllm.sampling_params import RequestOutputKind

        return vllm.SamplingParams(
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_reading_prefix_cache=not from_cache,
        )

    def _enter(self, number: int, asked: _Asked) -> None:
        for part in range(len(asked.prompts)):
            self._enter_part(number, part, asked.prompts[part], asked.params)

    def _enter_part(self, number: int, part: int, prompt: list[int], params: Any) -> None:
        self.model.llm_engine.add_request(f"{number}-{part}", {"prompt_token_ids": prompt}, params)

    def step(self) -> list[tuple[Request, Answer]]:
        """Compute one step of vLLM's, in general a token of every request. If the memory runs out, the model is reloaded
        with a smaller batch, and the requests in flight begin anew.

        Raises:
            UserError: even a small batch does not fit.
        """
        return [ended for output in self._outputs() if (ended := self._ended(output)) is not None]

    def pieces(self, request: Request, sampling: Sampling) -> Generator[str | Answer, None, None]:
        """See :meth:`rgd.engines.base.Engine.pieces`: a piece for every token or few, and the text of :meth:`generate`."""
        from vllm.sampling_params import RequestOutputKind

        self.begin()
        asked = self._fitted(request, sampling)
        if asked.trimmed:
            raise TooLong(
                f"the prompt and max_tokens ({sampling.max_tokens}) are longer than the {self.settings.max_model_len} tokens "
                "that the model takes together."
            )
        asked.params.output_kind, asked.params.detokenize = RequestOutputKind.DELTA, True
        asked.params.skip_special_tokens = not self.shows_special_tokens
        number, ids, text = next(self.numbers), [], ""
        self.asked[number] = asked
        self._enter(number, asked)
        try:
            yield ""
            while self.in_flight:
                model = self.model
                for output in self._outputs():
                    written = output.outputs[0]
                    ids += written.token_ids
                    text += written.text
                    yield written.text
                    if output.finished:
                        del self.asked[number]
                        whole = self._text(asked.prompts[0], ids, written.finish_reason)
                        # vLLM drops a character that the last tokens leave incomplete.
                        yield whole[len(text) :] if whole.startswith(text) else ""
                        yield self._answer(asked, written, ids, whole)
                if self.model is not model:
                    if text:
                        raise UserError("the memory ran out while the text was written: ask again.")
                    ids.clear()
        finally:
            if self.in_flight:
                self.abandon()

    def _outputs(self) -> list[Any]:
        """The outputs of one step of vLLM's; none if the model had to be reloaded."""
        try:
            return self.model.llm_engine.step()
        except Exception as error:
            if not self._may_reload(error):
                raise
            reason = str(error)
        # Outside the except block, where the error no longer holds on to the memory.
        self._recover(reason)
        self.model = self._load()
        for number, asked in self.asked.items():
            asked.outputs.clear()
            self._enter(number, asked)
        return []

    def _ended(self, output: Any) -> tuple[Request, Answer] | None:
        """The request with its answer if ``output`` is its last one."""
        number, part = map(int, output.request_id.split("-"))
        asked = self.asked[number]
        if asked.prepared is not None and self._lacks_scores(output, asked, part):
            self._enter_part(number, part, asked.prompts[part], self._scoring(from_cache=False))
            return None
        asked.outputs[part] = output
        if len(asked.outputs) < len(asked.prompts):
            return None
        del self.asked[number]
        return asked.request, self._written(asked) if asked.prepared is None else self._chosen(asked, asked.prepared)

    def _written(self, asked: _Asked) -> Answer:
        (prompt,), written = asked.prompts, asked.outputs[0].outputs[0]
        ids = list(written.token_ids)
        return self._answer(asked, written, ids, self._text(prompt, ids, written.finish_reason))

    def _answer(self, asked: _Asked, written: Any, ids: list[int], text: str) -> Answer:
        """The answer that ends with the output ``written``; ``ids`` are all of its tokens."""
        return Answer(
            text=text,
            confidence=written.cumulative_logprob / len(ids) if ids else math.nan,
            scores=None,
            prompt_tokens=len(asked.prompts[0]),
            completion_tokens=len(ids),
            finish_reason=written.finish_reason,
            trimmed=asked.trimmed,
        )

    def _text(self, prompt: list[int], ids: list[int], finish_reason: str) -> str:
        """The text of ``ids`` as the continuation of ``prompt``, without the token that ended it."""
        if finish_reason == "stop":
            ids = ids[:-1]
        before = prompt[-TOKENS_BEFORE:]
        skip = not self.shows_special_tokens
        beginning = self.tokenizer.decode(before, skip_special_tokens=skip)
        whole = self.tokenizer.decode(before + ids, skip_special_tokens=skip)
        alone = not whole.startswith(beginning)
        text = self.tokenizer.decode(ids, skip_special_tokens=skip) if alone else whole[len(beginning) :]
        return text.rstrip(INCOMPLETE) if finish_reason == "length" else text

    def _lacks_scores(self, output: Any, asked: _Asked, part: int) -> bool:
        """Whether tokens of the option itself came from the cache, because another option begins alike."""
        assert asked.prepared is not None
        # A token's log-probability is computed with the token before it.
        needed = len(asked.prompts[part]) - asked.prepared.branches.scored[part] - 1
        return (output.num_cached_tokens or 0) > needed

    def _chosen(self, asked: _Asked, prepared: Prepared) -> Answer:
        sums = [
            sum(
                asked.outputs[part].prompt_logprobs[at][prompt[at]].logprob
                for at in range(len(prompt) - scored, len(prompt))
            )
            for part, (prompt, scored) in enumerate(zip(asked.prompts, prepared.branches.scored, strict=True))
        ]
        return chosen(asked.request, prepared, np.array(sums))

    def abandon(self) -> None:
        """Give up the requests in flight."""
        names = [f"{number}-{part}" for number, asked in self.asked.items() for part in range(len(asked.prompts))]
        self.asked.clear()
        # The engine core may have died, which ends them as well.
        if self.model is not None and not self._is_dead():
            self.model.llm_engine.abort_request(names)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts`` by the last layer, pooled: (n, d) float32, rows of length 1. A text too long loses its end."""
        limits = cut(self.settings.max_model_len)
        inputs: Any = [{"prompt_token_ids": self.tokenizer(text, **limits)["input_ids"]} for text in texts]
        while True:
            try:
                outputs = self.model.embed(inputs, use_tqdm=False)
                return of_length_one([output.outputs.embedding for output in outputs])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            self._recover(reason)
            self.model = self._load()

    def close(self) -> None:
        """Free the model's memory, so that another one can be loaded."""
        if self.model is None:
            return
        core = self.model.llm_engine.engine_core
        self.asked.clear()
        self.model = None
        core.shutdown()
        self._free()

    def _load(self) -> Any:
        """Load the model with a batch as large as the memory allows.

        Raises:
            UserError: vLLM cannot load the files, or even a small batch does not fit.
        """
        import vllm

        while True:
            os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(self.in_own_process))
            try:
                with dependent_forks():
                    model = vllm.LLM(str(self.settings.weights), **self._options())
            except Exception as error:
                if not self.in_own_process and not is_out_of_memory(error):
                    raise cannot_load("vLLM", self.settings.weights, error) from error
                reason = str(error)
            else:
                scheduling = model.llm_engine.vllm_config.scheduler_config
                self.requests, self.budget = scheduling.max_num_seqs, scheduling.max_num_batched_tokens
                self._watch(model.llm_engine.engine_core)
                return model
            self._recover(reason)

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

    def _may_reload(self, error: Exception) -> bool:
        """Whether a reload may help: the memory ran out, or the engine core died, which does not say of what."""
        if self._is_dead():
            return not self.is_stopped
        return is_out_of_memory(error)

    def _watch(self, core: Any) -> None:
        """If the engine core's own process is killed, vLLM 0.32 would wait for its output for ever."""
        self.processes = []
        if self.in_own_process:
            self.processes = core.resources.engine_manager.processes
            on_death(self.processes, lambda: core.outputs_queue.put(RuntimeError("the engine core was killed")))

    def _is_dead(self) -> bool:
        """Whether the engine core ran in a process of its own, which has died."""
        return self.in_own_process and has_died(self.processes)

    def _recover(self, reason: str) -> None:
        """Free the memory of the last load and prepare the next one.

        An engine core in a process of its own fails without telling why. The next one runs in this process, where it does.

        Raises:
            UserError: the batch has already been halved RELOADS times.
        """
        self.model = None
        if self.in_own_process:
            self.in_own_process = False
            print("the engine core failed: loading the model again, in this process", file=sys.stderr, flush=True)
        else:
            self._halve_batch(reason)
        self._free()

    def _halve_batch(self, reason: str) -> None:
        """Halve the batch for the next load.

        Raises:
            UserError: the batch has already been halved RELOADS times.
        """
        requests, budget = self.requests or BATCH_REQUESTS, self.budget or BATCH_TOKENS
        if self.reloads == RELOADS:
            raise UserError(
                f"the memory is too small for the model in {self.settings.weights}, even with {requests} requests and "
                f"{budget} tokens at a time ({' '.join(reason.split())[:200]}). Lower max_model_len (now "
                f"{self.settings.max_model_len}), raise gpus (now {self.settings.gpus}), or stop other programs that use "
                "the memory, then run the same command again to resume."
            )
        self.reloads += 1
        self.requests = requests // 2
        # Without chunked prefill, the longest prompt has to fit into one step.
        whole = not self.on_gpu or self.settings.pooling is not None
        self.budget = max(budget // 2, self.settings.max_model_len if whole else LEAST_BATCH_TOKENS)
        print(
            f"out of memory: reloading the model for {self.requests} requests and {self.budget} tokens at a time",
            file=sys.stderr,
            flush=True,
        )

    def _free(self) -> None:
        from vllm.distributed import cleanup_dist_env_and_memory

        gc.collect()
        cleanup_dist_env_and_memory()
