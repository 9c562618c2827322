"""Language models of a few hundred kilobytes with random weights, made in a second: for tests of what runs a model."""

from pathlib import Path

CORPUS = [
    "Question: What is the capital of France?\nAnswer: Paris",
    "Question: How many metres are in two kilometres?\nAnswer: 2000 metres",
    "The correct answer is the second one. Options: A. one B. two C. three D. four",
    "You are a careful examiner. Reply with the text of the right option and nothing else.",
]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{{ reasoning_effort or '' }}"
)
"""It takes the arguments that large models' templates take, and without them is the usual one."""


def build(folder: Path, architecture: str = "qwen3", *, seed: int = 0, max_positions: int = 1024) -> Path:
    """Write a random model with its tokenizer into ``folder`` in Hugging Face format.

    Args:
        folder: made if absent.
        architecture: ``qwen3`` or ``llama``.
        seed: of the weights.
        max_positions: the longest text it takes, in tokens.
    """
    import torch
    import transformers

    sizes = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "intermediate_size": 128,
        "max_position_embeddings": max_positions,
        "tie_word_embeddings": True,
        # Larger than usual, so that random weights have opinions: with small ones all answers score nearly the same.
        "initializer_range": 0.3,
    }
    tokenizer = _tokenizer()
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(seed)
    if architecture == "qwen3":
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**sizes, **ids, bos_token_id=None))
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **ids, bos_token_id=None))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer():
    import tokenizers
    import transformers

    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(CORPUS, vocab_size=400, special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_encoder(folder: Path, width: int = 32) -> Path:
    """Write a random sentence encoder (BERT architecture, ``width`` dimensions) with its tokenizer into ``folder``."""
    import torch
    import transformers

    tokenizer = _tokenizer()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
