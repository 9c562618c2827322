"""EXAONE 3.5, whose configuration transformers lacks, in vLLM: a tiny one against the Llama model that it is by other names."""

import json
from pathlib import Path

import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import render
from tests import tiny_models

pytest.importorskip("vllm")

NAMES = {
    "model.embed_tokens": "transformer.wte",
    "model.norm": "transformer.ln_f",
    "model.layers": "transformer.h",
    "input_layernorm": "ln_1",
    "post_attention_layernorm": "ln_2",
    "self_attn.o_proj": "attn.attention.out_proj",
    "self_attn": "attn.attention",
    "gate_proj": "c_fc_0",
    "up_proj": "c_fc_1",
    "down_proj": "c_proj",
}


def as_exaone(llama: Path, folder: Path) -> Path:
    """The Llama model in ``llama`` under EXAONE's names, with a ``config.json`` as EXAONE 3.5 has it."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    weights = {}
    for name, tensor in load_file(llama / "model.safetensors").items():
        for old, new in NAMES.items():
            name = name.replace(old, new)
        weights[name] = tensor
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((llama / "config.json").read_text())
    kept = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size")
    ids = ("eos_token_id", "pad_token_id", "max_position_embeddings", "tie_word_embeddings")
    exaone = {key: config[key] for key in (*kept, *ids)} | {
        "architectures": ["ExaoneForCausalLM"],
        "auto_map": {"AutoConfig": "configuration_exaone.ExaoneConfig"},
        "model_type": "exaone",
        "activation_function": "silu",
        "layer_norm_epsilon": config["rms_norm_eps"],
        "num_layers": config["num_hidden_layers"],
        "rope_theta": config["rope_parameters"]["rope_theta"],
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(exaone))
    for file in llama.glob("*token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    for file in llama.glob("chat_template*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.slow
def test_a_tiny_exaone_writes_what_the_same_llama_writes(tmp_path: Path) -> None:
    llama = tiny_models.build(tmp_path / "llama", "llama")
    texts = []
    for folder in (llama, as_exaone(llama, tmp_path / "exaone")):
        with open_engine("vllm", EngineSettings(folder, 128, "float32", memory_gb=1)) as engine:
            (answer,) = engine.generate([render("[user]\n{question}", "Which one?")], Sampling(0.0, 1.0, 16, 0))
            texts.append((answer.text, answer.prompt_tokens))
    assert texts[0] == texts[1]
    assert texts[0][0]
