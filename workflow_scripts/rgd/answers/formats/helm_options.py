"""HELM's runs with a request for each option: which option the model chose.

Each request ends in the text of one option, and its reply repeats the request with the log-probability of each token. As HELM's
BasicReferenceMetric does, ``multiple_choice_separate_original`` compares the mean log-probability of the option's tokens, and
``multiple_choice_separate_calibrated`` their sum, minus the sum for a request without the question. Of equal options the first
is chosen. HELM counts an option's tokens with the model's tokenizer; here they are the last tokens whose texts make up the option.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rgd.answers.formats.records import inside, number_of
from rgd.errors import UserError

ORIGINAL = "multiple_choice_separate_original"
CALIBRATED = "multiple_choice_separate_calibrated"

_BYTES = re.compile(r"bytes:((?:\\x[0-9a-fA-F]{2})+)")
# White space, and the sign that SentencePiece writes for it.
_SPACES = re.compile(rb"(?:\s|\xe2\x96\x81)+")


class Choice(NamedTuple):
    """The chosen option's place, and the mean log-probability of its tokens."""

    place: int
    confidence: float


def chosen(references: Sequence[str], states: Sequence[Mapping[str, Any]], method: str) -> Choice | None:
    """The option that the model finds likeliest; None if a log-probability is not known.

    Args:
        references: texts of the options.
        states: the request states of one instance.
        method: :data:`ORIGINAL` or :data:`CALIBRATED`.

    Raises:
        UserError: an option has no request.
    """
    by_request = {(state.get("request_mode") or "original", state.get("reference_index")): state for state in states}
    values: dict[str, list[list[float]]] = {"original": [], "calibration": []}
    for mode in ("original", "calibration") if method == CALIBRATED else ("original",):
        for place, reference in enumerate(references):
            state = by_request.get((mode, place))
            if state is None:
                raise UserError(f"the option {place} has no request ({mode})")
            found = _log_probabilities(state, reference)
            if found is None:
                return None
            values[mode].append(found)
    means = [sum(each) / len(each) for each in values["original"]]
    scores = means
    if method == CALIBRATED:
        scores = [
            sum(asked) - sum(alone) for asked, alone in zip(values["original"], values["calibration"], strict=True)
        ]
    place = scores.index(max(scores))
    return Choice(place, means[place])


def _log_probabilities(state: Mapping[str, Any], reference: str) -> list[float] | None:
    """Those of the option's tokens at the end of a reply; None if they are not known.

    A client that has no log-probabilities writes 0.0 for every token.
    """
    tokens = inside(state, "result", "completions", 0, "tokens")
    if not isinstance(tokens, list):
        return None
    values = [number_of(inside(token, "logprob")) for token in tokens]
    count = _count(
        [_bytes(inside(token, "text")) for token in tokens], _SPACES.sub(b"", reference.encode("utf-8", "replace"))
    )
    known = [value for value in values[len(values) - count :] if value is not None]
    return known if any(values) and count and len(known) == count else None


def _count(tokens: Sequence[bytes], wanted: bytes) -> int:
    """How many of the last tokens make up ``wanted``, in which there are no spaces, with a space before it; 0 if none do."""
    said, count = b"", 0
    for token in reversed(tokens):
        bare, is_whole = _SPACES.sub(b"", token), len(said) >= len(wanted)
        if is_whole and (bare or not token):
            break
        said, count = bare + said, count + 1
        if is_whole:
            break
    return count if wanted and said.endswith(wanted) else 0


def _bytes(text: Any) -> bytes:
    """A token's bytes, which may be written as ``bytes:\\xe2\\x80`` where they are no whole characters."""
    escaped = _BYTES.fullmatch(text) if isinstance(text, str) else None
    if escaped:
        return bytes.fromhex(escaped[1].replace("\\x", ""))
    return str(text or "").encode("utf-8", "replace")
