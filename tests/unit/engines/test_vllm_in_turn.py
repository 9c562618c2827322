"""vLLM's embeddings against transformers', and one model after another in one process.

Apart from the tests of an engine that writes: that engine is closed before these load a model, since each takes most of a
GPU's memory.
"""

import numpy as np
import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import render
from tests import tiny_models
from tests.precision import on_gpu, tolerance

pytest.importorskip("vllm")


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_embeddings_are_those_of_transformers(tmp_path, pooling):
    import torch
    import transformers

    folder = tiny_models.build(tmp_path)
    texts = ["Paris", "How many metres are in two kilometres?", "The correct answer is the second one. " * 60]
    limit = 256
    with open_engine("vllm", EngineSettings(folder, limit, "float32", memory_gb=1, pooling=pooling)) as embedder:
        vectors = embedder.embed(texts)
        again = embedder.embed(texts)
    np.testing.assert_allclose(again, vectors, atol=tolerance(0))
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for text in texts:
        with torch.no_grad():
            hidden = model(torch.tensor([tokenizer(text)["input_ids"][:limit]])).last_hidden_state[0]
        pooled = hidden[-1] if pooling == "last" else hidden.mean(dim=0)
        expected.append((pooled / pooled.norm()).numpy())
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=tolerance(1e-3))
    with open_engine("transformers", EngineSettings(folder, limit, "float32", pooling=pooling)) as other:
        np.testing.assert_allclose(other.embed(texts), expected, atol=tolerance(1e-4))


@pytest.mark.slow
def test_a_closed_model_leaves_room_for_another(tmp_path):
    asked = [render("[user]\n{question}", f"What is {number}?") for number in range(3)]
    sampling = Sampling(temperature=0.9, top_p=0.95, max_tokens=8, seed=5)
    texts = []
    for seed in (0, 1, 0):
        folder = tiny_models.build(tmp_path / str(seed), seed=seed)
        with open_engine("vllm", EngineSettings(folder, 256, "float32", memory_gb=1)) as engine:
            texts.append([answer.text for answer in engine.generate(asked, sampling)])
        engine.close()
    assert texts[0] != texts[1]
    assert on_gpu() or texts[0] == texts[2]
