"""Asking the members that a decision names, and combining their answers by the router's vote."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.answers.extraction import CAREFUL
from rgd.answers.kinds import LETTER, OPTION_TEXT, WITHOUT_OPTIONS, YES_NO
from rgd.answers.pool import decode, encode
from rgd.answers.responses import GENERATE, LIKELIHOOD, response_rows
from rgd.answers.thoughts import after_reasoning
from rgd.datasets.base import MAX_OPTIONS, MIN_OPTIONS
from rgd.engines.base import Answer, Engine, Message, Request, Sampling
from rgd.engines.opening import opened
from rgd.engines.prompts import letter, render
from rgd.errors import UserError
from rgd.tool.routing import Bundle, Decision

_OPTION = re.compile(r"^\s*\(?([A-Z])[).:]\s+(.+?)\s*$")


@dataclass(frozen=True)
class Given:
    """One member's answer: its text and, if the question has options, the letter in it (None if unreadable)."""

    member: str
    text: str
    letter: str | None
    confidence: float | None
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Reply:
    """The answer that the asked members give together.

    Attributes:
        text: the chosen option's text, or what the asked member wrote.
        letter: the chosen option's letter; None if there are no options or no answer is readable.
        variant: the router's variant.
        given: each asked member's answer, highest-ranked member first.
        decision: the ranking that was followed.
    """

    text: str
    letter: str | None
    variant: str
    given: tuple[Given, ...]
    decision: Decision


