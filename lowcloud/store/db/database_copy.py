"""A copy of a SQLite database beside it, made before the database is upgraded, and reading of such files."""

import os
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
        if os.geteuid() == 0:  # the user whose database it is must be able to read and delete it
            owner = database.stat()
            os.chown(draft, owner.st_uid, owner.st_gid)
        with draft.open("rb") as file:
            sync(file.fileno())
        draft.rename(target)
        sync_folder(target.parent)
    except BaseException:
        _remove(database.parent, f"{target.name}*")
        raise
    return target


def open_read_only(database: Path) -> sqlite3.Connection:
    """Open a database file that exists, without the right to change it. Raises sqlite3.Error.

    The caller keeps servers from starting on it, or has it open itself: see server_process.held_off.
    """
    # Whoever has it open for writing keeps a log beside it. Without one, nothing changes the file, and SQLite need not
    # create a log, which would be left there and is impossible in a folder that this user cannot write to.
    is_in_use = Path(f"{database}-wal").exists()
    address = database.absolute().as_uri()  # a URI: names may contain # and ?
    options = "mode=ro" if is_in_use else "mode=ro&immutable=1"
    return sqlite3.connect(f"{address}?{options}", uri=True)


def size_of_copy(database: Path) -> int:
    """Return how many bytes a copy takes, with what is in the log only. Raises sqlite3.Error."""
    with closing(open_read_only(database)) as connection:
        pages, page_bytes = (connection.execute(f"PRAGMA {of}").fetchone()[0] for of in ("page_count", "page_size"))
    return int(pages) * int(page_bytes)


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()
