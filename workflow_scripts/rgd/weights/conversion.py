"""Conversion of a GGUF file to a folder of safetensors."""

from pathlib import Path

from rgd.errors import UserError

GGUF_FILE = "model.gguf"
"""The name of a fetched GGUF file, whatever its source calls it."""


def convert_gguf(source: Path, target: Path, name: str) -> None:
    """Write ``source``/model.gguf to the new folder ``target`` as bf16 safetensors, with its tokenizer and chat template.

    Args:
        source: folder of the GGUF file, whose SHA-256 has been checked.
        target: new folder in the same temporary folder.
        name: name of the file in messages.

    Raises:
        OSError: the disk is full or cannot be written.
        UserError: the file cannot be converted.
    """
    try:
        _convert(source, target)
    except Exception as error:  # The libraries' errors share no base class.
        if getattr(error, "errno", None) is not None:
            raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"{name} has the right SHA-256 but could not be converted to safetensors: {reason.rstrip('.')}. Nothing was kept. If the disk of "
            f"{target.parent.parent} is full, make room or set paths.cache to a folder on another disk; otherwise run the "
            "same command again, which fetches the file again."
        ) from error


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=GGUF_FILE, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=GGUF_FILE,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        trust_remote_code=False,
    )
    model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
