"""Tiny models for workflow tests: two random language models, an embedder, and a generator that knows some blocks."""

from pathlib import Path

from tests.workflow import tiny_writer

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% if not (loop.last and m['role'] == 'assistant') %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_all(folder: Path) -> Path:
    """Save the models a, b, embedder and writer under ``folder``."""
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    tiny_writer.make(folder / "writer")
    tokenizer = AutoTokenizer.from_pretrained(folder / "writer")
    tokenizer.chat_template = CHAT
    for seed, name in enumerate(("a", "b", "embedder")):
        torch.manual_seed(seed)
        config = Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            intermediate_size=128,
            tie_word_embeddings=True,
            max_position_embeddings=1024,
            # Random weights of the usual size answer all alike; larger ones make answers differ between queries.
            initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
        )
        model = Qwen3Model(config) if name == "embedder" else Qwen3ForCausalLM(config)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder
