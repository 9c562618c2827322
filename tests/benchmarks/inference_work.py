"""What the rows of the inference bench ask: models, prompts, and the lengths of the answers."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m"
# An answer has exactly this length, whatever the model would write: both sides then do the same work.
SIGMA = 1.0
# Requests of the long-tailed row on a CPU: four windows of the engine's.
CPU_REQUESTS, WINDOWS = 2048, 4
GPU_REQUESTS = 2048
# A server of this bench takes so long for a token.
SECONDS_PER_TOKEN, CONCURRENCY = 0.005, 16
SEED = 0


@dataclass(frozen=True)
class Work:
    """The requests of a row and how they are answered, the same on both sides.

    Attributes:
        name: of the row.
        size: for people.
        device: what computes the answers.
        requests: their number.
        max_tokens: the longest answer.
        median: median of the answers' lengths, which are lognormal; None: the model ends its answer.
        prompt_tokens: length of the prompts, for the model of :func:`build_shape`; None: made-up questions.
        max_model_len: tokens of prompt and answer.
        model: folder of the model; empty for a server.
        is_dummy: the model has random weights, which are in no file.
        window: requests in flight; None: the engine's own.
        address: of the server; None for a model in the process.
    """

    name: str
    size: str
    device: str
    requests: int
    max_tokens: int
    median: float | None = None
    prompt_tokens: int | None = None
    max_model_len: int = 1024
    model: str = ""
    is_dummy: bool = False
    window: int | None = None
    address: str | None = None

    def content(self) -> dict[str, Any]:
        """The work as plain types."""
        return dataclasses.asdict(self)


def works(place: Path, *, is_tiny: bool, model: Path | None, requests: int | None) -> Mapping[str, Callable[[], Work]]:
    """The rows, each made when it is called for.

    Args:
        place: folder for models that are made.
        is_tiny: seconds of work, of a tiny model.
        model: folder of another model.
        requests: number of requests; None: by the row and the device.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if on_gpu else "cpu"

    def tiny() -> Path:
        from tests.tiny_models import build

        return build(place / "tiny", max_positions=1024)

    def chosen(usual: Path | None) -> tuple[str, str]:
        if model is not None:
            return str(model), model.name
        if usual is None or is_tiny:
            return str(tiny()), "a tiny random model"
        return str(usual), MODEL

    def batch() -> Work:
        folder, name = chosen(cached_model())
        count, longest = requests or (4 if is_tiny else 64), 8 if is_tiny else 64
        return Work(
            "inference", f"{name}, {count} prompts, up to {longest} tokens each", device, count, longest, model=folder
        )

    def long_tailed_on_cpu() -> Work:
        # A tiny model, since a model of any use would take minutes for each side at the engine's real window.
        folder, name = chosen(None)
        count = requests or (32 if is_tiny else CPU_REQUESTS)
        longest, median = (64, 8) if is_tiny else (512, 40)
        return Work(
            "inference_long_tailed",
            f"{name}, {count} prompts, lengths lognormal with median {median}, at most {longest} tokens",
            device,
            count,
            longest,
            median=median,
            model=folder,
            window=count // WINDOWS if requests or is_tiny else None,
        )

    def long_tailed_on_gpu() -> Work:
        folder = build_shape(place / "shape")
        count = requests or GPU_REQUESTS
        return Work(
            "inference_long_tailed",
            f"Qwen3-8B's shape with random weights, {count} prompts of 494 tokens, lengths lognormal with median 600, at most "
            "8192 tokens",
            device,
            count,
            8192,
            median=600,
            prompt_tokens=494,
            max_model_len=494 + 8192,
            model=str(folder),
            is_dummy=True,
        )

    def served() -> Work:
        count = requests or (24 if is_tiny else 640)
        longest, median = (64, 8) if is_tiny else (512, 40)
        return Work(
            "inference_server",
            f"{count} requests, {CONCURRENCY} at a time, a server that takes {1000 * SECONDS_PER_TOKEN:g} ms for a token of "
            f"lengths lognormal with median {median}, at most {longest}",
            "a local server",
            count,
            longest,
            median=median,
            address="",
        )

    return {
        "inference": batch,
        "inference_long_tailed": long_tailed_on_gpu if on_gpu and not is_tiny else long_tailed_on_cpu,
        "inference_server": served,
    }


