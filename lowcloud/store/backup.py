"""Backups: a folder that holds one moment of a store, made while others write, and stores made from such a folder.

    DIR/backup.json       which database file counts, and what it names; written last, so without it there is no backup
    DIR/lowcloud-T.db     the database as it was at one moment
    DIR/objects/XX/ID     every blob that it names, and until the next backup is whole those of the one before
    DIR/store-id          the mark that the database and the blobs belong together
    DIR/keys/             where asked for: whoever has them can read everything

A blob never changes, so the next backup into the same folder copies only those that are new.
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
from lowcloud.store.db import schema_check
from lowcloud.store.db.schema_check import SchemaVersionError, UpgradeNeededError
from lowcloud.store.durability import sync, sync_folder
from lowcloud.store.store_identity import MARK, PURPOSE

MARKER = "backup.json"
FORMAT = 1
DRAFT = ".draft"
DATABASE = "lowcloud.db"
SNAPSHOT = "lowcloud-"


class NoBackupError(Exception):
    """The folder holds no backup that was finished, or not the one that is asked for."""


@dataclass(frozen=True)
class Backup:
    """A backup that is whole. Sizes are in bytes, `made_at` in seconds since the epoch."""

    database: str  # the file's name
    made_at: float
    blobs: int
    bytes: int  # of the blobs
    missing: int  # blobs that could not be read: what they belong to was damaged before
    has_keys: bool
    format: int = FORMAT


@dataclass
class Copied:
    """Blobs that were copied, or were there already."""

    blobs: int = 0
    bytes: int = 0
    new: int = 0
    missing: int = 0  # at the source


def find(folder: Path) -> Backup:
    """The backup that a folder holds. Raises NoBackupError."""
    try:
        found = json.loads((folder / MARKER).read_text())
    except FileNotFoundError as error:
        raise NoBackupError(f"{folder} holds no backup that was finished: it has no {MARKER}.") from error
    if found.get("format") != FORMAT:
        raise NoBackupError(f"{folder} was made by another version of Lowcloud (format {found.get('format')}).")
    return Backup(**found)


def begin(data: Path, folder: Path) -> None:
    """Make the folder ready for a backup of this store. Raises NoBackupError where it holds something else."""
    _make_folder(folder / "objects")
    strange = [path.name for path in folder.iterdir() if not _is_ours(path.name)]
    if strange:
        raise NoBackupError(f"{folder} holds {min(strange)!r}, which is no backup's. Choose another folder.")
    mark = folder / MARK
    if mark.exists() and mark.read_bytes() != (data / MARK).read_bytes():
        raise NoBackupError(f"{folder} holds a backup of another store. Choose another folder.")
    _copy(data / MARK, mark)


def snapshot(database: Path, folder: Path, made_at: float) -> Path:
    """Copy one moment of a database that others may write to; into a file that no earlier backup counts on."""
    path = folder / f"{SNAPSHOT}{int(made_at * 1000)}.db"
    private_files.make_file(path)
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
    return path


def copy_blobs(database: Path, source: Path, target: Path) -> Copied:
    """Copy the blobs that a database names between folders of blobs; those that the target has stay as they are.

    All are durable when this returns.
    """
    copied = Copied()
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
                copied.missing += 1  # the store is damaged: that must not keep the rest of it from being copied
                continue
            touched.add(there.parent)
            copied.new += 1
        copied.blobs += 1
        copied.bytes += there.stat().st_size
    for folder in touched:
        sync_folder(folder)
    sync_folder(target)
    return copied


def finish(folder: Path, keys: Path | None, made: Backup) -> None:
    """Make the snapshot and its blobs the backup that counts, and remove what only the one before needed."""
    database = folder / made.database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # a file that is whole by itself
    if keys is not None:
        _copy_keys(keys, folder / "keys")
    _sync_file(database)
    sync_folder(folder)
    _write(folder / MARKER, json.dumps(asdict(made), indent=2))
    sync_folder(folder)
    if keys is None:
        shutil.rmtree(folder / "keys", ignore_errors=True)
    _tidy(folder, database)


def check_key(database: Path, key: bytes) -> None:
    """Whether this encryption key is the one of a database's store. Raises NoBackupError."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (seal,) = connection.execute("SELECT seal FROM store_identity").fetchone()
    try:
        KeyRing(key).unseal(seal, PURPOSE)
    except TamperedError as error:
        raise NoBackupError("The encryption key is another than the one that this backup was made with.") from error


def needs_upgrade(database: Path) -> bool:
    """Whether a database is of an earlier version of the schema. Raises NoBackupError where no upgrade helps."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("SELECT version FROM schema_version").fetchone()
    try:
        schema_check.require_current(version)
    except UpgradeNeededError:
        return True
    except SchemaVersionError as error:
        raise NoBackupError(f"The backup cannot be restored: {error}") from error
    return False


def restore(folder: Path, home: Path, found: Backup) -> bool:
    """Make a home of a backup: whether it needs an upgrade. Raises NoBackupError.

    It is no home that could be served before it is whole.

    The home may not exist, or be empty, or hold nothing but `keys`, which a backup without keys needs.
    """
    is_older = needs_upgrade(folder / found.database)
    keys = _prepare_home(home, found)
    own_keys = keys if keys.exists() else folder / "keys"
    check_key(folder / found.database, (own_keys / "encryption.key").read_bytes())
    data = home / f"data{DRAFT}"
    shutil.rmtree(data, ignore_errors=True)
    _make_folder(data / "objects")
    _copy(folder / found.database, data / DATABASE)
    _copy(folder / MARK, data / MARK)
    copy_blobs(data / DATABASE, folder / "objects", data / "objects")
    sync_folder(data)
    if not keys.exists():
        _copy_keys(folder / "keys", keys)
    data.rename(home / "data")
    sync_folder(home)
    keys.rename(home / "keys")  # the last step: what has no keys is no home
    sync_folder(home)
    return is_older


def named_blobs(database: Path) -> Iterator[str]:
    """The ids of the blobs that a database names."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (blob,) in connection.execute("SELECT blob FROM parts ORDER BY blob"):
            yield blob


def _prepare_home(home: Path, found: Backup) -> Path:
    """Put the home's keys aside, so that no server takes it for one; where they are then."""
    _make_folder(home)
    present = {path.name for path in home.iterdir()} - {"lost+found"}
    strange = present - {"keys", f"keys{DRAFT}", f"data{DRAFT}"}
    is_interrupted = f"keys{DRAFT}" in present and strange == {"data"}  # between the last two steps
    if strange and not is_interrupted:
        raise NoBackupError(f"{home} is not empty: it holds {min(strange)!r}. Restore into a new folder.")
    if is_interrupted:
        shutil.rmtree(home / "data")
    keys = home / f"keys{DRAFT}"
    if "keys" in present:
        (home / "keys").rename(keys)
        sync_folder(home)
    if not keys.exists() and not found.has_keys:
        raise NoBackupError(
            f"The backup has no keys, and without them nothing in it can be read. Put encryption.key and account.json, "
            f"which were kept apart, into {home / 'keys'} and restore again."
        )
    return keys


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
    """Copy a file: under its name it is whole and on the disk, or not there. Its folder is the caller's to sync."""
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
    path.unlink(missing_ok=True)  # an interrupted backup's, or one that others may read
    return open(path, "xb", opener=private_files.opener)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        sync(file.fileno())


def _make_folder(folder: Path) -> None:
    for made in private_files.make_folder(folder):
        sync_folder(made.parent)
