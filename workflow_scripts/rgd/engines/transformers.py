"""Likelihood answering and embedding with transformers: for small models, and for machines without a GPU."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.likelihood import Branches, chosen, prepare
from rgd.engines.memory import is_out_of_memory
from rgd.engines.pooling import cut, pooled
from rgd.errors import UserError
from rgd.weights.cache import cannot_load

# Tokens per forward pass. Measured on a CPU with bfloat16: below 300 the weights are read too often, above 600 the
# activations no longer fit the processor's cache.
BATCH_TOKENS = 448
# The same for an encoder, which is far smaller.
EMBED_TOKENS = 2560


def load(settings: EngineSettings) -> "TransformersEngine":
    """The engine with the model of ``settings`` in memory."""
    return TransformersEngine(settings)


@dataclass(frozen=True)
class Tree:
    """Several questions as one tree of n tokens: the model's input, and the log-probabilities to read from its output."""

    ids: np.ndarray  # (n,) int64
    positions: np.ndarray  # (n,) int64: a token's depth
    allowed: np.ndarray  # (n, n) bool: row attends to column, which is itself or one of its ancestors
    predictors: np.ndarray  # (t,) int64: the node that predicts each scored token
    targets: np.ndarray  # (t,) int64: the scored tokens
    owners: np.ndarray  # (t,) int64: the option, counted over all questions of the tree


class TransformersEngine:
    """A causal language model or a sentence encoder in this process."""

    def __init__(self, settings: EngineSettings) -> None:
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.provenance = {
            "engine": "transformers",
            "version": transformers.__version__,
            "torch": torch.__version__,
            "device": self.device,
            "threads": settings.threads,
        }
        folder = str(settings.weights)
        # Without this, a model that brings code of its own asks on the terminal whether to run it.
        plain: dict[str, Any] = {"trust_remote_code": False}
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **plain)
            writes = settings.pooling is None and any(
                name.endswith("ForCausalLM") for name in config.architectures or ()
            )
            kind = transformers.AutoModelForCausalLM if writes else transformers.AutoModel
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **plain)
            model: Any = kind.from_pretrained(
                folder, dtype=getattr(torch, settings.dtype), attn_implementation="sdpa", **plain
            )
            self.model = model.to(self.device).eval()
        except Exception as error:
            if is_out_of_memory(error):
                raise self._too_little_memory("the model alone", error) from error
            raise cannot_load("transformers", folder, error) from error

    def close(self) -> None:
        """Free the model's memory."""
        del self.model

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text as the continuation of the prompt.

        The convention is that of :mod:`rgd.engines.likelihood`. A beginning that several texts share is computed once
        (see :func:`grow`), and one that all texts share is computed once for all batches.

        Raises:
            UserError: a request has no options, or does not fit the model even without its question.
        """
        import torch
        import transformers

        prepared = [prepare(self.tokenizer, request, self.settings) for request in requests]
        answers: list[Answer | None] = [None] * len(requests)
        common = _common_length([item.branches.prefix for item in prepared])
        beginning = transformers.DynamicCache()
        # This order puts questions with a common beginning next to each other.
        order = sorted(range(len(prepared)), key=lambda index: prepared[index].branches.prefix)
        sizes = [prepared[index].branches.length - common for index in order]

        def score_batch(batch: Sequence[int]) -> None:
            nonlocal beginning
            # The cache of a batch that ran out of memory is not reused for the next batch.
            known, beginning = beginning, transformers.DynamicCache()
            indices = [order[place] for place in batch]
            sums = self._option_sums([prepared[index].branches for index in indices], known)
            known.crop(common)
            beginning = known
            for index, option_sums in zip(indices, sums, strict=True):
                answers[index] = chosen(requests[index], prepared[index], option_sums)

        with torch.inference_mode():
            self._each(_batches(sizes, self.settings.batch_tokens or BATCH_TOKENS), score_batch)
        return [answer for answer in answers if answer is not None]

    def _option_sums(self, batch: Sequence[Branches], beginning: Any) -> list[np.ndarray]:
        """Per question, the summed log-probability of each option, float64.

        Args:
            batch: the questions.
            beginning: cache of the first tokens of all questions, which are not computed again; the others are added.
        """
        import torch

        tree = grow(batch)
        known = beginning.get_seq_length()
        asked, where = np.unique(tree.predictors - known, return_inverse=True)
        allowed = torch.from_numpy(tree.allowed[known:])[None, None].to(self.device)
        logits = self.model(
            input_ids=torch.from_numpy(tree.ids[known:])[None].to(self.device),
            position_ids=torch.from_numpy(tree.positions[known:])[None].to(self.device),
            attention_mask=allowed,
            logits_to_keep=torch.from_numpy(asked).to(self.device),
            past_key_values=beginning,
        ).logits[0]
        log_normaliser = torch.logsumexp(logits.float(), dim=-1)
        rows, columns = torch.from_numpy(where).to(self.device), torch.from_numpy(tree.targets).to(self.device)
        picked = logits[rows, columns].float() - log_normaliser[rows]
        counts = [len(item.branches) for item in batch]
        sums = np.bincount(tree.owners, weights=picked.cpu().numpy(), minlength=sum(counts))
        return np.split(sums, np.cumsum(counts)[:-1])

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Unsupported: it would be three to five times slower than vLLM on the same machine."""
        raise UserError("the engine transformers does not write text: set engine: vllm, or way: likelihood.")

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts`` by the last layer's vectors, their mean or the last one: (n, d) float32, rows of length 1."""
        import torch

        limits = cut(self.settings.max_model_len)
        lengths = [len(ids) for ids in self.tokenizer(list(texts), **limits)["input_ids"]]
        vectors: list[np.ndarray | None] = [None] * len(texts)

        def embed_batch(batch: Sequence[int]) -> None:
            fed = self.tokenizer([texts[i] for i in batch], **limits, padding=True, return_tensors="pt").to(self.device)
            rows = pooled(self.model(**fed).last_hidden_state, fed["attention_mask"], self.settings.pooling)
            for index, row in zip(batch, rows.cpu().numpy(), strict=True):
                vectors[index] = row

        with torch.inference_mode():
            self._each(_alike(lengths, self.settings.batch_tokens or EMBED_TOKENS), embed_batch)
        return np.array(vectors, dtype=np.float32).reshape(len(texts), -1)

    def _each(self, batches: Iterable[list[int]], compute: Callable[[Sequence[int]], None]) -> None:
        """Compute every batch; split a batch that runs out of memory into halves.

        Raises:
            UserError: a single text does not fit.
        """
        import torch

        waiting = deque(batches)
        while waiting:
            batch = waiting.popleft()
            try:
                compute(batch)
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise self._too_little_memory("a single text", error) from error
            # Outside the except block, where the error no longer holds on to the batch's memory.
            print(f"out of memory: computing {len(batch)} texts in two halves", file=sys.stderr, flush=True)
            torch.cuda.empty_cache()
            half = len(batch) // 2
            waiting.extendleft([batch[half:], batch[:half]])

    def _too_little_memory(self, what: str, error: BaseException) -> UserError:
        return UserError(
            f"the memory of the {self.device} is too small for {what} with the model in {self.settings.weights} "
            f"({' '.join(str(error).split())[:200]}). Lower max_model_len (now {self.settings.max_model_len}), use a smaller "
            "model, or stop other programs that use the memory, then run the same command again to resume."
        )


