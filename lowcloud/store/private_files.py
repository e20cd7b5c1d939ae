"""Files and folders that only their owner may read, from their creation on, whatever the umask is."""

import os
from pathlib import Path


def opener(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=opener)`: a new file is private, an existing one keeps its mode."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def make_file(path: str | Path) -> bool:
    """Create an empty file unless it exists. Returns whether it was created.

    An existing file is not opened: closing it would release the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and its missing parents. Returns those that were created, outermost first."""
    missing = [folder] if not folder.exists() else []
    while missing and not missing[0].parent.exists():
        missing.insert(0, missing[0].parent)
    for path in missing:
        path.mkdir(mode=0o700, exist_ok=True)
    return missing
