"""Undoing a start that has failed: what it made in a new home is deleted again, and never anybody's data."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from lowcloud.home import server_process

# What a start makes in an empty folder, in the order of deletion: without "keys", a folder is no home any more.
MADE = (
    *("client", "data", "isolation.json", "server.json", "server.log", "store.json", "work", "keys"),
    "server.lock",
)
MADE_BY_OTHERS = "lost+found"  # by mkfs
FIRST_ROWS = frozenset(("periodic_tasks", "schema_version", "store_identity"))  # tables that have rows at once
FIRST_ROLE = frozenset(("inline_policies", "policy_attachments", "roles"))  # those that have one row at once


def undo(home: Path) -> None:
    """Empty a home that a failed start created, so that the next start, or a restore, begins anew.

    It is left as it is if a server runs on it or has opened it, which leaves the port in address.json, or if it has
    anything that was not made by the start.
    """
    with suppress(server_process.AlreadyRunningError), server_process.lock_home(home):
        if _is_as_created(home):
            for path in (home / name for name in MADE):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def _is_as_created(home: Path) -> bool:
    names = {path.name for path in home.iterdir()}
    has_objects = any(not path.is_dir() for path in (home / "data" / "objects").rglob("*"))
    return names <= {*MADE, MADE_BY_OTHERS} and not has_objects and not _has_rows(home / "data" / "lowcloud.db")


def _has_rows(database: Path) -> bool:
    """Return whether anything was stored in a database; one that cannot be read may have anything."""
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
    except sqlite3.Error:
        return True
    return any(count > (name in FIRST_ROLE) for name, count in counts.items() if name not in FIRST_ROWS)
