"""Models for tests that have learned some texts by heart: tiny ones, trained in a few seconds on a CPU."""

import random
from collections.abc import Sequence
from pathlib import Path

STEPS = 150
TEMPLATE = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
"""A chat template that shows the model nothing of the prompt: what it learned does not depend on it."""
START = "<|im_start|>assistant\n"


def blocks(count: int = 40) -> list[str]:
    """Multiplications as tagged blocks, each with four different options."""
    source = random.Random(0)
    made = []
    for a in range(2, 14):
        for b in (3, 5, 7, 8):
            right = a * b
            options = [right, right + 1, right - 2, right + 10]
            source.shuffle(options)
            made.append(block(f"What is {a} times {b}?", options, "ABCD"[options.index(right)]))
    return made[:count]


def block(question: str, options: Sequence[object], letter: str) -> str:
    """A question as the tagged block that generators are asked for."""
    lines = [f"[OPTION {name}]\n{option}" for name, option in zip("ABCD", options, strict=True)]
    return "\n".join([f"[QUESTION]\n{question}", *lines, f"[ANSWER]\n{letter}"])


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
    return learn(folder, [(START, text) for text in texts or blocks()], special=special)


def learn(
    folder: Path,
    pairs: Sequence[tuple[str, str]],
    *,
    template: str = TEMPLATE,
    special: tuple[str, ...] = (),
    steps: int = STEPS,
    batch: int = 64,
) -> Path:
    """Train a model to write each pair's second text after its first, and save it to ``folder`` in the hub's layout.

    Args:
        folder: made if absent.
        pairs: the prompt as the model sees it, special tokens included, and what it answers.
        template: its chat template.
        special: further special tokens.
        steps: of training; few leave a model that is often wrong.
        batch: pairs of a step.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    # Two threads gain nothing on so small a model, and wait for each other on a busy machine.
    torch.set_num_threads(1)
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        [text for pair in pairs for text in pair if text != START],
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=["<|im_start|>", "<|im_end|>", *special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.chat_template = template
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
    prompts = [tokenizer(prompt)["input_ids"] for prompt, _ in pairs]
    texts = [tokenizer(text + "<|im_end|>")["input_ids"] for _, text in pairs]
    longest = max(len(prompt) + len(text) for prompt, text in zip(prompts, texts, strict=True))
    ids = torch.full((len(pairs), longest), tokenizer.pad_token_id)
    labels = torch.full((len(pairs), longest), -100)
    for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        ids[row, : len(prompt) + len(text)] = torch.tensor(prompt + text)
        labels[row, len(prompt) : len(prompt) + len(text)] = torch.tensor(text)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        rows = torch.randperm(len(pairs))[:batch]
        optimizer.zero_grad()
        model(input_ids=ids[rows], labels=labels[rows]).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
