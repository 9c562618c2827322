"""File systems of a test's own, and system calls that fail as they do on other file systems; both need Linux and rights."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

KINDS = ("tmpfs", "ext3")


@contextlib.contextmanager
def mounted(kind: str, folder: Path, kilobytes: int) -> Iterator[Path]:
    """A new file system of ``kind`` at ``folder``; the test is skipped where none can be mounted."""
    folder.mkdir()
    if kind == "tmpfs":
        _needed(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder])
    else:
        image = folder.with_name(f"{folder.name}.{kind}")
        image.touch()
        os.truncate(image, kilobytes * 1024)
        _needed([f"mkfs.{kind}", "-q", "-F", "-m", "0", image])
        _needed(["mount", "-t", kind, "-o", "loop", image, folder])
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, kilobytes: int) -> Path:
    """A file that leaves this much room on a file system."""
    ballast = disk / "ballast"
    with ballast.open("xb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
        file.truncate(file.tell() - kilobytes * 1024)
        os.fsync(file.fileno())
    return ballast


def _needed(command: list[str | Path]) -> None:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting needs root: {done.stderr.strip()}")


def failing(fault: str) -> list[str]:
    """The beginning of a command in which a system call fails: ``fault`` is strace's CALL:error=NAME[:when=N+]."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    return ["strace", "-f", "-q", "-o", "/dev/null", "-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}"]
