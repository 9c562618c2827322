"""Likelihood answering and embedding with transformers: for small models, and for machines without a GPU."""

import copy
import gc
import itertools
import os
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
from rgd.engines.trees import common_length, grow, plant
from rgd.errors import UserError
from rgd.weights.cache import cannot_load

_Item = TypeVar("_Item")

# Tokens per forward pass by device. Measured on a CPU with bfloat16: below 300 the weights are read too often, above 600
# the activations no longer fit the processor's cache. On a GPU a small pass takes as long as a large one.
BATCH_TOKENS = {"cpu": 448, "cuda": 16_384}
# Tokens of a tree of questions (see rgd.engines.trees), whose attention mask grows with their square.
TREE_TOKENS = 448
# Tokens per forward pass of an encoder, which is far smaller.
EMBED_TOKENS = {"cpu": 2560, "cuda": 65_536}
# Rows of logits whose normaliser is computed at a time: few, so that they stay in the processor's cache.
ROWS = {"cpu": 8, "cuda": 1024}
# Requests of a wave (see TransformersEngine): enough that most questions have neighbours with the same beginning.
WAVE = 512


def load(settings: EngineSettings) -> "TransformersEngine":
    """The engine with the model of ``settings`` in memory."""
    return TransformersEngine(settings)


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
        # The tokenizer encodes the texts of a question on several threads; this is read on its first use.
        os.environ["RAYON_NUM_THREADS"] = str(settings.threads)
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self._added: list[_Asked] = []
        # Of the wave that is computed: its batches, whose questions have the number of their tree; the first tokens, which
        # all its texts share, and their cache.
        self._batches: deque[list[tuple[int, _Asked]]] = deque()
        self._common: list[int] = []
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

        def score(batch: Sequence[tuple[int, _Asked]]) -> None:
            sums = self._option_sums([(tree, asked.prepared.branches) for tree, asked in batch])
            for (_, asked), of_options in zip(batch, sums, strict=True):
                answered.append((asked.request, chosen(asked.request, asked.prepared, of_options)))

        if self._batches:
            with torch.inference_mode():
                self._compute_first(self._batches, score)
        return answered

    def abandon(self) -> None:
        """Give up the requests in flight."""
        self._added, self._batches, self._common, self._beginning = [], deque(), [], None

    def close(self) -> None:
        """Free the model's memory."""
        import torch

        self.abandon()
        self.model = None
        gc.collect()
        torch.cuda.empty_cache()

    def _begin_wave(self) -> None:
        """Make batches of what was added: questions of a common beginning in a tree, trees of similar size in a batch."""
        wave = sorted(self._added, key=lambda asked: asked.prepared.branches.prefix)
        self._added, self._common, self._beginning = [], [], None
        budget = self.settings.batch_tokens or BATCH_TOKENS[self.device]
        prefixes = [asked.prepared.branches.prefix for asked in wave]
        lengths = [asked.prepared.branches.length for asked in wave]
        if sum(lengths) > budget:
            # In this order the first and the last one share what all share. At least one token of each is left over.
            shared = min(common_length(prefixes[0], prefixes[-1]), *(len(prefix) - 1 for prefix in prefixes))
            self._common = prefixes[0][:shared]
            lengths = [length - shared for length in lengths]
        trees = list(_batches(lengths, min(TREE_TOKENS, budget)))
        sizes = [sum(lengths[place] for place in tree) for tree in trees]
        self._batches = deque(
            [(number, wave[place]) for number in numbers for place in trees[number]]
            for numbers in _padded(sizes, budget)
        )

    def _option_sums(self, batch: Sequence[tuple[int, Branches]]) -> list[np.ndarray]:
        """Per question, the summed log-probability of each option, float64.

        Args:
            batch: the questions, each with the number of its tree; those of a tree follow each other.
        """
        import torch

        known = len(self._common)
        trees = [
            grow([branches for _, branches in members], known)
            for _, members in itertools.groupby(batch, key=lambda member: member[0])
        ]
        forest = plant(trees)

        def there(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(values).to(self.device)

        starts, ends = there(forest.starts)[:, None, None, :], there(forest.ends)[:, None, None, :]
        follows = starts.mT
        allowed = (starts <= follows) & (follows < ends)
        allowed = torch.nn.functional.pad(allowed, (known, 0), value=True)
        logits = self.model(
            input_ids=there(forest.ids),
            position_ids=there(forest.positions),
            attention_mask=allowed,
            logits_to_keep=forest.kept,
            past_key_values=self._cache(len(trees)),
        ).logits
        targets = there(np.concatenate([tree.targets for tree in trees]))
        places = there(forest.rows * forest.kept + forest.columns)
        flat = logits.flatten(0, 1)
        normalisers = torch.cat([torch.logsumexp(part.float(), dim=-1) for part in flat.split(ROWS[self.device])])
        picked = flat[places, targets].float() - normalisers[places]
        firsts = np.cumsum([0, *(tree.options for tree in trees)])
        owners = np.concatenate([tree.owners + first for tree, first in zip(trees, firsts[:-1], strict=True)])
        sums = np.bincount(owners, weights=picked.cpu().numpy(), minlength=firsts[-1])
        return np.split(sums, np.cumsum([len(branches.branches) for _, branches in batch])[:-1])

    def _cache(self, rows: int) -> Any:
        """A cache for ``rows`` texts, which holds the first tokens of the wave; these are computed once."""
        import torch
        import transformers

        if not self._common:
            return transformers.DynamicCache()
        if self._beginning is None:
            beginning = transformers.DynamicCache()
            first = torch.tensor([self._common], device=self.device)
            self.model(input_ids=first, past_key_values=beginning, logits_to_keep=1)
            self._beginning = beginning
        cache = copy.deepcopy(self._beginning)
        cache.batch_repeat_interleave(rows)
        return cache

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
            batches = deque(_alike(lengths, self.settings.batch_tokens or EMBED_TOKENS[self.device]))
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


def _padded(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices, longest first, in groups of at most ``budget`` tokens after padding; at least one index per group."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if group and (len(group) + 1) * lengths[group[0]] > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
