"""From a prompt file, a question and options to token ids that fit the model."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rgd.engines.base import Message, Request
from rgd.errors import UserError

_HEADER = re.compile(r"^[ \t]*\[(system|user|assistant)\][ \t]*$\n?", re.MULTILINE | re.IGNORECASE)
# A role with other signs around it, text after a header, or in brackets what others call these roles.
_LIKE_A_HEADER = re.compile(
    r"\W*(?:system|user|assistant)\W*|\W*\[(?:system|user|assistant)\].*|\W*\[(?:ai|bot|developer|human|model|tool)\]\W*",
    re.IGNORECASE,
)
QUESTION_PLACES = ("{question}", "{options}", "{option_texts}")
"""What a prompt about a question may have filled in."""
_PLACE = re.compile("|".join(map(re.escape, QUESTION_PLACES)))
# A word in braces, but none of LaTeX's such as \text{option}.
_WORD_IN_BRACES = re.compile(r"(?<![\w^\\])(?:\{\{\s*([A-Za-z_ -]+?)\s*\}\}|\{\s*([A-Za-z_ -]+?)\s*\})")
_LIKE_A_PLACE = 0.8
_ELLIPSIS = " … "
_BYTE_ORDER_MARK = "\ufeff"


def parse_prompt(template: str) -> tuple[Message, ...]:
    """The turns of a prompt file.

    A turn begins with a line ``[system]``, ``[user]`` or ``[assistant]``, in upper or lower case; a file without such
    lines is one ``text`` for a model that continues text. A final ``[assistant]`` turn is the beginning of the model's own
    answer. A byte order mark, the form of the line ends and blank lines around a turn do not count.

    Raises:
        UserError: there is text before the first turn.
    """
    parts = _HEADER.split(_plain(template))
    if len(parts) == 1:
        return (Message("text", parts[0].strip()),)
    if parts[0].strip():
        raise UserError(
            f"prompt: text before the first [user] or [system] line: {parts[0].strip()[:60]!r}; move it under one of them."
        )
    turns = zip(parts[1::2], parts[2::2], strict=True)
    return tuple(Message(role.lower(), content.strip()) for role, content in turns)


def in_one_form(template: str) -> str:
    """A prompt file's text in the one form that all files with the same turns have, so that equal prompts have equal keys.

    Raises:
        UserError: there is text before the first turn.
    """
    turns = parse_prompt(template)
    return "".join(turn.content + "\n" if turn.role == "text" else f"[{turn.role}]\n{turn.content}\n" for turn in turns)


def text_in_one_form(text: str) -> str:
    """:func:`in_one_form` of a text that has no turns, such as a worked example."""
    return _plain(text).strip() + "\n"


def unread_turn(template: str) -> tuple[int, str] | None:
    """The number and text of the first line that looks like the beginning of a turn but is none.

    Such are ``[user]:``, ``[user] text`` and ``[human]``.
    """
    for number, line in enumerate(_plain(template).split("\n"), start=1):
        if _LIKE_A_HEADER.fullmatch(line) and not _HEADER.fullmatch(line):
            return number, line.strip()
    return None


def mistyped_place(template: str, places: Sequence[str]) -> tuple[int, str, str] | None:
    """The number of the line, the text and what was meant of the first word in braces that is a mistyped place to fill in.

    Such are ``{Question}``, ``{{question}}``, ``{ options }`` and ``{optons}``.

    Args:
        template: the text of a prompt file.
        places: what is filled in, with its braces.
    """
    known = [place.strip("{}") for place in places]
    for number, line in enumerate(_plain(template).split("\n"), start=1):
        for found in _WORD_IN_BRACES.finditer(line):
            word = re.sub(r"[ -]+", "_", (found[1] or found[2]).lower())
            meant = difflib.get_close_matches(word, known, n=1, cutoff=_LIKE_A_PLACE)
            if found[0] not in places and meant:
                return number, found[0], f"{{{meant[0]}}}"
    return None


def _plain(text: str) -> str:
    return text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")


def render(template: str, question: str, options: Sequence[str] = (), *, draw: int = 0) -> Request:
    """Make a request from a prompt file.

    Filled in are ``{question}``, ``{options}`` (one line ``A. text`` per option) and ``{option_texts}`` (one line ``- text``).
    """
    listed = "\n".join(f"{letter(index)}. {option}" for index, option in enumerate(options))
    texts = "\n".join(f"- {option}" for option in options)
    values = {"{question}": question, "{options}": listed, "{option_texts}": texts}

    def fill(text: str) -> str:
        return _PLACE.sub(lambda found: values[found.group()], text)

    messages = tuple(Message(turn.role, fill(turn.content)) for turn in parse_prompt(template))
    return Request(messages, question, tuple(options), draw)


def letter(index: int) -> str:
    """The letter of option ``index``: 0 is A."""
    return chr(ord("A") + index)


def context_text(tokenizer: Any, messages: Sequence[Message], chat: Mapping[str, Any]) -> str:
    """The prompt as the model sees it: plain text, or the model's chat template around the turns."""
    if messages[0].role == "text":
        return messages[0].content
    model = getattr(tokenizer, "name_or_path", "") or "without a name"
    if not tokenizer.chat_template:
        raise UserError(
            f"the model {model} has no chat template, which a prompt with turns ([user] …) needs: give its ask a prompt file "
            "without such lines."
        )
    turns = [{"role": turn.role, "content": turn.content} for turn in messages]
    begun = messages[-1].role == "assistant"
    import jinja2

    try:
        return tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=not begun, continue_final_message=begun, **chat
        )
    except jinja2.TemplateError as error:
        roles = ", ".join(turn.role for turn in messages)
        raise UserError(
            f"the chat template of the model {model} rejects a prompt with the turns {roles}: {error}. If the model "
            "does not support a [system] turn, move its text to the beginning of the [user] turn."
        ) from error


