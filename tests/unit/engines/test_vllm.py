"""vLLM on a tiny random model, against transformers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import context_text, render, tokens
from rgd.errors import UserError
from tests import tiny_models

pytest.importorskip("vllm")

TEMPLATE = "[user]\n{question}\n{options}"
QUESTIONS = [
    ("What is the capital of France?", ["Paris", "Lyon", "Nice"]),
    ("How many metres are in two kilometres?", ["2000 metres", "200", "2"]),
    ("Which one?", ["one", "two", "three"]),
]
SAMPLING = Sampling(temperature=0.9, top_p=0.95, max_tokens=24, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.build(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(folder):
    with open_engine("vllm", EngineSettings(folder, 512, "float32", memory_gb=1)) as opened:
        yield opened


def requests(draws=2):
    return [render(TEMPLATE, question, options, draw=draw) for question, options in QUESTIONS for draw in range(draws)]


@pytest.mark.slow
def test_confidence_is_the_mean_log_probability_of_what_was_written(engine, folder, monkeypatch):
    import torch
    import transformers

    outputs = []
    run = engine._run

    def recording(*arguments):
        # The last run alone: one before it puts the prompts that several draws share into the cache.
        outputs[:] = run(*arguments)
        return outputs

    monkeypatch.setattr(engine, "_run", recording)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for request, answer, output in zip(requests(), engine.generate(requests(), SAMPLING), outputs, strict=True):
        prompt = tokens(tokenizer, request.messages, context_text(tokenizer, request.messages, {}))
        written = list(output.outputs[0].token_ids)
        assert (answer.prompt_tokens, answer.completion_tokens) == (len(prompt), len(written))
        assert answer.finish_reason == ("stop" if written[-1] == tokenizer.eos_token_id else "length")
        # vLLM holds back bytes at the very end that are no whole character.
        assert answer.text.rstrip("�") == tokenizer.decode(written, skip_special_tokens=True).rstrip("�")
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([prompt + written])).logits[0], dim=-1)
        expected = np.mean([float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(written)])
        assert answer.confidence == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_a_chunk_repeats_bit_for_bit_and_draws_differ(engine):
    first, second = engine.generate(requests(), SAMPLING), engine.generate(requests(), SAMPLING)
    assert first == second
    assert len({answer.text for answer in first}) == len(first)
    other = engine.generate(requests(), Sampling(0.9, 0.95, 24, seed=6))
    assert [answer.text for answer in other] != [answer.text for answer in first]


@pytest.mark.slow
def test_a_chunk_of_many_steps_is_answered_the_same_whatever_was_asked_before(engine):
    """Its prompts hold more tokens, and it has more requests, than a step of the engine takes."""
    many = [render(TEMPLATE, f"{number}: " + "many words " * 30, ["yes", "no"]) for number in range(300)]
    sampling = Sampling(temperature=0.9, top_p=0.95, max_tokens=8, seed=5)
    first = engine.generate(many, sampling)
    assert sum(answer.prompt_tokens for answer in first) > engine.budget
    assert len(first) > engine.requests
    engine.generate(many[:7] + requests(), sampling)
    assert engine.generate(many, sampling) == first


@pytest.mark.slow
def test_likelihood_agrees_with_transformers(engine, folder):
    with open_engine("transformers", EngineSettings(folder, 512, "float32")) as other:
        expected = other.score(requests(1))
    for ours, theirs in zip(engine.score(requests(1)), expected, strict=True):
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)
        assert (ours.text, ours.prompt_tokens, ours.completion_tokens) == (
            theirs.text,
            theirs.prompt_tokens,
            theirs.completion_tokens,
        )


@pytest.mark.slow
def test_a_long_question_is_trimmed(engine):
    short, long = engine.generate(
        [render(TEMPLATE, "Why?", ["a"]), render(TEMPLATE, "Why and how? " * 400, ["a"])], SAMPLING
    )
    assert (short.trimmed, long.trimmed) == (False, True)
    assert 450 < long.prompt_tokens <= 512 - SAMPLING.max_tokens
    assert not math.isnan(long.confidence)


@pytest.mark.slow
def test_no_room_for_a_prompt(engine):
    with pytest.raises(UserError, match=r"max_tokens.*512.*max_model_len.*512"):
        engine.generate(requests(), Sampling(0.7, 0.95, 512, 0))


@pytest.mark.slow
def test_the_chat_template_gets_its_arguments(engine, monkeypatch):
    monkeypatch.setattr(
        engine, "settings", replace(engine.settings, chat={"enable_thinking": False, "reasoning_effort": "low"})
    )
    prompts = []
    run = engine._run
    monkeypatch.setattr(engine, "_run", lambda given, params: (prompts.extend(given), run(given, params))[1])
    engine.generate([render("[system]\nBe brief.\n[user]\n{question}", "Which one?")], SAMPLING)
    assert engine.tokenizer.decode(prompts[0]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich one?<|im_end|>\n<|im_start|>assistant\n<think></think>low"
    )


# The last one here: a second model that is freed takes the process's parallel groups along, which the first one needs.
@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_embeddings_are_those_of_transformers(folder, pooling):
    import torch
    import transformers

    texts = ["Paris", "How many metres are in two kilometres?", "The correct answer is the second one. " * 60]
    limit = 256
    with open_engine("vllm", EngineSettings(folder, limit, "float32", memory_gb=1, pooling=pooling)) as embedder:
        vectors = embedder.embed(texts)
        np.testing.assert_array_equal(embedder.embed(texts), vectors)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for text in texts:
        with torch.no_grad():
            hidden = model(torch.tensor([tokenizer(text)["input_ids"][:limit]])).last_hidden_state[0]
        pooled = hidden[-1] if pooling == "last" else hidden.mean(dim=0)
        expected.append((pooled / pooled.norm()).numpy())
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-3)
    with open_engine("transformers", EngineSettings(folder, limit, "float32", pooling=pooling)) as other:
        np.testing.assert_allclose(other.embed(texts), expected, atol=1e-4)