class Answering:
    """The members of a bundle, each loaded when it is first asked and kept until :meth:`close`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.specs: dict[str, dict[str, Any] | None] = {each["key"]: each["asked"] for each in bundle.content.members}
        self.stack = ExitStack()
        self.engines: dict[str, Engine] = {}

    def close(self) -> None:
        """Free the models."""
        self.stack.close()

    def answer(self, query: str, options: Sequence[str] = (), variant: str | None = None) -> Reply:
        """Route ``query``, ask the members that ``variant`` asks, and let them vote.

        Without options there is nothing to vote on: only the highest-ranked member that writes text is asked.

        Args:
            query: the question.
            options: the options' texts; answers are letters.
            variant: the router's variant; by default its first.

        Raises:
            UserError: the variant is unknown, the options are invalid, or a member cannot be asked.
        """
        variant = self.variant(variant)
        vector = self.bundle.embed([query])
        decision = self.bundle.route_vectors(vector, [query])[0]
        if not options:
            member = self.writer(decision)
            spec = self.spec(member)
            answer = self._write(member, render(spec["prompt"], query), None)
            text = after_reasoning(answer.text)
            given = Given(
                member, text, None, _number(answer.confidence), answer.prompt_tokens, answer.completion_tokens
            )
            return Reply(text, None, variant, (given,), decision)
        check_options(options)
        voted, given_by = self._ask_in_turn(query, options, vector, variant)
        text = "" if voted is None else options[ord(voted) - ord("A")]
        return Reply(text, voted, variant, tuple(given_by), decision)

    def chat(self, decision: Decision, messages: Sequence[Message], sampling: dict[str, Any]) -> tuple[str, Answer]:
        """The highest-ranked member that writes text, and its answer to a conversation.

        Args:
            decision: the ranking for the conversation.
            messages: the whole conversation.
            sampling: the caller's temperature, top_p, max_tokens and seed; the member's own values fill in the rest.
        """
        member = self.writer(decision)
        return member, self._write(member, Request(tuple(messages), messages[-1].content), sampling)

    def variant(self, name: str | None) -> str:
        """The variant ``name``, or the router's first.

        Raises:
            UserError: there is no such variant.
        """
        known = self.bundle.variants
        if name is not None and name not in known:
            raise UserError(f"variant {name!r}: this router has {', '.join(known)}.")
        return known[0] if name is None else name

    def writer(self, decision: Decision) -> str:
        """The highest-ranked member that writes text.

        Raises:
            UserError: no member of the pool does.
        """
        for ranked in decision.ranking:
            spec = self.specs[ranked.member]
            if spec is not None and spec["way"] == GENERATE:
                return ranked.member
        raise UserError(
            "no member of this pool writes text: all of them score the options of a question. Give options (--option, or "
            "lines 'A. …' in the question)."
        )

    def spec(self, member: str) -> dict[str, Any]:
        """How ``member`` is asked.

        Raises:
            UserError: it cannot be asked.
        """
        spec = self.specs[member]
        if spec is None:
            raise UserError(f"{member} has only recorded answers, so it cannot be asked. Route without --answer.")
        return spec

    def _engine(self, member: str) -> Engine:
        spec = self.bundle.places.of(member, self.spec(member))
        # Members of one model share it.
        key = repr([spec[name] for name in ("engine", "weights", "api", "max_model_len", "dtype", "chat")])
        if key not in self.engines:
            bundle = self.bundle
            self.engines[key] = self.stack.enter_context(opened(spec, bundle.cache, bundle.threads, bundle.use_hub))
        return self.engines[key]

    def _write(self, member: str, request: Request, wanted: dict[str, Any] | None) -> Answer:
        sampling = Sampling(**{**self.spec(member)["sampling"], **(wanted or {})})
        return self._engine(member).generate([request], sampling)[0]

    def _chosen(self, member: str, query: str, options: Sequence[str]) -> Given:
        spec = self.spec(member)
        request = render(spec["prompt"], query, options)
        answer = (
            self._engine(member).score([request])[0]
            if spec["way"] == LIKELIHOOD
            else self._write(member, request, None)
        )
        # Bundles of earlier versions, and of questions that are answered by letters, name no kind; the former name no reader.
        kind = spec.get("answer_kind", LETTER)
        if kind in WITHOUT_OPTIONS:
            raise UserError(
                f"the router's questions have no options (answer_kind {kind}), but this one has {len(options)}: ask it without."
            )
        kind = OPTION_TEXT if kind == YES_NO else kind
        question = pa.table({"query_id": ["query"], "options": [list(options)], "answer_kind": [kind]})
        row = response_rows(question, [vars(answer)], spec["way"], spec.get("reader", CAREFUL)).to_pylist()[0]
        return Given(
            member, answer.text, row["answer"], row["confidence"], answer.prompt_tokens, answer.completion_tokens
        )

    def _ask_in_turn(
        self, query: str, options: Sequence[str], vector: np.ndarray, variant: str
    ) -> tuple[str | None, list[Given]]:
        """The letter that the router derives from the answers, and the answers in the order in which they were given.

        Members are asked one at a time, and the router sees each answer at once, so that it can stop early. The answers of
        members that were not asked are missing, and the router does not use them.
        """
        keys = self.bundle.keys
        queries = self.bundle.test_queries(vector, [len(options)])
        given: dict[int, Given] = {}
        while True:
            letters = [given[place].letter if place in given else None for place in range(len(keys))]
            codes, vocabulary = encode([[each] for each in letters])
            confidence = np.full((1, len(keys)), np.nan)
            for place, each in given.items():
                confidence[0, place] = np.nan if each.confidence is None else each.confidence
            routed = self.bundle.respond(queries, codes, confidence)
            waiting = [place for place in routed.asked[variant][0].tolist() if place >= 0 and place not in given]
            if not waiting:
                return decode(routed.answers[variant], vocabulary)[0], list(given.values())
            given[waiting[0]] = self._chosen(keys[waiting[0]], query, options)


def check_options(options: Sequence[str]) -> None:
    """Check a question's options.

    Raises:
        UserError: there are too few or too many, one is empty, or two are equal.
    """
    if not MIN_OPTIONS <= len(options) <= MAX_OPTIONS:
        raise UserError(f"there are {len(options)} options; a question has {MIN_OPTIONS} to {MAX_OPTIONS}.")
    stripped = [option.strip() for option in options]
    if not all(stripped) or len(set(stripped)) < len(stripped):
        raise UserError(f"an option is empty or repeated: {list(options)}. Give options that differ.")


def split_options(text: str) -> tuple[str, list[str]]:
    """The question in ``text`` and the options in its lines ``A. …``, ``B. …``; no options if there are no such lines.

    The lines start at A and are consecutive, with nothing but blank lines between them. Text after them is an
    instruction and not part of the question.
    """
    lines = text.splitlines()
    found: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        match = _OPTION.match(line)
        if match and match.group(1) == letter(len(found)):
            found.append((number, match.group(2)))
        elif found and line.strip():
            if len(found) >= MIN_OPTIONS:
                break
            found = []
    if len(found) < MIN_OPTIONS:
        return text.strip(), []
    question = "\n".join(lines[: found[0][0]]).strip()
    return (question, [option for _, option in found]) if question else (text.strip(), [])


def _number(value: float) -> float | None:
    return None if value != value else float(value)
