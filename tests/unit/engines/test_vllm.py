"""vLLM on a tiny random model, against transformers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import context_text, render, tokens
from rgd.errors import UserError
from tests import tiny_models
from tests.precision import on_gpu, tolerance

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
    step = engine.model.llm_engine.step

    def recording():
        ended = [output for output in step() if output.finished]
        outputs.extend(ended)
        return ended

    monkeypatch.setattr(engine.model.llm_engine, "step", recording)
    answered = list(engine.stream(requests(), SAMPLING))
    assert sorted(map(str, requests())) == sorted(str(request) for request, _ in answered)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for (request, answer), output in zip(answered, outputs, strict=True):
        prompt = tokens(tokenizer, request.messages, context_text(tokenizer, request.messages, {}))
        written = list(output.outputs[0].token_ids)
        assert (answer.prompt_tokens, answer.completion_tokens) == (len(prompt), len(written))
        assert answer.finish_reason == ("stop" if written[-1] == tokenizer.eos_token_id else "length")
        # vLLM holds back bytes at the very end that are no whole character.
        assert answer.text.rstrip("�") == tokenizer.decode(written, skip_special_tokens=True).rstrip("�")
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([prompt + written])).logits[0], dim=-1)
        expected = np.mean([float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(written)])
        assert answer.confidence == pytest.approx(expected, abs=tolerance(1e-3))


@pytest.mark.slow
def test_a_stream_repeats_and_draws_differ(engine):
    first, second = (list(engine.stream(requests(), SAMPLING)) for _ in range(2))
    assert on_gpu() or first == second
    texts = [answer.text for answer in engine.generate(requests(), SAMPLING)]
    assert len(set(texts)) == len(texts)
    other = engine.generate(requests(), Sampling(0.9, 0.95, 24, seed=6))
    assert [answer.text for answer in other] != texts


@pytest.mark.slow
def test_a_stream_of_many_steps_is_answered_the_same_whatever_was_asked_before(engine):
    """Its prompts hold more tokens, and it has more requests, than a step of the engine takes on a CPU."""
    many = [render(TEMPLATE, f"{number}: " + "many words " * 30, ["yes", "no"]) for number in range(300)]
    sampling = Sampling(temperature=0.9, top_p=0.95, max_tokens=8, seed=5)
    first = list(engine.stream(many, sampling))
    assert {request.question for request, _ in first} == {request.question for request in many}
    engine.generate(many[:7] + requests(), sampling)
    again = list(engine.stream(many, sampling))
    if on_gpu():
        assert len(again) == len(first)
    else:
        assert sum(answer.prompt_tokens for _, answer in first) > engine.budget
        assert len(first) > engine.at_once
        assert again == first


@pytest.mark.slow
def test_what_is_abandoned_has_no_effect_on_the_next_stream(engine):
    expected = engine.generate(requests(), SAMPLING)
    begun = engine.steps(requests(3), SAMPLING)
    assert next(begun) == []
    assert engine.in_flight > 0
    begun.close()
    assert engine.in_flight == 0
    again = engine.generate(requests(), SAMPLING)
    assert len(again) == len(expected)
    assert on_gpu() or again == expected


@pytest.mark.slow
def test_likelihood_agrees_with_transformers(engine, folder):
    with open_engine("transformers", EngineSettings(folder, 512, "float32")) as other:
        expected = other.score(requests(1))
    for ours, theirs in zip(engine.score(requests(1)), expected, strict=True):
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=tolerance(1e-3))
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
    step = engine.model.llm_engine.step

    def recording():
        ended = step()
        prompts.extend(output.prompt_token_ids for output in ended)
        return ended

    monkeypatch.setattr(engine.model.llm_engine, "step", recording)
    engine.generate([render("[system]\nBe brief.\n[user]\n{question}", "Which one?")], SAMPLING)
    assert engine.tokenizer.decode(prompts[0]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich one?<|im_end|>\n<|im_start|>assistant\n<think></think>low"
    )
