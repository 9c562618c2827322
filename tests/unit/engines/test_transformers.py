"""Likelihood with the prompt fed once against the plain way: a forward pass for each option."""

import weakref

import numpy as np
import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.likelihood import split_branches
from rgd.engines.prompts import context_text, render, separator, tokens
from rgd.errors import UserError
from tests import tiny_models
from tests.precision import on_gpu, tolerance

QUESTIONS = [
    ("What is the capital of France?", ["Paris", "Lyon", "Nice and its coast", "Pau"]),
    ("How many metres are in two kilometres?", ["2000 metres", "200", "2", "20"]),
    ("Which one?", ["one", "two"]),
    ("Do you agree, and if so, why would anybody ever say anything else about it?", ["Yes", "No", "Ж é", " "]),
]
TEMPLATES = {
    "text": "Question: What is 6 plus 5?\nAnswer: 11\n\nQuestion: {question}\nAnswer:",
    "chat": "[system]\nYou are a careful examiner.\n[user]\n{question}\n{options}",
    "begun": "[user]\n{question}\n[assistant]\nThe correct answer is",
    # Questions that share no token.
    "bare": "{question}",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: tiny_models.build(root / name, name) for name in ("qwen3", "llama")}


def plain_scores(folder, request):
    """One forward pass for each option, no tree, no batch: the definition."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text = context_text(tokenizer, request.messages, {})
    first = len(tokens(tokenizer, request.messages, text))
    scores = []
    for option in request.options:
        whole = tokens(tokenizer, request.messages, text + separator(request.messages) + option)
        start = min(first, len(whole) - 1)
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([whole])).logits[0], dim=-1)
        total = sum(float(logs[at - 1, whole[at]]) for at in range(start, len(whole)))
        scores.append(total / len(option.encode()))
    return scores


@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
@pytest.mark.parametrize("kind", list(TEMPLATES))
@pytest.mark.parametrize(
    ("tree_tokens", "batch_tokens"), [(448, 1), (448, 150), (448, 100_000), (40, 250), (40, 100_000)]
)
def test_trees_of_questions_score_as_each_option_alone(
    models, architecture, kind, tree_tokens, batch_tokens, monkeypatch
):
    monkeypatch.setattr("rgd.engines.transformers.TREE_TOKENS", tree_tokens)
    requests = [render(TEMPLATES[kind], question, options) for question, options in QUESTIONS]
    settings = EngineSettings(models[architecture], 1024, "float32", batch_tokens=batch_tokens)
    with open_engine("transformers", settings) as engine:
        answers = engine.score(requests)
    for request, answer in zip(requests, answers, strict=True):
        expected = plain_scores(models[architecture], request)
        np.testing.assert_allclose(answer.scores, expected, atol=tolerance(2e-5))
        best = int(np.argmax(expected))
        assert answer.text == request.options[best]
        assert answer.confidence == pytest.approx(expected[best], abs=tolerance(2e-5))
        assert not answer.trimmed


def assert_repeats(first, second):
    """On a CPU bit for bit; a GPU may add up in another order."""
    assert on_gpu() or first == second
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=tolerance(0))


def test_scoring_repeats(models):
    requests = [render(TEMPLATES["chat"], question, options) for question, options in QUESTIONS]
    with open_engine("transformers", EngineSettings(models["qwen3"], 1024, "float32")) as engine:
        assert_repeats(engine.score(requests), engine.score(requests))


def many(count):
    """Questions of which some begin alike, so that the order of computing is not that of asking."""
    return [
        render(TEMPLATES["text"], f"{'ABC'[number % 3]} and question {number}?", ["one", "two", f"{number} metres"])
        for number in range(count)
    ]


def test_a_stream_answers_each_request_once_wave_by_wave(models):
    asked = many(11)
    with open_engine("transformers", EngineSettings(models["qwen3"], 1024, "float32", batch_tokens=60)) as engine:
        whole = engine.score(asked)
        waves, most = [], 0
        for ended in engine.steps(iter(asked), None, window=4):
            most = max(most, engine.in_flight + len(ended))
            waves += [asked.index(request) // 4 for request, _ in ended]
            for request, answer in ended:
                expected = whole[asked.index(request)]
                np.testing.assert_allclose(answer.scores, expected.scores, atol=tolerance(2e-5))
                assert answer.text == expected.text
        # Whatever is added while a wave is computed waits for its end.
        assert waves == [0] * 4 + [1] * 4 + [2] * 3
        assert (most, engine.in_flight) == (4, 0)


def test_a_stream_repeats(models):
    with open_engine("transformers", EngineSettings(models["qwen3"], 1024, "float32", batch_tokens=60)) as engine:
        first, second = list(engine.stream(many(9))), list(engine.stream(many(9)))
    assert [request for request, _ in first] == [request for request, _ in second] != many(9)
    assert_repeats([answer for _, answer in first], [answer for _, answer in second])


def test_what_is_abandoned_has_no_effect_on_the_next_stream(models):
    with open_engine("transformers", EngineSettings(models["qwen3"], 1024, "float32", batch_tokens=60)) as engine:
        expected = engine.score(many(5))
        begun = engine.stream(many(9)[4:])
        next(begun)
        assert engine.in_flight > 0
        begun.close()
        assert engine.in_flight == 0
        assert_repeats(engine.score(many(5)), expected)


def test_closing_frees_the_models_memory(models):
    import torch

    before = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    with open_engine("transformers", EngineSettings(models["qwen3"], 1024, batch_tokens=60)) as engine:
        begun = engine.stream(many(9))
        next(begun)
        weights = [weakref.ref(tensor) for tensor in engine.model.parameters()]
        assert all(reference() is not None for reference in weights)
    assert [reference() for reference in weights] == [None] * len(weights)
    if torch.cuda.is_available():
        assert torch.cuda.memory_allocated() == before
    # A job may close what a failure has closed.
    engine.close()


def test_text_is_not_written(models):
    with (
        open_engine("transformers", EngineSettings(models["qwen3"], 256)) as engine,
        pytest.raises(UserError, match=r"engine: vllm"),
    ):
        engine.generate(many(1), Sampling(0.7, 0.95, 8, seed=0))


def test_a_long_question_is_trimmed_and_said_so(models):
    request = render(TEMPLATES["chat"], "Why and how " * 500, ["first", "second"])
    with open_engine("transformers", EngineSettings(models["qwen3"], 256, "float32")) as engine:
        answer = engine.score([request])[0]
    assert answer.trimmed
    assert 230 < answer.prompt_tokens < 256


def too_much(texts):
    """Fails as torch does where more than this many texts are computed at a time, after some memory was used."""

    def limited(compute):
        def run(batch, *rest, **more):
            found = compute(batch, *rest, **more)
            if len(batch) > texts:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return found

        return run

    return limited


def test_what_does_not_fit_into_the_memory_is_scored_in_halves(models, capsys):
    requests = [render(TEMPLATES["text"], question, options) for question, options in QUESTIONS]
    settings = EngineSettings(models["qwen3"], 1024, "float32", batch_tokens=100_000)
    with open_engine("transformers", settings) as engine:
        whole = engine.score(requests)
        engine._option_sums = too_much(1)(engine._option_sums)
        halved = engine.score(requests)
        assert capsys.readouterr().err.count("out of memory: ") == 3
        engine._option_sums = too_much(0)(engine._option_sums)
        with pytest.raises(UserError, match=r"max_model_len \(now 1024\)"):
            engine.score(requests)
    for one, other in zip(whole, halved, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=tolerance(2e-5))


def test_what_does_not_fit_into_the_memory_is_embedded_in_halves(tmp_path):
    folder, texts = tiny_models.build_encoder(tmp_path / "encoder"), ["Paris", "one two", "three", "Which one?"]
    with open_engine("transformers", EngineSettings(folder, 128, "float32")) as engine:
        whole = engine.embed(texts)
        tokenize = engine.tokenizer
        engine.tokenizer = lambda given, padding=False, **more: (too_much(2)(tokenize) if padding else tokenize)(
            given, padding=padding, **more
        )
        np.testing.assert_allclose(engine.embed(texts), whole, atol=tolerance(1e-5))


def test_other_errors_are_not_taken_for_a_lack_of_memory(models):
    def fails(*_):
        raise RuntimeError("illegal instruction")

    with open_engine("transformers", EngineSettings(models["qwen3"], 256)) as engine:
        engine._option_sums = fails
        with pytest.raises(RuntimeError, match="illegal"):
            engine.score([render("{question}", "What?", ["x"])])


def test_no_options_no_likelihood(models):
    with (
        open_engine("transformers", EngineSettings(models["qwen3"], 256)) as engine,
        pytest.raises(UserError, match=r"options.*'What\?'"),
    ):
        engine.score([render("{question}", "What?")])


def test_prefix_ends_before_a_merged_token():
    # The third option's first letters merged with the prompt's last token (3 became 9).
    branches = split_branches([1, 2, 3], [[1, 2, 3, 4, 5], [1, 2, 3, 6], [1, 2, 9, 7]])
    assert branches.prefix == [1, 2]
    assert branches.branches == [[3, 4, 5], [3, 6], [9, 7]]
    assert branches.scored == [2, 1, 1]


def test_an_option_swallowed_by_the_prompt_still_scores_a_token():
    branches = split_branches([1, 2, 3], [[1, 2, 3, 4], [1, 2, 8]])
    assert branches.prefix == [1, 2]
    assert branches.scored == [1, 1]


def test_embeddings_are_means_of_length_one(tmp_path):
    import torch
    import transformers

    folder = tiny_models.build_encoder(tmp_path / "encoder")
    texts = ["Paris", "How many metres are in two kilometres?", "x", "The correct answer is the second one."]
    with open_engine("transformers", EngineSettings(folder, 128, "float32", batch_tokens=20)) as engine:
        vectors = engine.embed(texts)
    model, tokenizer = (
        transformers.AutoModel.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    with torch.no_grad():
        plain = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy() for text in texts
        ]
    expected = np.array([vector / np.linalg.norm(vector) for vector in plain])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=tolerance(1e-5))


def test_unknown_engine_and_no_model(tmp_path):
    with pytest.raises(UserError, match=r"'vlm'.*transformers, vllm"), open_engine("vlm", EngineSettings(tmp_path, 10)):
        pass
    with (
        pytest.raises(UserError, match=r"transformers.*weights\.path"),
        open_engine("transformers", EngineSettings(tmp_path, 10)),
    ):
        pass
