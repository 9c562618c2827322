"""The tests of the engine vllm once more, with vLLM's CUDA build and its models on a GPU."""

from tests.unit.engines.test_vllm import *  # noqa: F403


def test_the_model_lies_on_the_gpu(engine, gpu):
    assert (engine.provenance["device"], engine.provenance["gpus"]) == ("cuda", 1), gpu
