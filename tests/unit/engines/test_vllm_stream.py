"""vLLM asked as a stream: it repeats, texts are decoded once, and options share what they have in common."""

import gc
import itertools
import weakref

import numpy as np
import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.base import TooLong
from rgd.engines.prompts import render
from rgd.store.answers import Store
from rgd.store.fill import fill
from tests import tiny_models
from tests.store_world import WRITING, questions

pytest.importorskip("vllm")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.build(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(folder):
    with open_engine("vllm", EngineSettings(folder, 512, "float32", memory_gb=1)) as opened:
        yield opened


def filled(engine, folder, requests, **options):
    """All columns of the answers but what computed them."""
    store = Store(folder)
    fill(store, WRITING, requests, lambda: engine, report=lambda _: None, **options)
    return store.read(WRITING, [request.query_key for request in requests], [request.draw for request in requests])


def test_an_uninterrupted_fill_repeats_whenever_it_commits(engine, tmp_path, monkeypatch):
    """Lengths differ by request, so answers end one by one and others take their places."""
    lengths = {request.query_key: 1 + 7 * place % 40 for place, request in enumerate(questions(90))}
    usual = engine._params

    def params(request, sampling):
        made = usual(request, sampling)
        made.max_tokens, made.ignore_eos = lengths[request.query_key], True
        return made

    monkeypatch.setattr(engine, "_params", params)
    monkeypatch.setattr(type(engine), "window", 24)
    requests = questions(90, draws=2)
    first = filled(engine, tmp_path / "1", requests, chunk_size=64)
    assert len(set(first["text"].to_pylist())) > 90
    assert first["completion_tokens"].to_pylist() == [lengths[request.query_key] for request in requests]
    for name, options in (("2", {"chunk_size": 5}), ("3", {"chunk_size": 64, "commit_seconds": 0.001})):
        assert filled(engine, tmp_path / name, requests, **options).equals(first)


def test_draws_of_a_query_share_its_prompt(engine, monkeypatch):
    prompt = render("[user]\n{question}", "many words " * 12)
    cached = []
    ended = engine._ended
    monkeypatch.setattr(engine, "_ended", lambda output: (cached.append(output.num_cached_tokens), ended(output))[1])
    requests = [render("[user]\n{question}", prompt.question, draw=draw) for draw in range(6)]
    answers = engine.generate(requests, Sampling(0.9, 0.95, 8, 5))
    assert sorted(cached)[1] > answers[0].prompt_tokens // 2


def test_the_text_is_the_one_that_vllm_itself_gives(engine):
    """It decodes token by token; here all tokens are decoded at the end."""
    import vllm

    sampling = Sampling(0.9, 0.95, 32, 5)
    requests = questions(40)
    answers = engine.generate(requests, sampling)
    prompts, params = [], []
    for request in requests:
        asked = engine._fitted(request, sampling)
        (prompt,) = asked.prompts
        prompts.append({"prompt_token_ids": prompt})
        params.append(
            vllm.SamplingParams(temperature=0.9, top_p=0.95, max_tokens=32, seed=asked.params.seed, logprobs=0)
        )
    engine.begin()
    outputs = [output.outputs[0] for output in engine.model.generate(prompts, params, use_tqdm=False)]
    assert [answer.text.rstrip("�") for answer in answers] == [output.text.rstrip("�") for output in outputs]
    assert [answer.completion_tokens for answer in answers] == [len(output.token_ids) for output in outputs]


@pytest.mark.parametrize("sampling", [Sampling(0.9, 0.95, 32, 5), Sampling(2.0, 1.0, 40, 1)])
def test_pieces_are_those_of_the_text_that_is_generated_at_once(engine, sampling):
    for request in questions(4):
        accepted, *pieces, answer = engine.pieces(request, sampling)
        assert (accepted, answer) == ("", engine.generate([request], sampling)[0])
        assert "".join(pieces).rstrip("�") == answer.text.rstrip("�")
        assert len([piece for piece in pieces if piece]) > answer.completion_tokens // 4


def test_pieces_that_nobody_takes_are_given_up(engine):
    pieces = engine.pieces(questions(1)[0], Sampling(2.0, 1.0, 200, 1))
    assert [next(pieces), engine.in_flight] == ["", 1]
    next(pieces)
    pieces.close()
    assert engine.in_flight == 0


def test_pieces_are_never_those_of_a_shortened_prompt(engine):
    with pytest.raises(TooLong):
        next(engine.pieces(render("[user]\n{question}", "many words " * 400), Sampling(0.0, 1.0, 32, 1)))
    assert engine.in_flight == 0


LONG = "the same long beginning of an option, of more than a block of the cache, "


def test_options_that_begin_alike_are_scored_as_if_alone(engine, folder, monkeypatch):
    options = [LONG + "one", LONG + "two", LONG + "one", LONG, "short"]
    requests = [render("[user]\n{question}\n{options}", f"Which of {number}?", options) for number in range(4)]
    entered = itertools.count()
    enter = engine._enter_part
    monkeypatch.setattr(engine, "_enter_part", lambda *given: (next(entered), enter(*given))[1])
    answers = engine.score(requests)
    assert next(entered) > len(requests) * len(options), "no option needed what came from the cache"
    with open_engine("transformers", EngineSettings(folder, 512, "float32")) as other:
        for ours, theirs in zip(answers, other.score(requests), strict=True):
            np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)


def test_a_closed_engine_holds_no_model(folder):
    """The last one here: freeing a second model takes the process's parallel groups along."""
    with open_engine("vllm", EngineSettings(folder, 512, "float32", memory_gb=1)) as opened:
        core = opened.model.llm_engine.engine_core.engine_core
        model = weakref.ref(core.model_executor.driver_worker.worker.model_runner.model)
        assert model() is not None
        del core
    gc.collect()
    assert model() is None
