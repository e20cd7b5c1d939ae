"""A copy of a SQLite database beside it, made before the database is upgraded, and reading of such files."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from lowcloud.store import private_files
from lowcloud.store.durability import sync, sync_folder

DRAFT = ".draft"


def copy_beside(database: Path, version: int) -> Path:
    """Copy the committed data of a database with this schema version, and return the path of the synced copy.

    Only one process may make a copy at a time. Raises OSError and sqlite3.Error, and removes the incomplete copy then.
    """
    stem = f"{database.stem}-schema-"
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = database.with_name(f"{stem}{version}-{moment}{database.suffix}")
    draft = target.with_name(f"{target.name}{DRAFT}")
    _remove(database.parent, f"{stem}*{DRAFT}*")  # of an interrupted copy
    try:
        private_files.make_file(draft)
        with (
            closing(open_read_only(database)) as source,
            closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # without a separate log file
        with draft.open("rb") as file:
            sync(file.fileno())
        draft.rename(target)
        sync_folder(target.parent)
    except BaseException:
        _remove(database.parent, f"{target.name}*")
        raise
    return target


def open_read_only(database: Path) -> sqlite3.Connection:
    """Open a database file that exists, without the right to change it. Raises sqlite3.Error."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)  # a URI: names may contain # and ?


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()