def tokens(tokenizer: Any, messages: Sequence[Message], text: str) -> list[int]:
    """Token ids of ``text``, a prompt made of ``messages`` or its continuation.

    A chat template contains the special tokens itself; plain text gets those that the tokenizer puts before any text.
    """
    return tokenizer(text, add_special_tokens=messages[0].role == "text")["input_ids"]


def tokens_of_each(tokenizer: Any, messages: Sequence[Message], texts: Sequence[str]) -> list[list[int]]:
    """:func:`tokens` of each text, in one call."""
    return tokenizer(list(texts), add_special_tokens=messages[0].role == "text")["input_ids"]


def separator(messages: Sequence[Message]) -> str:
    """The text between prompt and option: nothing at the start of a turn, a space within a text."""
    return " " if messages[-1].role in ("text", "assistant") else ""


def fit_context(
    tokenizer: Any, request: Request, chat: Mapping[str, Any], room: int
) -> tuple[Request, str, list[int], bool]:
    """Shorten a prompt to at most ``room`` tokens: the request, its text, its token ids, and whether it was trimmed.

    Only the middle of the question is removed; options and instruction stay whole.

    Raises:
        UserError: the prompt is too long even without the question.
    """
    text, ids = _tokenised(tokenizer, request, chat)
    if len(ids) <= room:
        return request, text, ids, False
    best = None
    low, high = 0, len(request.question) - 1
    while low <= high:  # bisection for the most characters that fit
        kept = (low + high) // 2
        short = _shortened(request, kept)
        text, ids = _tokenised(tokenizer, short, chat)
        if len(ids) <= room:
            best, low = (short, text, ids, True), kept + 1
        else:
            high = kept - 1
    if best is None:
        raise UserError(
            f"a prompt has {len(ids)} tokens even without its question, but the model has room for {room}: raise "
            f"max_model_len, or shorten the prompt or the options. The question begins {request.question[:80]!r}."
        )
    return best


def _tokenised(tokenizer: Any, request: Request, chat: Mapping[str, Any]) -> tuple[str, list[int]]:
    text = context_text(tokenizer, request.messages, chat)
    return text, tokens(tokenizer, request.messages, text)


def _shortened(request: Request, kept: int) -> Request:
    """The request with ``kept`` characters of its question, half from its beginning and half from its end."""
    question = request.question
    short = question[: kept - kept // 2] + _ELLIPSIS + question[len(question) - kept // 2 :]
    turn = _turn_of(request)
    before, _, after = request.messages[turn].content.rpartition(question)
    messages = list(request.messages)
    messages[turn] = replace(messages[turn], content=before + short + after)
    return replace(request, messages=tuple(messages), question=short)


def _turn_of(request: Request) -> int:
    """Index of the last turn that contains the question."""
    found = [
        index for index, turn in enumerate(request.messages) if request.question and request.question in turn.content
    ]
    if not found:
        length = sum(len(turn.content) for turn in request.messages)
        raise UserError(
            f"a prompt of {length:,} characters is too long for the model and contains no question that could be shortened: raise max_model_len."
        )
    return found[-1]
