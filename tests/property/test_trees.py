"""Trees of questions against their definition, and the tokens of likelihood answering against text by text."""

import functools
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.engines import EngineSettings
from rgd.engines.likelihood import Branches, Prepared, prepare, split_branches
from rgd.engines.prompts import fit_context, render, separator, tokens
from rgd.engines.trees import grow, plant
from rgd.errors import UserError
from tests import tiny_models

TOKEN = st.integers(0, 3)


@st.composite
def questions(draw):
    """A question in token ids, of a few letters so that many texts begin alike."""
    branches = draw(st.lists(st.lists(TOKEN, min_size=1, max_size=5), min_size=1, max_size=4))
    scored = [draw(st.integers(1, len(branch))) for branch in branches]
    return Branches(draw(st.lists(TOKEN, min_size=1, max_size=5)), branches, scored)


def paths(tree, beginning):
    """For each scored token: the option, the tokens that predict it in order of their depth, and the token itself."""
    for predictor, target, owner in zip(tree.predictors, tree.targets, tree.owners, strict=True):
        seen = [node for node in range(len(tree.ids)) if node <= predictor < tree.ends[node]]
        assert tree.positions[seen].tolist() == list(range(len(beginning), len(beginning) + len(seen)))
        yield int(owner), (*beginning, *tree.ids[seen].tolist()), int(target)


def expected(batch):
    owner = 0
    for item in batch:
        for branch, count in zip(item.branches, item.scored, strict=True):
            text = item.prefix + branch
            for at in range(len(text) - count, len(text)):
                yield owner, tuple(text[:at]), text[at]
            owner += 1


@given(st.lists(questions(), min_size=1, max_size=5), st.lists(TOKEN, max_size=3))
def test_a_scored_token_is_predicted_by_all_that_precedes_it(batch, beginning):
    batch = [Branches([*beginning, *item.prefix], item.branches, item.scored) for item in batch]
    tree = grow(batch, known=len(beginning))
    assert sorted(paths(tree, beginning)) == sorted(expected(batch))
    assert tree.options == sum(len(item.branches) for item in batch)
    # What begins alike is there once.
    every = {text[: end + 1] for _, text, _ in expected(batch) for end in range(len(beginning), len(text))}
    assert len(tree.ids) == len(every)


@given(st.lists(st.lists(questions(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_planted_trees_are_the_trees_with_their_predictors_at_the_end(batches):
    trees = [grow(batch) for batch in batches]
    forest = plant(trees)
    n = forest.ids.shape[1]
    assert n == max(len(tree.ids) for tree in trees)
    follows = (forest.starts[:, None, :] <= forest.starts[:, :, None]) & (
        forest.starts[:, :, None] < forest.ends[:, None, :]
    )
    found = iter(zip(forest.rows, forest.columns, strict=True))
    for row, tree in enumerate(trees):
        for predictor in tree.predictors:
            own_row, column = next(found)
            assert (own_row, 0 <= column < forest.kept) == (row, True)
            seen = np.flatnonzero(follows[row, n - forest.kept + column])
            order = np.argsort(forest.positions[row, seen])
            wanted = [node for node in range(len(tree.ids)) if node <= predictor < tree.ends[node]]
            assert forest.ids[row, seen][order].tolist() == tree.ids[wanted].tolist()
    # Every row attends to something, or its softmax is not a number.
    assert follows.any(axis=2).all()


@functools.cache
def tokenizer():
    import transformers

    return transformers.AutoTokenizer.from_pretrained(
        tiny_models.build(Path(tempfile.mkdtemp(prefix="rgd-test-")) / "model")
    )


def prepared_text_by_text(request, engine_settings):
    """The definition: each text by a call of its own, and the longest option before the prompt."""
    joint = separator(request.messages)
    longest = max(len(tokens(tokenizer(), request.messages, joint + option)) for option in request.options)
    room = engine_settings.max_model_len - longest - 2
    request, text, context, trimmed = fit_context(tokenizer(), request, engine_settings.chat, room)
    wholes = [tokens(tokenizer(), request.messages, text + joint + option) for option in request.options]
    return Prepared(split_branches(context, wholes), len(context), trimmed)


PIECES = st.sampled_from(
    [
        " ",
        "  ",
        "\n",
        "\t",
        "a",
        "Paris",
        " metres",
        "é",
        "e\u0301",
        "Ж",
        "漢",
        "🙂",
        "'s",
        "1",
        "2000",
        "<|im_end|>",
        ".",
        "…",
        "\u00a0",
    ]
)
TEXT = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=12))
PROMPTS = [
    "Question: {question}\nAnswer:",
    "[user]\n{question}\n{options}",
    "[user]\n{question}\n[assistant]\nIt is",
    "{question}",
]


@settings(max_examples=200)
@given(st.sampled_from(PROMPTS), TEXT, st.lists(TEXT, min_size=1, max_size=5), st.sampled_from([24, 40, 1024]))
def test_prepared_tokens_are_those_of_each_text_alone(prompt, question, options, max_model_len):
    request = render(prompt, question, options)
    engine_settings = EngineSettings(None, max_model_len)

    def outcome(way):
        try:
            return way()
        except UserError as error:
            return str(error)

    assert outcome(lambda: prepare(tokenizer(), request, engine_settings)) == outcome(
        lambda: prepared_text_by_text(request, engine_settings)
    )
