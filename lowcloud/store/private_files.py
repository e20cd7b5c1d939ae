"""Files and folders that nobody but their owner may read, from the moment they are made, whatever the umask is."""

import os
from pathlib import Path


def opener(path: str, flags: int) -> int:
    """For `open`: what it makes is private. What is there keeps its rights."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def make_file(path: str | Path) -> bool:
    """Make an empty file where there is none: whether there was none.

    One that is there is not opened: closing it would free the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those that it lies in, where they are missing: which were, outermost first."""
    missing = [folder] if not folder.exists() else []
    while missing and not missing[0].parent.exists():
        missing.insert(0, missing[0].parent)
    for path in missing:
        path.mkdir(mode=0o700, exist_ok=True)
    return missing
