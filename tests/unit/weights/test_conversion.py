"""GGUF files become folders of safetensors: by the real libraries, from a file of a few kilobytes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rgd.errors import UserError
from rgd.weights import conversion
from rgd.weights.conversion import GGUF_FILE, convert_gguf

pytestmark = [pytest.mark.slow, pytest.mark.ci]

WIDTH, HIDDEN = 32, 64
TOKENS = [*map(chr, range(ord("a"), ord("z") + 1)), "Ġ", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "ab"]
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def write(path: Path) -> dict[str, np.ndarray]:
    """A model of one layer with random weights, as llama.cpp's converter writes Qwen2; its weights by name."""
    from gguf import GGUFWriter, TokenType

    random = np.random.default_rng(0)
    shapes = {
        **{f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        "ffn_gate": (HIDDEN, WIDTH),
        "ffn_up": (HIDDEN, WIDTH),
        "ffn_down": (WIDTH, HIDDEN),
    }
    weights = {f"blk.0.{name}.weight": random.normal(0, 0.1, shape) for name, shape in shapes.items()}
    weights |= {f"blk.0.attn_{name}.bias": random.normal(0, 0.1, WIDTH) for name in ("q", "k", "v")}
    weights |= {f"blk.0.{name}_norm.weight": np.ones(WIDTH) for name in ("attn", "ffn")}
    weights |= {"output_norm.weight": np.ones(WIDTH)}
    weights |= {f"{name}.weight": random.normal(0, 0.1, (len(TOKENS), WIDTH)) for name in ("token_embd", "output")}
    writer = GGUFWriter(str(path), "qwen2")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL if name.startswith("<|") else TokenType.NORMAL for name in TOKENS])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(TOKENS.index("<|endoftext|>"))
    writer.add_eos_token_id(TOKENS.index("<|im_end|>"))
    writer.add_chat_template(TEMPLATE)
    for name, values in weights.items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def test_weights_tokenizer_and_chat_template_are_those_of_the_file(tmp_path: Path) -> None:
    import torch
    import transformers

    source = tmp_path / "source"
    source.mkdir()
    weights = write(source / GGUF_FILE)
    convert_gguf(source, tmp_path / "target", "toy.gguf")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "target")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "target")
    assert model.dtype == torch.bfloat16
    found = model.state_dict()
    for theirs, ours in {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
        "model.layers.0.self_attn.k_proj.bias": "blk.0.attn_k.bias",
        "model.layers.0.mlp.down_proj.weight": "blk.0.ffn_down.weight",
        "lm_head.weight": "output.weight",
    }.items():
        expected = torch.tensor(weights[ours], dtype=torch.float32).to(torch.bfloat16)
        assert torch.equal(found[theirs], expected), theirs
    assert tokenizer("abc")["input_ids"] == [TOKENS.index("ab"), TOKENS.index("c")]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "abc"}], tokenize=False) == "abc"


def test_a_file_that_is_no_model_is_one_message_that_names_it(tmp_path: Path) -> None:
    (tmp_path / GGUF_FILE).write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(UserError, match=r"toy\.gguf"):
        convert_gguf(tmp_path, tmp_path / "target", "toy.gguf")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A process that converts a file by a library that never ends, when its own process has begun to."""
    begun, library = tmp_path / "begun", tmp_path / "libraries" / "torch.py"
    library.parent.mkdir()
    library.write_text(f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(600)\n")
    program = (
        "import sys; from pathlib import Path; from rgd.weights.conversion import convert_gguf\n"
        "convert_gguf(Path(sys.argv[1]), Path(sys.argv[1]) / 'target', 'toy.gguf')"
    )
    code = os.pathsep.join([str(Path(conversion.__file__).parents[2]), str(library.parent)])
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": code}
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < end:
            time.sleep(0.02)
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def children(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_an_interrupt_ends_it_at_once(waiting: subprocess.Popen) -> None:
    (child,) = children(waiting)
    os.killpg(waiting.pid, signal.SIGINT)
    _, said = waiting.communicate(timeout=20)
    assert "KeyboardInterrupt" in said.splitlines()[-1]
    assert said.count("Traceback") == 1
    assert not Path(f"/proc/{child}").exists()


def test_a_process_that_is_killed_is_one_message(waiting: subprocess.Popen) -> None:
    (child,) = children(waiting)
    os.kill(child, signal.SIGKILL)
    _, said = waiting.communicate(timeout=20)
    assert "SIGKILL" in said.splitlines()[-1]
    assert "toy.gguf" in said.splitlines()[-1]
