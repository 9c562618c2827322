"""The commit that a page names."""

import re
import subprocess
from pathlib import Path

from rgd.workflow import commit


def test_a_checkout_is_described_by_its_commit_or_not_at_all(tmp_path: Path) -> None:
    assert commit.described(tmp_path / "missing") == ""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "a").write_text("1")
    for command in (["add", "a"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    found = commit.described(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{7,}", found)
    (tmp_path / "a").write_text("2")
    assert commit.described(tmp_path) == f"{found}-dirty"