def grow(batch: Sequence[Branches]) -> Tree:
    """Merge every question with each of its options into one tree, in which texts share their common beginnings.

    A token attends to its ancestors, and its position is its depth, so each option is computed as if it were alone,
    while a shared worked example, question or first digits of an option are computed once. The last token of an option
    predicts nothing that is scored, so it is left out.
    """
    nodes: dict[tuple[int, int], int] = {}
    ids: list[int] = []
    parents: list[int] = []
    scored: list[tuple[int, int, int]] = []
    owner = 0
    for item in batch:
        for branch, count in zip(item.branches, item.scored, strict=True):
            text = item.prefix + branch
            node = -1
            for index, token in enumerate(text):
                if index >= len(text) - count:
                    scored.append((node, token, owner))
                if index == len(text) - 1:
                    break
                if (node, token) not in nodes:
                    nodes[node, token] = len(ids)
                    ids.append(token)
                    parents.append(node)
                node = nodes[node, token]
            owner += 1
    positions = np.zeros(len(ids), np.int64)
    allowed = np.eye(len(ids), dtype=bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            positions[node] = positions[parent] + 1
            allowed[node] |= allowed[parent]
    predictors, targets, owners = np.array(scored, np.int64).T
    return Tree(np.array(ids, np.int64), positions, allowed, predictors, targets, owners)


def _common_length(prefixes: Sequence[list[int]]) -> int:
    """How many first tokens all prefixes share; at least one token of each is left over."""
    limit = min((len(prefix) for prefix in prefixes), default=1) - 1
    columns = zip(*(prefix[:limit] for prefix in prefixes), strict=True)
    return next((index for index, column in enumerate(columns) if len(set(column)) > 1), limit)


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices, in order, in groups of at most ``budget`` tokens; at least one index per group."""
    group: list[int] = []
    used = 0
    for index, length in enumerate(lengths):
        if group and used + length > budget:
            yield group
            group, used = [], 0
        group.append(index)
        used += length
    if group:
        yield group


def _alike(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """As :func:`_batches`, but with texts of similar length in a group, which need little padding."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    for group in _batches([lengths[index] for index in order], budget):
        yield [order[place] for place in group]