def cached_model() -> Path | None:
    """The folder of the weights of :data:`MODEL` in the cache; None where they are not there."""
    from rgd.config import load
    from rgd.weights.cache import cache_folder

    config = load(ROOT / "config")
    weights = config.model[MODEL].weights
    assert weights is not None
    folder = cache_folder(weights, config.paths.cache)
    return folder if folder.is_dir() else None


def asked(work: Work, tokenizer: Any = None, first: int = 0, count: int | None = None) -> list[Any]:
    """The requests of a work; with another ``first``, others.

    Args:
        work: the work.
        tokenizer: of the model, if the prompts have a given length.
        first: number of the first request.
        count: how many; default: those of the work.
    """
    from rgd.engines.base import Message, Request
    from rgd.engines.prompts import render

    numbers = range(first, first + (work.requests if count is None else count))
    if work.prompt_tokens is not None:
        around = len(
            tokenizer.apply_chat_template([{"role": "user", "content": ""}], add_generation_prompt=True)["input_ids"]
        )
        texts = (_words(number, work.prompt_tokens - around) for number in numbers)
        return [Request((Message("user", text),), text) for text in texts]
    prompt = (ROOT / "config/prompts/ask_reasoning.txt").read_text(encoding="utf-8")
    made = []
    for number in numbers:
        boxes, apples = 3 + number % 17, 5 + number % 23
        question = f"A shop has {boxes} boxes with {apples} apples each and sells {number} apples. How many are left?"
        options = [f"{boxes * apples - number + shift} apples" for shift in (0, 1, -2, 10)]
        made.append(render(prompt, question, options))
    return made


def lengths(work: Work) -> list[int]:
    """The number of tokens of each answer."""
    import numpy as np

    assert work.median is not None
    drawn = np.random.default_rng(SEED).lognormal(math.log(work.median), SIGMA, work.requests)
    return np.clip(np.round(drawn), 1, work.max_tokens).astype(int).tolist()


def _words(number: int, count: int) -> str:
    """``count`` words, each of them a token of :func:`build_shape`."""
    import numpy as np

    letters = np.random.default_rng([SEED, number]).integers(26, size=(count, 3))
    return "".join(" " + "".join(chr(ord("a") + letter) for letter in word) for word in letters)


def build_shape(folder: Path, **sizes: int) -> Path:
    """Write the configuration of a model of Qwen3-8B's shape, without weights, and a tokenizer with as many tokens.

    Args:
        folder: made if absent.
        sizes: other sizes of the configuration.
    """
    import itertools
    import string

    import tokenizers
    import transformers

    from tests.tiny_models import CHAT_TEMPLATE

    shape: dict[str, Any] = {
        "vocab_size": 151_936,
        "hidden_size": 4096,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 12_288,
        "max_position_embeddings": 40_960,
        "tie_word_embeddings": False,
        "architectures": ["Qwen3ForCausalLM"],
    } | sizes
    letters = string.ascii_lowercase
    special = ["<|im_start|>", "<|im_end|>", "<|pad|>"]
    # A space and three letters are one token, so that a prompt's length is known; the others are made of letters alone.
    starts = ("Ġ" + "".join(word) for length in (1, 2, 3) for word in itertools.product(letters, repeat=length))
    others = ("".join(word) for length in (2, 3, 4) for word in itertools.product(letters, repeat=length))
    single = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    room = shape["vocab_size"] - len(single) - len(special)
    merged = list(itertools.islice(itertools.chain(starts, others), room))
    words = [*special, *single, *merged]
    bpe = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            {word: index for index, word in enumerate(words)}, [(word[:-1], word[-1]) for word in merged]
        )
    )
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    transformers.Qwen3Config(**shape, **ids, dtype="bfloat16").save_pretrained(folder)
    return folder
