"""What an LLM writes about a query: skill keywords and a step back from it (arXiv 2601.09692, appendix C.2).

The paper shows its LLM the answer when it asks for the step back. Here the LLM sees only the question, in training and
test, since a query to be routed has no answer yet. It writes a tagged text::

    [KEYWORDS] proportions, multiplication, units of weight
    [STEP BACK] An amount has to be scaled from one number of portions to another.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rgd.answers.thoughts import after_reasoning
from rgd.artifacts import schemas

MOST_KEYWORDS = 5

_TAG = re.compile(r"^[ \t]*\[([A-Z][A-Z -]*)\]", re.MULTILINE)
_SEPARATOR = re.compile(r"[,;\n]")
# Bullets and numbers of lists, and full stops at the end.
_AROUND_KEYWORD = re.compile(r"^(?:[-*•]|\d+[.)])\s+|[\s.]+$")


@dataclass(frozen=True)
class Features:
    """Skill keywords, one to five, and a short text that describes the problem; each on one line."""

    keywords: tuple[str, ...]
    step_back: str


def parse(text: str) -> Features | None:
    """Read the first ``[KEYWORDS]`` of ``text`` outside its thoughts and the ``[STEP BACK]`` right after it.

    Tags begin a line. Keywords are separated by commas, semicolons or line breaks; duplicates count once, and at most five
    are kept. The step back ends at the next tag or with the text, so a truncated one is read as far as it goes.

    Returns:
        The features; None if a part is missing or empty.
    """
    text = after_reasoning(text)
    tags = list(_TAG.finditer(text))
    starts = [*(tag.start() for tag in tags), len(text)]
    parts = [(tag.group(1), text[tag.end() : end]) for tag, end in zip(tags, starts[1:], strict=True)]
    names = [name for name, _ in parts]
    first = names.index("KEYWORDS") if "KEYWORDS" in names else len(names)
    if names[first + 1 : first + 2] != ["STEP BACK"]:
        return None
    keywords, step_back = _keywords(parts[first][1]), " ".join(parts[first + 1][1].split())
    return Features(keywords, step_back) if keywords and step_back else None


def _keywords(text: str) -> tuple[str, ...]:
    distinct: dict[str, str] = {}
    for part in _SEPARATOR.split(text):
        keyword = " ".join(_AROUND_KEYWORD.sub("", part.strip()).split())
        if keyword:
            distinct.setdefault(keyword.casefold(), keyword)
    return tuple(distinct.values())[:MOST_KEYWORDS]


def feature_rows(query_ids: pa.ChunkedArray, texts: Sequence[str]) -> pa.Table:
    """The features in the LLM's ``texts`` for each query: the columns of schemas.FEATURES.

    A text that cannot be parsed gives no keywords and an empty step back.
    """
    found = [parse(text) for text in texts]
    return pa.table(
        {
            "query_id": query_ids,
            "keywords": pa.array([[] if one is None else list(one.keywords) for one in found], schemas.STRINGS),
            "step_back": pa.array(["" if one is None else one.step_back for one in found], pa.string()),
            "parsed": pa.array([one is not None for one in found], pa.bool_()),
        }
    )


def feature_vectors(features: pa.Table, embed: Callable[[list[str]], np.ndarray], dimension: int) -> np.ndarray:
    """The vectors of the joined keywords and of the step back, concatenated; zeros if there is no text.

    Args:
        features: keywords and step_back, n rows.
        embed: maps k texts to (k, dimension) float32; called once with the distinct texts, or not at all if there are none.
        dimension: dimension of one vector.

    Returns:
        (n, 2 dimension) float32.
    """
    columns = [[", ".join(words) for words in features["keywords"].to_pylist()], features["step_back"].to_pylist()]
    distinct = sorted({text for column in columns for text in column if text})
    vectors = np.zeros((len(distinct) + 1, dimension), dtype=np.float32)
    if distinct:
        vectors[:-1] = embed(distinct)
    row = {text: number for number, text in enumerate(distinct)} | {"": len(distinct)}
    return np.concatenate([vectors[[row[text] for text in column]] for column in columns], axis=1)
