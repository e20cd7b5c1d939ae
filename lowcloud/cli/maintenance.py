"""The commands that look after what a home keeps: check, backup, restore."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lowcloud.cli.terminal import Home, errors, failure, output
from lowcloud.home import settings as settings_of
from lowcloud.home.settings import Settings

if TYPE_CHECKING:
    from lowcloud.core.context import Context


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each finding, then one.")] = False,
    home: Home = None,
) -> None:
    """Read everything that is stored and compare it with what was written. A server may run meanwhile."""
    from lowcloud.core.storage.integrity import scrub

    with _opened(_settings(home)) as context:
        tally, found, started = scrub.ScrubCounts(), 0, time.monotonic()
        for finding in scrub.scrub(context, tally):
            found += 1
            print(json.dumps(asdict(finding)) if as_json else finding, flush=True)
        seconds = max(time.monotonic() - started, 1e-9)
    if as_json:
        print(json.dumps({**asdict(tally), "findings": found, "seconds": round(seconds, 3)}))
    else:
        rate = tally.bytes / seconds / 1e6
        output.print(
            f"{tally.versions} versions of objects and {tally.uploads} uploads, {tally.bytes} bytes, checked in "
            f"{seconds:.1f} seconds ({rate:.0f} MB/s): {found or 'nothing'} found wrong"
        )
        if tally.locked:
            output.print(f"Of {tally.locked} contents only the length was compared: their keys are their customers'")
        if tally.leftovers:
            output.print(f"Files that nothing names, which do no harm and the next start removes: {tally.leftovers}")
    if found:
        raise typer.Exit(1)


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the backup is made, or brought up to date.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Put the keys in as well: whoever has the folder can read everything.")
    ] = False,
    verify: Annotated[bool, typer.Option(help="Read the whole backup before it counts.")] = True,
    home: Home = None,
) -> None:
    """Copy one moment of everything into a folder. A server may run, and write, meanwhile."""
    from lowcloud.store import backup as backups
    from lowcloud.store.blobs.deletion_lock import AlreadyLockedError

    settings = _settings(home)
    if settings.database is not None:
        raise failure(
            "The rows of this home are in PostgreSQL: back them up with its own tools, and the blobs beside them; "
            "docs/postgresql.md tells how."
        )
    folder = folder.absolute()
    with _opened(settings) as context:
        try:
            backups.begin(settings.data, folder)
            with context.files.lock_deletions():
                made_at = time.time()
                database = backups.snapshot(settings.database_file, folder, made_at)
                copied = backups.copy_blobs(database, settings.data / "objects", folder / "objects")
        except (backups.NoBackupError, AlreadyLockedError) as error:
            raise failure(str(error)) from error
        wrong = _verified(context, database, folder) if verify else copied.missing
        keys = settings.store_home / "keys" if with_keys else None
        made = backups.Backup(database.name, made_at, copied.blobs, copied.bytes, copied.missing, with_keys)
        backups.finish(folder, keys, made)
    rows = (folder / database.name).stat().st_size
    output.print(
        f"{folder} holds the database ({rows} bytes, with small objects) and {copied.blobs} files of larger objects "
        f"({copied.bytes} bytes), {copied.new} of them copied now"
    )
    if not with_keys:
        output.print(f"It has no keys, without which nobody can read it: keep {settings.store_home / 'keys'} elsewhere")
    if wrong:
        raise failure(f"Damaged in it: {wrong}; `lowcloud check` tells what of that is damaged in the home, too.")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `lowcloud backup` made.")], home: Home = None
) -> None:
    """Make a new home of a backup."""
    from lowcloud.store import backup as backups

    target = settings_of.home_folder(os.environ, home)
    try:
        backups.restore(folder.absolute(), target, backups.find(folder))
    except (backups.NoBackupError, OSError) as error:
        raise failure(str(error)) from error
    output.print(f"{target} is restored; `lowcloud check` reads all of it, `lowcloud up` serves it")


def last_scrub(settings: Settings) -> str:
    """What the last scrub that a server of this home has finished by itself has found."""
    from lowcloud.core.control import periodic_tasks
    from lowcloud.store.db.backend import UnusableStoreError
    from lowcloud.store.db.database import Database

    try:
        database = Database(settings.database_url)
    except UnusableStoreError as error:  # the server may know a password that this shell does not
        return f"not known here: {error}"
    try:
        with database.read() as connection:
            last = periodic_tasks.progress_of(connection, "scrub").get("last")
    finally:
        database.close()
    if last is None:
        return "none has ended yet"
    ended = datetime.fromtimestamp(last["ended_at"]).strftime("%Y-%m-%d %H:%M:%S")
    wrong = f"{last['findings']} found wrong: run `lowcloud check`" if last["findings"] else "nothing found wrong"
    return f"{ended}, {last['versions']} versions of objects, {last['bytes']} bytes, {wrong}"


def _verified(context: "Context", snapshot: Path, folder: Path) -> int:
    """Read everything that a database names in a folder of blobs: how much of it is damaged."""
    from lowcloud.core.storage.integrity import scrub
    from lowcloud.store.blobs.files import BlobStore
    from lowcloud.store.db.database import Database

    database = Database(f"sqlite:///{snapshot}")
    copy = replace(context, database=database, files=BlobStore(folder / "objects", context.keys))
    try:
        found = list(scrub.scrub_referenced(copy, scrub.ScrubCounts()))
    finally:
        database.close()
    for finding in found:
        errors.print(str(finding), markup=False)
    return len(found)


@contextmanager
def _opened(settings: Settings) -> Iterator["Context"]:
    from sqlalchemy.exc import DBAPIError

    from lowcloud.server import server
    from lowcloud.store.db.backend import UnusableStoreError

    try:
        context = server.open_context(settings)
    except (OSError, DBAPIError, UnusableStoreError) as error:
        raise failure(f"{settings.home} cannot be opened: {error}") from error
    try:
        yield context
    except (OSError, DBAPIError) as error:
        raise failure(f"{settings.home} cannot be read: {error}") from error
    finally:
        context.database.close()


def _settings(home: Path | None) -> Settings:
    folder = settings_of.home_folder(os.environ, home)
    if not (folder / "keys").is_dir():
        raise failure(f"{folder} is no home of Lowcloud.")
    try:
        return settings_of.load(folder, os.environ)
    except (ValueError, OSError) as error:
        raise failure(str(error)) from error
