"""Backups of a store: a consistent snapshot in a folder, made while others write, and restored from there.

    DIR/backup.json       names the current database file; written last, so a folder without it is not a complete backup
    DIR/lowcloud-T.db     the snapshot of the database
    DIR/objects/XX/ID     every blob that it refers to and, until a new backup is complete, those of the previous one
    DIR/store-id          identifies the store that the database and the blobs belong to
    DIR/keys/             with --with-keys only: anyone who has them can read everything

A blob never changes, so the next backup into the same folder copies only those that are new. The snapshot is an SQLite
database, also of rows that are in PostgreSQL, and can be restored into either.
"""

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from lowcloud.store import private_files
from lowcloud.store.blobs.encryption import KeyRing, TamperedError
from lowcloud.store.db import row_copy, schema_check
from lowcloud.store.db.database import SQLITE, Database
from lowcloud.store.db.database_copy import open_read_only
from lowcloud.store.db.schema_check import SchemaVersionError, UpgradeNeededError
from lowcloud.store.durability import sync, sync_folder
from lowcloud.store.store_identity import MARK, PURPOSE

MARKER = "backup.json"
FORMAT = 1
DRAFT = ".draft"
DATABASE = "lowcloud.db"
SNAPSHOT = "lowcloud-"


class BackupError(Exception):
    """The folder cannot be used: it has no complete backup, one of another store, or other files."""


@dataclass(frozen=True)
class Backup:
    """A complete backup. Sizes are in bytes, `made_at` in seconds since the epoch."""

    database: str  # the file's name
    made_at: float
    blobs: int
    bytes: int  # of the blobs
    missing: int  # blobs that could not be read: their objects were damaged already
    has_keys: bool
    format: int = FORMAT


@dataclass
class CopyCounts:
    """How many blobs were copied or already present."""

    blobs: int = 0
    bytes: int = 0
    new: int = 0
    missing: int = 0  # at the source


def find(folder: Path) -> Backup:
    """Return the backup in a folder. Raises BackupError."""
    if not folder.is_dir():
        what = "is a file, but a backup is a folder" if folder.exists() else "does not exist"
        raise BackupError(f"{folder} {what}. Give the folder that `lowcloud backup` has written.")
    try:
        found = json.loads((folder / MARKER).read_text())
    except FileNotFoundError as error:
        raise BackupError(f"{folder} contains no complete backup: {MARKER} is missing.") from error
    if found.get("format") != FORMAT:
        raise BackupError(f"{folder} was made by another version of Lowcloud (format {found.get('format')}).")
    return Backup(**found)


def begin(data: Path, folder: Path) -> None:
    """Prepare the folder for a backup of this store. Raises BackupError if it contains anything else."""
    _make_folder(folder / "objects")
    strange = [path.name for path in folder.iterdir() if not _is_ours(path.name)]
    if strange:
        raise BackupError(f"{folder} contains {min(strange)!r}, which is not part of a backup. Choose another folder.")
    mark = folder / MARK
    if not mark.exists() and any((folder / "objects").iterdir()):  # they would be deleted as those of an older backup
        raise BackupError(f"{folder} contains 'objects' of something else than a backup. Choose another folder.")
    if mark.exists() and mark.read_bytes() != (data / MARK).read_bytes():
        raise BackupError(f"{folder} contains a backup of another store. Choose another folder.")
    _copy(data / MARK, mark)


def snapshot(database: Path, folder: Path, made_at: float) -> Path:
    """Copy a consistent snapshot of a database file that others may write to, into a new file."""
    path = folder / f"{SNAPSHOT}{int(made_at * 1000)}.db"
    private_files.make_file(path)
    with (
        closing(open_read_only(database)) as source,
        closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
    return path


def snapshot_rows(database: Database, folder: Path, made_at: float) -> Path:
    """Copy a consistent snapshot of a database of any kind, row by row, into a new file."""
    path = folder / f"{SNAPSHOT}{int(made_at * 1000)}.db"
    row_copy.copy_to_file(database, path)
    return path


def copy_blobs(database: Path, source: Path, target: Path) -> CopyCounts:
    """Copy the blobs that a database refers to between two folders, except those that the target already has.

    All are durable when this returns.
    """
    counts = CopyCounts()
    touched = set()
    for blob in named_blobs(database):
        there = target / blob[-2:] / blob
        if not there.exists():
            _make_folder(there.parent)
            try:
                _copy(source / blob[-2:] / blob, there)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EIO):
                    raise
                counts.missing += 1  # the store is damaged; the rest is copied nevertheless
                continue
            touched.add(there.parent)
            counts.new += 1
        counts.blobs += 1
        counts.bytes += there.stat().st_size
    for folder in touched:
        sync_folder(folder)
    sync_folder(target)
    return counts


def finish(folder: Path, keys: Path | None, made: Backup) -> None:
    """Make the snapshot and its blobs the current backup, and remove what only the previous one used.

    A folder of keys that no backup has written stays: its owner may have saved them there.
    """
    had_keys = _has_keys(folder)
    database = folder / made.database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # without a separate log file
    if keys is not None:
        _copy_keys(keys, folder / "keys")
    _sync_file(database)
    sync_folder(folder)
    _write(folder / MARKER, json.dumps(asdict(made), indent=2))
    sync_folder(folder)
    if keys is None and had_keys:
        shutil.rmtree(folder / "keys", ignore_errors=True)
    _tidy(folder, database)


