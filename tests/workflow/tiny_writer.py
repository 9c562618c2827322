"""Writers for tests: tiny models that have learned some texts by heart, in a few seconds on a CPU."""

import random
from pathlib import Path

STEPS = 150
TEMPLATE = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
"""A chat template that shows the model nothing of the prompt: what it learned does not depend on it."""


def blocks(count: int = 40) -> list[str]:
    """Multiplications as tagged blocks, each with four different options."""
    source = random.Random(0)
    made = []
    for a in range(2, 14):
        for b in (3, 5, 7, 8):
            right = a * b
            options = [right, right + 1, right - 2, right + 10]
            source.shuffle(options)
            lines = [f"[QUESTION]\nWhat is {a} times {b}?"]
            lines += [f"[OPTION {letter}]\n{option}" for letter, option in zip("ABCD", options, strict=True)]
            made.append("\n".join([*lines, f"[ANSWER]\n{'ABCD'[options.index(right)]}"]))
    return made[:count]


def descriptions(count: int = 12) -> list[str]:
    """Descriptions of questions in the form that a featurizer is asked for."""
    skills = ["multiplication", "calendar arithmetic", "long division", "leap years", "weekdays", "number sense"]
    return [
        f"[KEYWORDS] {skills[i % 6]}, {skills[(i * 5 + i // 6 + 1) % 6]}\n[STEP BACK] A task about {skills[i % 6]}."
        for i in range(count)
    ]


def make(folder: Path, texts: list[str] | None = None, special: tuple[str, ...] = ()) -> Path:
    """Train the model on ``texts`` (default: :func:`blocks`) and save it to ``folder`` in the hub's layout.

    ``special`` are further special tokens: what decoding leaves out unless it is told not to.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    texts = texts or blocks()
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=["<|im_start|>", "<|im_end|>", *special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            intermediate_size=128,
            tie_word_embeddings=True,
            max_position_embeddings=1024,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
        )
    )
    start = "<|im_start|>assistant\n"
    rows = [tokenizer(start + text + "<|im_end|>")["input_ids"] for text in texts]
    longest, prompt = max(map(len, rows)), len(tokenizer(start)["input_ids"])
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    labels = torch.tensor([[-100] * prompt + row[prompt:] + [-100] * (longest - len(row)) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
