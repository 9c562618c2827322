"""Asking the members that a decision names, and combining their answers by the router's vote."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
from rgd.engines.opening import close_at_exit, opened
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.tool.chat_requests import with_conversation
from rgd.tool.routing import Bundle, Decision


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


class OnlyRecorded(UserError):
    """A member whose answers come from files cannot be asked."""


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
            member = self.writers(decision)[0]
            answer = self._asked(member, render(self.spec(member)["prompt"], query), self.sampling(member))
            text = after_reasoning(answer.text)
            given = Given(
                member, text, None, _number(answer.confidence), answer.prompt_tokens, answer.completion_tokens
            )
            return Reply(text, None, variant, (given,), decision)
        check_options(options)
        turns = self.in_turn(query, options, vector, variant)
        try:
            member = next(turns)
            while True:
                answer = self._asked(member, self.question(member, query, options), self.sampling(member))
                member = turns.send(self.given(member, options, answer))
        except StopIteration as end:
            return self.voted(end.value, options, variant, decision)

    @staticmethod
    def voted(ended: tuple[str | None, list[Given]], options: Sequence[str], variant: str, decision: Decision) -> Reply:
        """The reply of members that were asked :meth:`in_turn`, given what that returns."""
        letter, given = ended
        text = "" if letter is None else options[ord(letter) - ord("A")]
        return Reply(text, letter, variant, tuple(given), decision)

    def variant(self, name: str | None) -> str:
        """The variant ``name``, or the router's first.

        Raises:
            UserError: there is no such variant.
        """
        known = self.bundle.variants
        if name is not None and name not in known:
            raise UserError(f"variant {name!r}: this router has {', '.join(known)}.")
        return known[0] if name is None else name

    def writers(
        self, decision: Decision, give_options: str = "Give options (--option; in a file, the column options)"
    ) -> list[str]:
        """The members that write text, highest-ranked first.

        Args:
            decision: the ranking.
            give_options: how the user gives a query options, as the beginning of a sentence.

        Raises:
            UserError: no member of the pool does.
        """
        specs = {ranked.member: self.specs[ranked.member] for ranked in decision.ranking}
        found = [member for member, spec in specs.items() if spec is not None and spec["way"] == GENERATE]
        if found:
            return found
        if not any(specs.values()):
            raise UserError(
                "no member of this pool can be asked: all have only recorded answers. Ask for decisions alone."
            )
        raise UserError(
            "this query has no options, and no member of this pool writes text: those that can be asked have way: likelihood, "
            f"which chooses among options. {give_options}, or add a member with way: generate to the pool and export the "
            "bundle again."
        )

    def spec(self, member: str) -> dict[str, Any]:
        """How ``member`` is asked.

        Raises:
            OnlyRecorded: it cannot be asked.
        """
        spec = self.specs[member]
        if spec is None:
            raise OnlyRecorded(
                f"{member} has only recorded answers, so it cannot be asked. Take the decision alone: `rgd route` without "
                "--answer, or /v1/decision."
            )
        return spec

    def engine(self, member: str) -> Engine:
        """The engine of ``member``, which the first call opens; members of one model share it.

        Raises:
            UserError: the member cannot be asked, or its model cannot be loaded.
        """
        spec = self.bundle.places.of(member, self.spec(member))
        key = repr([spec[name] for name in ("engine", "weights", "api", "max_model_len", "dtype", "chat")])
        if key not in self.engines:
            bundle = self.bundle
            self.engines[key] = self.stack.enter_context(opened(spec, bundle.cache, bundle.threads, bundle.use_hub))
            close_at_exit(self, self.stack)
        return self.engines[key]

    def sampling(self, member: str, wanted: Mapping[str, Any] | None = None) -> Sampling | None:
        """How ``member`` writes: the caller's temperature, top_p, max_tokens and seed, and its own where these are missing.

        None for a member that scores options.
        """
        spec = self.spec(member)
        return None if spec["way"] == LIKELIHOOD else Sampling(**{**spec["sampling"], **(wanted or {})})

    def question(self, member: str, query: str, options: Sequence[str], before: Sequence[Message] = ()) -> Request:
        """What ``member`` is asked for a question with options, after the turns of a conversation before it.

        Raises:
            UserError: the router's questions have no options.
        """
        spec = self.spec(member)
        # Bundles of earlier versions, and of questions that are answered by letters, name no kind.
        kind = spec.get("answer_kind", LETTER)
        if kind in WITHOUT_OPTIONS:
            raise UserError(
                f"the router's questions have no options (answer_kind {kind}), but this one has {len(options)}: ask it without."
            )
        request = render(spec["prompt"], query, options)
        return replace(request, messages=with_conversation(before, request.messages))

    def given(self, member: str, options: Sequence[str], answer: Answer) -> Given:
        """What a member has answered to a question with options."""
        spec = self.spec(member)
        kind = spec.get("answer_kind", LETTER)
        kind = OPTION_TEXT if kind == YES_NO else kind
        question = pa.table({"query_id": ["query"], "options": [list(options)], "answer_kind": [kind]})
        # Earlier bundles name no reader.
        row = response_rows(question, [vars(answer)], spec["way"], spec.get("reader", CAREFUL)).to_pylist()[0]
        return Given(
            member, answer.text, row["answer"], row["confidence"], answer.prompt_tokens, answer.completion_tokens
        )

    def _asked(self, member: str, request: Request, sampling: Sampling | None) -> Answer:
        engine = self.engine(member)
        return (engine.score([request]) if sampling is None else engine.generate([request], sampling))[0]

    def in_turn(
        self, query: str, options: Sequence[str], vector: np.ndarray, variant: str
    ) -> Generator[str, Given, tuple[str | None, list[Given]]]:
        """Yields the member to ask next and is sent its answer; returns the router's letter, and the answers in their order.

        The router sees each answer at once, so that it can stop early. The answers of members that were not asked are missing,
        and the router does not use them.

        Args:
            query: the question.
            options: its options' texts.
            vector: (1, d), the question's vector.
            variant: the router's variant.
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
            given[waiting[0]] = yield keys[waiting[0]]


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


def _number(value: float) -> float | None:
    return None if value != value else float(value)
