"""Likelihood answering, the part that engines share: which tokens belong to an option, and how their sum picks the answer.

The convention is the usual one of ``multiple_choice`` evaluation: prompt and option are tokenised together, the tokens
beyond the prompt's own count are the option's, and the sum of their log-probabilities is divided by the option's
length in bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request
from rgd.engines.prompts import context_text, fit_context, separator, tokens_of_each
from rgd.errors import UserError


@dataclass(frozen=True)
class Branches:
    """A question's prompt with its options as branches, in token ids.

    Attributes:
        prefix: tokens that all options share (at least one).
        branches: per option, the tokens after the prefix.
        scored: per option, how many tokens at the end of its branch belong to the option; the others belong to the prompt.
    """

    prefix: list[int]
    branches: list[list[int]]
    scored: list[int]

    @property
    def length(self) -> int:
        return len(self.prefix) + sum(len(branch) for branch in self.branches)


@dataclass(frozen=True)
class Prepared:
    """A request in token ids: its branches, the prompt's number of tokens, and whether the question was shortened."""

    branches: Branches
    prompt_tokens: int
    trimmed: bool


def prepare(tokenizer: Any, request: Request, settings: EngineSettings) -> Prepared:
    """Tokenise the prompt followed by each option, after shortening the question if it does not fit the model.

    Raises:
        UserError: the request has no options, or does not fit even without its question.
    """
    if not request.options:
        raise UserError(f"likelihood answering needs options; the question {request.question[:80]!r} has none.")
    messages, joint = request.messages, separator(request.messages)
    text = context_text(tokenizer, messages, settings.chat)
    # In one call, whose texts the tokenizer encodes in parallel.
    alone = [joint + option for option in request.options]
    context, *others = tokens_of_each(tokenizer, messages, [text, *alone, *(text + option for option in alone)])
    wholes, trimmed = others[len(alone) :], False
    # Two tokens of slack: the joined text may split into more tokens than prompt and option do separately.
    room = settings.max_model_len - max(map(len, others[: len(alone)])) - 2
    if len(context) > room:
        request, text, context, trimmed = fit_context(tokenizer, request, settings.chat, room)
        wholes = tokens_of_each(tokenizer, request.messages, [text + option for option in alone])
    return Prepared(split_branches(context, wholes), len(context), trimmed)


def split_branches(context: list[int], wholes: Sequence[list[int]]) -> Branches:
    """Split tokenised texts of prompt and option into their shared prefix and one branch each.

    The prefix ends where the prompt ends, or earlier if an option's first letters merged with the prompt's last token.
    At least one token of each option is scored, and at least one token precedes it.
    """
    starts = [min(len(context), len(whole) - 1) for whole in wholes]
    shared = min(starts)
    first = wholes[0]
    while any(whole[:shared] != first[:shared] for whole in wholes):
        shared -= 1
    if shared < 1:
        raise UserError("likelihood answering needs a prompt of at least one token before the options.")
    branches = [whole[shared:] for whole in wholes]
    return Branches(first[:shared], branches, [len(whole) - start for whole, start in zip(wholes, starts, strict=True)])


def chosen(request: Request, prepared: Prepared, sums: np.ndarray) -> Answer:
    """The option with the highest summed log-probability per byte; of equals, the first."""
    scores = sums / np.array([max(1, len(option.encode())) for option in request.options])
    best = int(scores.argmax())
    return Answer(
        text=request.options[best],
        confidence=float(scores[best]),
        scores=tuple(scores.tolist()),
        prompt_tokens=prepared.prompt_tokens,
        completion_tokens=sum(prepared.branches.scored),
        finish_reason="scored",
        trimmed=prepared.trimmed,
    )
