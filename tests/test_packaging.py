"""A wheel contains every file of the packages: the build leaves out what .gitignore names, also if git tracks it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_no_tracked_file_is_ignored() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == ""
