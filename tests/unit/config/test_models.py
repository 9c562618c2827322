"""Models and embedders that run in the job, in the configuration: GPUs, weights of many files, pooling."""

import pytest
import yaml
from pydantic import ValidationError

from rgd.config import load, slices
from rgd.config.schema import Embedder, Model, Weights
from tests import ROOT

CONFIG = ROOT / "config"
MODEL = yaml.safe_load((CONFIG / "model/smollm2-135m.yaml").read_text())
HUB = {"repo": "someone/model", "revision": "v1"}
DIGEST = {"sha256": "0" * 64, "bytes": 7}


def test_gpus_and_threads_decide_no_answer() -> None:
    plain, spread = (Model.model_validate(MODEL | {"gpus": gpus}) for gpus in (0, 4))
    assert slices._model(plain) == slices._model(spread)
    assert Model.model_validate(MODEL).gpus == 0
    with pytest.raises(ValidationError, match="gpus"):
        Model.model_validate(MODEL | {"gpus": -1})


def test_what_is_for_run_times_decides_no_answer() -> None:
    plain, told = (
        Model.model_validate(MODEL | changes) for changes in ({}, {"weight_bits": 8, "parameters_active_billion": 0.1})
    )
    assert slices._model(plain) == slices._model(told)
    assert told.bytes_of_a_parameter == 1 < plain.bytes_of_a_parameter == 2


@pytest.mark.parametrize("size", [None, 2.0])
def test_no_more_parameters_are_active_than_there_are(size: float | None) -> None:
    with pytest.raises(ValidationError, match="parameters_active_billion"):
        Model.model_validate(MODEL | {"parameters_billion": size, "parameters_active_billion": 3.0})


def test_the_papers_embedder_is_there() -> None:
    spec = load(CONFIG).embedder["qwen3-embedding-8b"]
    assert slices.embedding(spec) == {
        "weights": "Qwen/Qwen3-Embedding-8B@1d8ad4ca9b3dd8059ad90a75d4983776a23d44af",
        "max_model_len": 8192,
        "dtype": "bfloat16",
        "dimension": 4096,
        "pooling": "last",
    }


def test_what_runs_an_embedder_decides_no_vector_but_pooling_does() -> None:
    spec = yaml.safe_load((CONFIG / "embedder/all-minilm-l6-v2.yaml").read_text())
    first, other, last = (
        Embedder.model_validate(spec | changes) for changes in ({}, {"engine": "vllm", "gpus": 1}, {"pooling": "last"})
    )
    assert slices.embedding(first) == slices.embedding(other) != slices.embedding(last)


def test_a_served_embedder_has_an_address_and_another_one_weights() -> None:
    spec = yaml.safe_load((CONFIG / "embedder/all-minilm-l6-v2.yaml").read_text())
    api = {"model": "m", "base_url": "http://one:8000/v1"}
    served = spec | {"engine": "openai", "weights": None, "api": api}
    here, there, newer = (
        slices.embedding(Embedder.model_validate(served | {"api": api | changes}))
        for changes in ({}, {"base_url": "http://two:8000/v1", "concurrency": 2}, {"revision": "2"})
    )
    assert here == there != newer
    assert here["weights"] == "openai:m"
    for wrong in ({"engine": "openai"}, {"api": api}, served | {"weights": spec["weights"]}, served | {"api": None}):
        with pytest.raises(ValidationError, match=r"engine .*(weights|api)"):
            Embedder.model_validate(spec | wrong)
    with pytest.raises(ValidationError, match="engine"):
        Embedder.model_validate(served | {"engine": "gemini"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hub": HUB | {"file": "model.safetensors"}}, "sha256 .*bytes"),
        ({"hub": HUB | {"file": "model.safetensors"}, "sha256": "0" * 64}, "sha256 .*bytes"),
        ({"wheels": {"packages": ["p==1"], "files": ["f"]}}, "sha256 .*bytes"),
        ({"hub": HUB, **DIGEST}, r"hub\.file.*sha256"),
        ({"hub": HUB, "format": "gguf"}, r"hub\.file.*GGUF"),
        ({"hub": HUB | {"also": ["config.json"]}}, "also .*file"),
        ({}, "path, hub or wheels"),
    ],
)
def test_weights_that_could_not_be_checked_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Weights.model_validate(given)


def test_weights_that_can_be_checked() -> None:
    for given in (
        {"path": "folder"},
        {"path": "folder", "hub": HUB | {"file": "model.safetensors"}},
        {"hub": HUB},
        {"hub": HUB | {"file": "model.gguf"}, "format": "gguf", **DIGEST},
    ):
        Weights.model_validate(given)
