"""Leaving out what a model thinks before it answers, in every marking that is known."""

import re

# What opens and what closes a thought. A model's chat template often writes the opening mark, so that the text lacks it.
_NAMES = r"(?:[\w.-]+[:_])?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|inner_monologue|cot)"
_MARKS = {
    # DeepSeek-R1, Qwen3, EXAONE, Seed-OSS, Marco-o1 and many others.
    "tag": (rf"<{_NAMES}\s*>", rf"</\s?{_NAMES}\s*>"),
    # Magistral.
    "bracket": (r"\[THINK\]", r"\[/THINK\]"),
    # Kimi.
    "triangle": (r"◁think▷", r"◁/think▷"),
    # OpenThinker and Command A.
    "token": (
        r"<\|(?:begin_of_thought|START_THINKING|think_start|think|thinking)\|>",
        r"<\|(?:end_of_thought|END_THINKING|think_end|/think|/thinking)\|>",
    ),
    # MedGemma and Gemma.
    "unused": (r"<unused94>", r"<unused95>"),
    "half": (r"<\|channel>thought", r"<channel\|>"),
    # Open WebUI.
    "details": (r"<details type=\"reasoning\"[^>\n]{0,80}>", r"</details>"),
    # Ollama.
    "dots": (r"Thinking\.\.\.(?=\n)", r"\.\.\.done thinking\."),
    # Granite.
    "sentence": (r"Here is my thought process:", r"Here is my response:"),
}
_MARK = re.compile(
    "|".join(f"(?P<open_{kind}>{opening})|(?P<close_{kind}>{closing})" for kind, (opening, closing) in _MARKS.items()),
    re.IGNORECASE,
)
# A kind whose closing mark closes other things as well.
_OF_MANY = "details"
# Every mark begins with one of these, which are found faster.
_FIRST = re.compile(r"[<\[◁]")
_FIRST_WORDS = ("Here is my ", "Thinking...\n", "...done thinking.")

# The response format of gpt-oss (OpenAI's harmony): <|channel|>NAME<|message|>TEXT, one message after the other.
_CHANNEL = "<|channel|>"
_FINAL_CHANNEL = re.compile(r"<\|channel\|>final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_END_OF_MESSAGE = re.compile(r"<\|(?:end|return|start|call|channel)\|>")
# The same after a server dropped the special tokens.
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z\"'(*])")
_BARE_FINAL = "assistantfinal"


def _beginnings(text: str) -> list[int]:
    """The places where a mark may begin, in order."""
    found = [sign.start() for sign in _FIRST.finditer(text)]
    worded = [word for word in _FIRST_WORDS if word in text]
    if worded:
        found = sorted([*found, *(match.start() for word in worded for match in re.finditer(re.escape(word), text))])
    return found


def after_reasoning(text: str) -> str:
    """``text`` without its marked thoughts; all of ``text`` if nothing is marked.

    What precedes a closing mark without an opening one is a thought as well. A text that ends within a thought has no
    answer: it gives the empty text. Of gpt-oss, the last channel named ``final`` holds the answer.
    """
    if _CHANNEL in text:
        *_, last = _FINAL_CHANNEL.split(text)
        return _END_OF_MESSAGE.split(last)[0].strip() if _FINAL_CHANNEL.search(text) else ""
    if _BARE_ANALYSIS.match(text):
        return text.rpartition(_BARE_FINAL)[2].strip() if _BARE_FINAL in text else ""
    outside: list[str] = []
    start, inside = 0, None
    for mark in filter(None, (_MARK.match(text, place) for place in _beginnings(text))):
        action, _, kind = str(mark.lastgroup).partition("_")
        if kind == "tag":
            kind = mark.group().strip("</> \n").lower()
        if action == "open" and inside is None:
            outside.append(text[start : mark.start()])
            inside = kind
        elif action == "close" and (inside == kind or (inside is None and kind != _OF_MANY)):
            if inside is None:
                outside.clear()
            start, inside = mark.end(), None
    if inside is not None:
        return ""
    return "".join([*outside, text[start:]]).strip() if start else text
