"""The tests of the engine transformers once more, where its models lie on a GPU."""

from rgd.engines import EngineSettings, open_engine
from tests import tiny_models
from tests.unit.engines.test_transformers import *  # noqa: F403


def test_the_model_lies_on_the_gpu(tmp_path, gpu):
    folder = tiny_models.build(tmp_path / "model")
    with open_engine("transformers", EngineSettings(folder, 256, "float32")) as engine:
        assert engine.provenance["device"] == "cuda", gpu
