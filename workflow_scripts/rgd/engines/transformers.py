"""Likelihood answering, writing and embedding with transformers: for small models, and for machines without a GPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.likelihood import Branches, chosen, prepare
from rgd.engines.weights import cannot_load
from rgd.errors import UserError

BATCH_TOKENS = 640


def load(settings: EngineSettings) -> "TransformersEngine":
    """The engine with the model of ``settings`` in memory."""
    return TransformersEngine(settings)


@dataclass(frozen=True)
class Packed:
    """Several questions in one row of n tokens: what is fed, and which log-probabilities are read off."""

    ids: np.ndarray  # (n,) int64
    positions: np.ndarray  # (n,) int64: a branch counts on from the end of its prefix
    allowed: np.ndarray  # (n, n) bool: row may look at column
    predictors: np.ndarray  # (t,) int64: index of the token before each scored token
    targets: np.ndarray  # (t,) int64: the scored tokens
    owners: np.ndarray  # (t,) int64: the option, counted over all questions of the row


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
        try:
            config = transformers.AutoConfig.from_pretrained(folder)
            writes = settings.pooling is None and any(
                name.endswith("ForCausalLM") for name in config.architectures or ()
            )
            kind = transformers.AutoModelForCausalLM if writes else transformers.AutoModel
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
            model: Any = kind.from_pretrained(folder, dtype=getattr(torch, settings.dtype), attn_implementation="sdpa")
        except Exception as error:
            raise cannot_load("transformers", folder, error) from error
        self.model = model.to(self.device).eval()

    def close(self) -> None:
        """Free the model's memory."""
        del self.model

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text as the continuation of the prompt.

        The convention is that of :mod:`rgd.engines.likelihood`; the prompt is fed once for all options (see :func:`pack`).

        Raises:
            UserError: a request has no options, or does not fit into the model without its question.
        """
        import torch

        prepared = [prepare(self.tokenizer, request, self.settings) for request in requests]
        answers: list[Answer | None] = [None] * len(requests)
        with torch.inference_mode():
            for batch in _batches(
                [item.branches.length for item in prepared], self.settings.batch_tokens or BATCH_TOKENS
            ):
                sums = self._option_sums([prepared[index].branches for index in batch])
                for index, option_sums in zip(batch, sums, strict=True):
                    answers[index] = chosen(requests[index], prepared[index], option_sums)
        return [answer for answer in answers if answer is not None]

    def _option_sums(self, batch: Sequence[Branches]) -> list[np.ndarray]:
        """Per question, the sum of log-probabilities of each option, float64."""
        import torch

        packed = pack(batch)
        asked, where = np.unique(packed.predictors, return_inverse=True)
        allowed = torch.from_numpy(packed.allowed)[None, None].to(self.device)
        logits = self.model(
            input_ids=torch.from_numpy(packed.ids)[None].to(self.device),
            position_ids=torch.from_numpy(packed.positions)[None].to(self.device),
            attention_mask=allowed,
            logits_to_keep=torch.from_numpy(asked).to(self.device),
            use_cache=False,
        ).logits[0]
        log_normaliser = torch.logsumexp(logits.float(), dim=-1)
        rows, columns = torch.from_numpy(where).to(self.device), torch.from_numpy(packed.targets).to(self.device)
        picked = logits[rows, columns].float() - log_normaliser[rows]
        counts = [len(item.branches) for item in batch]
        sums = np.bincount(packed.owners, weights=picked.cpu().numpy(), minlength=sum(counts))
        return np.split(sums, np.cumsum(counts)[:-1])

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Not offered: three to five times slower than vLLM on the same machine."""
        raise UserError("the engine transformers does not write text: set engine: vllm, or ask by likelihood.")

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the last layer, their mean over a text's tokens or the last one, scaled to length 1: (n, d) float32."""
        import torch

        limit = self.settings.max_model_len
        lengths = [len(ids) for ids in self.tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]]
        vectors: list[np.ndarray | None] = [None] * len(texts)
        with torch.inference_mode():
            for batch in _batches(lengths, self.settings.batch_tokens or 4 * BATCH_TOKENS):
                fed = self.tokenizer(
                    [texts[i] for i in batch], truncation=True, max_length=limit, padding=True, return_tensors="pt"
                )
                fed = fed.to(self.device)
                hidden = self.model(**fed).last_hidden_state.float()
                mask = fed["attention_mask"]
                if self.settings.pooling == "last":
                    # The last one that is no padding, on whichever side the tokenizer pads.
                    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
                    pooled = hidden[torch.arange(len(batch), device=mask.device), last]
                else:
                    shares = mask[..., None].float()
                    pooled = (hidden * shares).sum(dim=1) / shares.sum(dim=1)
                for index, row in zip(batch, torch.nn.functional.normalize(pooled, dim=1).cpu().numpy(), strict=True):
                    vectors[index] = row
        return np.array(vectors, dtype=np.float32).reshape(len(texts), -1)


def pack(batch: Sequence[Branches]) -> Packed:
    """Lay questions out in one row: what all prefixes begin with, then each prefix's rest followed by its branches.

    A token sees its own branch, its prefix and the common beginning, and position ids count along that path, so each
    option is computed as if it stood there alone while a worked example or a system prompt is computed once.
    """
    common = _common_length([item.prefix for item in batch]) if len(batch) > 1 else 0
    total = common + sum(item.length - common for item in batch)
    ids, positions = np.empty(total, np.int64), np.empty(total, np.int64)
    allowed = np.zeros((total, total), bool)
    predictors: list[np.ndarray] = []
    targets: list[list[int]] = []
    scored: list[int] = []

    def place(tokens_: list[int], at: int, position: int) -> int:
        stop = at + len(tokens_)
        ids[at:stop] = tokens_
        positions[at:stop] = np.arange(position, position + len(tokens_))
        allowed[at:stop, at:stop] = np.tri(len(tokens_), dtype=bool)
        allowed[at:stop, :common] |= at >= common
        return stop

    at = place(batch[0].prefix[:common], 0, 0)
    for item in batch:
        start = at
        end = at = place(item.prefix[common:], start, common)
        for branch, count in zip(item.branches, item.scored, strict=True):
            stop = place(branch, at, len(item.prefix))
            allowed[at:stop, start:end] = True
            predictors.append(np.concatenate([[end - 1], np.arange(at, stop - 1)])[len(branch) - count :])
            targets.append(branch[len(branch) - count :])
            scored.append(count)
            at = stop
    return Packed(
        ids,
        positions,
        allowed,
        np.concatenate(predictors),
        np.concatenate(targets).astype(np.int64),
        np.repeat(np.arange(len(scored)), scored),
    )


def _common_length(prefixes: Sequence[list[int]]) -> int:
    """How many first tokens all prefixes share, leaving at least one of each."""
    limit = min(len(prefix) for prefix in prefixes) - 1
    columns = zip(*(prefix[:limit] for prefix in prefixes), strict=True)
    return next((index for index, column in enumerate(columns) if len(set(column)) > 1), limit)


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in groups of similar length with about ``budget`` tokens each; at least one a group."""
    group: list[int] = []
    used = 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if group and used + lengths[index] > budget:
            yield group
            group, used = [], 0
        group.append(index)
        used += lengths[index]
    if group:
        yield group
