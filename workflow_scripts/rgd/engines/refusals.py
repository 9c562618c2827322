"""What a server's refusal means: whether it concerns one request or all, and which parameter is not accepted.

No code for these is common to all servers, so the words of the refusal decide as well.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rgd.config.schema.models import NEUTRAL

UNASKED = ("logprobs", "stream_options", *NEUTRAL)
"""Parameters that requests have although no user has chosen their values."""

# The parts of an error that say what is wrong. Others may repeat the request, whose words must not count.
_TELLING = (
    "message",
    "msg",
    "error",
    "errors",
    "code",
    "type",
    "param",
    "loc",
    "status",
    "reason",
    "reasons",
    "detail",
    "details",
    "description",
    "innererror",
    "metadata",
    "raw",
    "base_resp",
    "status_msg",
    "status_code",
    "error_msg",
    "error_code",
)
_DEPTH = 6
_LONGEST = 4000

_BLOCKED = re.compile(
    r"content[ _-]?(?:filter|policy|exists risk|management policy|moderation)|data[ _-]?inspection|responsible ?ai ?policy"
    r"|violat\w*.{0,60}(?:guideline|polic|terms)|(?:guideline|polic)\w*.{0,20}violation|moderation|flagged|_sensitive\b"
    r"|sensitive[ _]?(?:content|information|word)|(?:text|image|input|output|prompt) is sensitive|inappropriate content"
    r"|censor|safety[ _](?:check|system|filter|polic|guideline|reason)|considered high risk|guardrail|prohibited[ _]content"
    r"|(?:harmful|unsafe|illegal) (?:content|input|prompt)|\bnsfw\b|prompt[ _]?blocked|敏感|违规|不安全|内容审核",
    re.I,
)
# Codes of Zhipu, MiniMax (input, output) and iFlytek Spark.
_BLOCKED_CODES = ("1301", "1026", "1027", "10013", "10014", "10019")
# An account that is closed for what it asked concerns every request.
_ACCOUNT = re.compile(
    r"(?:account|organi[sz]ation|project|user|team|key)\b.{0,60}\b(?:suspend|disabl|deactivat|terminat|bann|block|flagg|restrict)"
    r"|(?:suspend|disabl|deactivat|terminat|bann)\w*.{0,40}(?:account|organi[sz]ation|project|key)",
    re.I | re.S,
)
_BLOCKING_STATUS = (400, 403, 406, 422, 446, 451, 500)

_TOO_LONG = re.compile(
    r"context.{0,3}(?:length|window|size)|maximum context"
    r"|(?:prompt|input|text|message|request) (?:\(\d+ tokens\) )?(?:is |was )?too (?:long|large)"
    r"|token count.{0,40}exceeds|range of input length|too many (?:input )?tokens|reduce (?:the|your) (?:length|prompt|input)"
    r"|(?:prompt_tokens|prompt|inputs?)\W{1,3}(?:\(\d+\) )?(?:must|should) (?:be|have) (?:less|fewer) than"
    r"|max\w* (?:input|sequence) length"
    r"|max\w* allowed tokens|max_tokens_per_request"
    r"|(?:input|prompt|tokens?).{0,60}(?:exceed|longer than|larger than|greater than).{0,60}(?:max|limit|length|context|batch)"
    r"|string_above_max_length",
    re.I | re.S,
)

_UNSUPPORTED = re.compile(
    r"unsupported|n[o']t (?:yet |currently )?support|unrecogni[sz]ed|unknown(?!_error)|unexpected(?!_error)|extra[_ ](?:input|field|forbidden)"
    r"|not (?:be )?(?:permitted|allowed|available|accepted|implemented|recogni[sz]ed|enabled|valid|specified|used|set)"
    r"|\bonly\b|deprecated|incompatible|can ?not\b|can't|no longer|removed|disabled|not an? (?:valid|known)"
    r"|must (?:be )?(?:not|unset|omitted|removed|null|none)",
    re.I,
)
_SPELLED = {"logprobs": r"(?:top_)?logprobs?|log[- ]prob\w*", "seed": r"(?:random_)?seed"}
_PAIR = ("temperature", "top_p")
_NOT_BOTH = re.compile(r"\bboth\b|at the same time|together|simultaneous", re.I)
_STREAMS_ONLY = re.compile(
    r"non-?_? ?stream|\b(?:only|must|requires?|need|enable|use)\b.{0,60}\bstream"
    r"|\bstream(?:ing|ed)?\b.{0,40}\b(?:only|mandatory|required|must be (?:set to )?(?:true|enabled))",
    re.I | re.S,
)


@dataclass(frozen=True)
class Refusal:
    """An error that a server reports.

    Attributes:
        status: the HTTP status; 200 for an error inside a reply.
        message: what a person is shown.
        words: all that the error says, with its codes.
        code: the error's own code; empty if it has none.
        param: the parameter that the error names in a field of its own; empty if there is none.
    """

    status: int
    message: str
    words: str
    code: str = ""
    param: str = ""

    @classmethod
    def read(cls, status: int, body: Any) -> "Refusal":
        """The refusal in a reply's body: parsed JSON of any shape, or a text that is no JSON."""
        while isinstance(body, list) and body:
            body = body[0]
        whole = body if isinstance(body, dict) else {"message": body}
        error = whole.get("error") or whole
        inner: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
        words = " ".join(_words(whole, 0))[:_LONGEST]
        code = next((str(each) for each in (inner.get("code"), whole.get("code")) if isinstance(each, str | int)), "")
        if not code and isinstance(whole.get("base_resp"), dict):
            code = str(whole["base_resp"].get("status_code", ""))
        message, param = inner.get("message"), inner.get("param")
        shown = f"{message} {code}".strip() if isinstance(message, str) and message else words
        return cls(status, shown, words, code, param if isinstance(param, str) else "")

    @property
    def is_block(self) -> bool:
        """Whether a filter has refused this one request."""
        if self.status == 451:
            return True
        if self.status not in (*_BLOCKING_STATUS, 200) or _ACCOUNT.search(self.words):
            return False
        return self.code in _BLOCKED_CODES or _BLOCKED.search(self.words) is not None

    @property
    def is_too_long(self) -> bool:
        """Whether this one prompt is longer than the model or the server accepts."""
        return self.status == 413 or _TOO_LONG.search(self.words) is not None

    @property
    def needs_stream(self) -> bool:
        """Whether the server answers only as a stream."""
        return _STREAMS_ONLY.search(self.words) is not None

    def parameter(self, sent: Collection[str], model: str) -> str | None:
        """The parameter among ``sent`` that the refusal names as not accepted; None if it names none.

        Of :data:`UNASKED`, whose values no user has chosen, the name is enough: a server may refuse only the value.

        Args:
            sent: the parameters that the request had and may lose.
            model: the model's name, whose words do not count ("seed" is part of some).
        """
        words = self.param or re.sub(rf"(?<![\w.-]){re.escape(model)}(?![\w-])", "", self.words)
        candidates = sent if _UNSUPPORTED.search(self.words) else [name for name in sent if name in UNASKED]
        places = {name: place for name in candidates if (place := _mention(name, words)) is not None}
        if all(name in places for name in _PAIR) and _NOT_BOTH.search(words):
            return "top_p"
        return min(places, key=lambda name: places[name], default=None)


def _mention(name: str, words: str) -> int | None:
    """Where ``words`` name the parameter, as a word of its own such as top_k or topK; None if they do not."""
    spelled = _SPELLED.get(name, name.replace("_", "[_-]?"))
    found = re.search(rf"(?<![\w/-])(?:{spelled})(?![\w/-])", words, re.I)
    return found.start() if found else None


def _words(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value) if abs(value) < 10**9 else ""
    elif isinstance(value, list) and depth < _DEPTH:
        for item in value[:20]:
            yield from _words(item, depth + 1)
    elif isinstance(value, dict) and depth < _DEPTH:
        for key in _TELLING:
            if key in value:
                yield from _words(value[key], depth + 1)


def parsed(text: str) -> Any:
    """The JSON of a refusal's text, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