def check_key(database: Path, key: bytes) -> None:
    """Check that a database was created with this encryption key. Raises BackupError."""
    with closing(open_read_only(database)) as connection:
        (seal,) = connection.execute("SELECT seal FROM store_identity").fetchone()
    try:
        KeyRing(key).unseal(seal, PURPOSE)
    except TamperedError as error:
        raise BackupError("This backup was made with a different encryption key.") from error


def needs_upgrade(database: Path) -> bool:
    """Return whether a database has an older version of the schema. Raises BackupError if it cannot be upgraded."""
    with closing(open_read_only(database)) as connection:
        (version,) = connection.execute("SELECT version FROM schema_version").fetchone()
    try:
        schema_check.require_current(version)
    except UpgradeNeededError:
        return True
    except SchemaVersionError as error:
        raise BackupError(f"The backup cannot be restored: {error}") from error
    return False


def restore(folder: Path, home: Path, found: Backup, address: str | None = None) -> bool:
    """Restore a backup into a home, and return whether the home needs an upgrade. Raises BackupError.

    A server cannot be started on the home before the restore is complete.

    The home must be missing, empty, or contain only `keys` (required for a backup without keys). With the address of
    an empty PostgreSQL database the rows are restored there; raises UnusableStoreError and DBAPIError too.
    """
    is_older = needs_upgrade(folder / found.database)
    if is_older and address:
        raise BackupError(
            "The backup was made by an earlier version. Restore it without --database, upgrade that home with "
            "`lowcloud upgrade`, and restore a backup of it."
        )
    keys = _prepare_home(home, found)
    own_keys = keys if keys.exists() else folder / "keys"
    check_key(folder / found.database, (own_keys / "encryption.key").read_bytes())
    data = home / f"data{DRAFT}"
    shutil.rmtree(data, ignore_errors=True)
    _make_folder(data / "objects")
    _copy(folder / found.database, data / DATABASE)
    _copy(folder / MARK, data / MARK)
    copy_blobs(data / DATABASE, folder / "objects", data / "objects")
    if address:
        _move_rows(data, address)
    sync_folder(data)
    if not keys.exists():
        _copy_keys(folder / "keys", keys)
    data.rename(home / "data")
    sync_folder(home)
    keys.rename(home / "keys")  # last: a folder without keys is not a home
    sync_folder(home)
    return is_older


def _move_rows(data: Path, address: str) -> None:
    """Move the rows of a database file to an empty database."""
    source = Database(f"{SQLITE}{data / DATABASE}")
    try:
        target = Database(address)
        try:
            row_copy.copy_rows(source, target)
        finally:
            target.close()
    finally:
        source.close()
    for path in data.glob(f"{DATABASE}*"):
        path.unlink()


def named_blobs(database: Path) -> Iterator[str]:
    """Yield the ids of the blobs that a database refers to."""
    with closing(open_read_only(database)) as connection:
        for (blob,) in connection.execute("SELECT blob FROM parts ORDER BY blob"):
            yield blob


def _prepare_home(home: Path, found: Backup) -> Path:
    """Rename the home's keys so that no server starts on it yet, and return where they are."""
    _make_folder(home)
    present = {path.name for path in home.iterdir()} - {"lost+found"}
    strange = present - {"keys", f"keys{DRAFT}", f"data{DRAFT}"}
    is_interrupted = f"keys{DRAFT}" in present and strange == {"data"}  # between the last two steps
    if strange and not is_interrupted:
        raise BackupError(f"{home} is not empty: it contains {min(strange)!r}. Restore into a new folder.")
    if is_interrupted:
        shutil.rmtree(home / "data")
    keys = home / f"keys{DRAFT}"
    if "keys" in present:
        (home / "keys").rename(keys)
        sync_folder(home)
    if not keys.exists() and not found.has_keys:
        raise BackupError(
            f"The backup does not contain the keys, which are needed to read it. Copy encryption.key and account.json, "
            f"which you kept separately, to {home / 'keys'} and restore again."
        )
    return keys


def _has_keys(folder: Path) -> bool:
    """Return whether the keys in a folder are of its backup."""
    try:
        return find(folder).has_keys
    except (BackupError, ValueError):  # there is none yet, or an unreadable one
        return False


def _is_ours(name: str) -> bool:
    return name.startswith((SNAPSHOT, MARKER, MARK, "keys")) or name in ("objects", "lost+found")


def _tidy(folder: Path, database: Path) -> None:
    for path in folder.glob(f"{SNAPSHOT}*"):
        if path != database:
            path.unlink()
    named = set(named_blobs(database))
    for path in folder.glob("objects/*/*"):
        if path.name not in named:
            path.unlink()


def _copy_keys(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.copy")
    shutil.rmtree(draft, ignore_errors=True)
    _make_folder(draft)
    for path in source.iterdir():
        _copy(path, draft / path.name)
    sync_folder(draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy a file atomically and durably; the caller must sync its folder."""
    draft = target.with_name(target.name + DRAFT)
    with source.open("rb") as original, _draft(draft) as copy:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.flush()
        sync(copy.fileno())
    draft.rename(target)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + DRAFT)
    with _draft(draft) as file:
        file.write(text.encode())
        file.flush()
        sync(file.fileno())
    draft.rename(path)


def _draft(path: Path) -> BinaryIO:
    path.unlink(missing_ok=True)  # left by an interrupted backup, perhaps readable by others
    return open(path, "xb", opener=private_files.opener)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        sync(file.fileno())


def _make_folder(folder: Path) -> None:
    for made in private_files.make_folder(folder):
        sync_folder(made.parent)
