"""Conversion of a GGUF file to a folder of safetensors."""

import json
import os
import signal
import subprocess
import sys
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
    """Convert in a process of its own, which can be stopped at once: the libraries keep an interrupt until all is read."""
    command = [sys.executable, "-m", __name__, str(source), str(target)]
    code = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": code}) as process:
        try:
            said, _ = process.communicate()
        finally:
            process.kill()
    if process.returncode < 0:
        raise RuntimeError(
            f"its process was ended by {signal.Signals(-process.returncode).name}, maybe for want of memory"
        )
    if process.returncode:
        if not said:
            raise RuntimeError(f"its process ended with exit code {process.returncode}")
        problem = json.loads(said)
        if problem["errno"] is not None:
            raise OSError(problem["errno"], problem["reason"])
        raise RuntimeError(problem["reason"])


def _main(source: str, target: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The output is for the error; what the libraries print goes where errors go.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        _write(Path(source), Path(target))
    except Exception as error:  # noqa: BLE001  the libraries' errors share no base class
        number = getattr(error, "errno", None)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        json.dump({"errno": number if isinstance(number, int) else None, "reason": reason}, output)
        output.flush()
        sys.exit(1)


def _write(source: Path, target: Path) -> None:
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


if __name__ == "__main__":
    _main(*sys.argv[1:])
