"""Likelihood answering and embedding with transformers: for small models, and for machines without a GPU."""

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from rgd.engines.base import Answer, Engine, EngineSettings, Request, Sampling
from rgd.engines.likelihood import Branches, Prepared, chosen, prepare
from rgd.engines.memory import is_out_of_memory
from rgd.engines.pooling import cut, pooled
from rgd.errors import UserError
from rgd.weights.cache import cannot_load

_Item = TypeVar("_Item")

# Tokens per forward pass. Measured on a CPU with bfloat16: below 300 the weights are read too often, above 600 the
# activations no longer fit the processor's cache.
BATCH_TOKENS = 448
# The same for an encoder, which is far smaller.
EMBED_TOKENS = 2560
# Requests of a wave (see TransformersEngine): enough that most questions have neighbours with the same beginning.
WAVE = 512


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


@dataclass(frozen=True)
class _Asked:
    """A request in flight."""

    request: Request
    prepared: Prepared


class TransformersEngine(Engine):
    """A causal language model or a sentence encoder in this process.

    Requests are computed in waves: all that were added when the last wave had ended, in batches, each with those of its
    neighbours' beginning. So what is computed together depends only on what was added and what has ended.
    """

    at_once = window = WAVE

    def __init__(self, settings: EngineSettings) -> None:
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        self.settings = settings
        # Of the wave that is computed: its batches, and the cache of its first tokens, which all its texts share.
        self._added: list[_Asked] = []
        self._batches: deque[list[_Asked]] = deque()
        self._common = 0
        self._beginning: Any = None
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
            self.model: Any = model.to(self.device).eval()
        except Exception as error:
            if is_out_of_memory(error):
                raise self._too_little_memory("the model alone", error) from error
            raise cannot_load("transformers", folder, error) from error

    @property
    def in_flight(self) -> int:
        """How many added requests have not ended."""
        return len(self._added) + sum(map(len, self._batches))

    def add(self, request: Request, sampling: Sampling | None) -> None:
        """Take a request, to score its options by the convention of :mod:`rgd.engines.likelihood`.

        Raises:
            UserError: it has no options, or does not fit the model even without its question; or ``sampling`` is given:
                writing text would take three to five times as long as with vLLM on the same machine.
        """
        if sampling is not None:
            raise UserError("the engine transformers does not write text: set engine: vllm, or way: likelihood.")
        self._added.append(_Asked(request, prepare(self.tokenizer, request, self.settings)))

    def step(self) -> list[tuple[Request, Answer]]:
        """Compute one batch; nothing ends if it runs out of memory and is split.

        Raises:
            UserError: a single question does not fit into the memory.
        """
        import torch

        if not self._batches:
            self._begin_wave()
        answered: list[tuple[Request, Answer]] = []

        def score(batch: Sequence[_Asked]) -> None:
            sums = self._option_sums([asked.prepared.branches for asked in batch])
            for asked, of_options in zip(batch, sums, strict=True):
                answered.append((asked.request, chosen(asked.request, asked.prepared, of_options)))

        if self._batches:
            with torch.inference_mode():
                self._compute_first(self._batches, score)
        return answered

    def abandon(self) -> None:
        """Give up the requests in flight."""
        self._added, self._batches, self._beginning = [], deque(), None

    def close(self) -> None:
        """Free the model's memory."""
        import torch

        self.abandon()
        self.model = None
        gc.collect()
        torch.cuda.empty_cache()

    def _begin_wave(self) -> None:
        """Make batches of what was added, with questions of a common beginning next to each other."""
        wave = sorted(self._added, key=lambda asked: asked.prepared.branches.prefix)
        self._added, self._beginning = [], None
        self._common = _common_length([asked.prepared.branches.prefix for asked in wave])
        sizes = [asked.prepared.branches.length - self._common for asked in wave]
        groups = _batches(sizes, self.settings.batch_tokens or BATCH_TOKENS)
        self._batches = deque([wave[place] for place in group] for group in groups)

    def _option_sums(self, batch: Sequence[Branches]) -> list[np.ndarray]:
        """Per question, the summed log-probability of each option, float64."""
        import torch
        import transformers

        tree = grow(batch)
        # The cache of a batch that runs out of memory is not reused for the next batch.
        beginning, self._beginning = self._beginning or transformers.DynamicCache(), None
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
        beginning.crop(self._common)
        self._beginning = beginning
        log_normaliser = torch.logsumexp(logits.float(), dim=-1)
        rows, columns = torch.from_numpy(where).to(self.device), torch.from_numpy(tree.targets).to(self.device)
        picked = logits[rows, columns].float() - log_normaliser[rows]
        counts = [len(item.branches) for item in batch]
        sums = np.bincount(tree.owners, weights=picked.cpu().numpy(), minlength=sum(counts))
        return np.split(sums, np.cumsum(counts)[:-1])

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
            batches = deque(_alike(lengths, self.settings.batch_tokens or EMBED_TOKENS))
            while batches:
                self._compute_first(batches, embed_batch)
        return np.array(vectors, dtype=np.float32).reshape(len(texts), -1)

    def _compute_first(self, batches: deque[list[_Item]], compute: Callable[[list[_Item]], None]) -> None:
        """Take the first batch and compute it; if it runs out of memory, put its halves in its place.

        Raises:
            UserError: a single text does not fit.
        """
        import torch

        batch = batches.popleft()
        try:
            compute(batch)
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise self._too_little_memory("a single text", error) from error
        # Outside the except block, where the error no longer holds on to the batch's memory.
        print(f"out of memory: computing {len(batch)} texts in two halves", file=sys.stderr, flush=True)
        torch.cuda.empty_cache()
        half = len(batch) // 2
        batches.extendleft([batch[half:], batch[:half]])

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
