"""The commands that look after what a home keeps: check, backup, restore, upgrade."""

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

from lowcloud import __version__
from lowcloud.cli.terminal import Home, errors, failure, output, print_fact
from lowcloud.home import server_process as servers
from lowcloud.home import settings as settings_of
from lowcloud.home.settings import Settings

if TYPE_CHECKING:
    from lowcloud.core.context import Context

UPGRADE_PENDING = 3  # the exit code of `lowcloud upgrade --check` where there is something to do


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each finding, then one.")] = False,
    home: Home = None,
) -> None:
    """Read everything that is stored and compare it with what was written. A server may run meanwhile."""
    from lowcloud.core.storage.integrity import scrub

    with _opened(_settings(home)) as context:
        tally, found, started = scrub.Tally(), 0, time.monotonic()
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
            with context.files.hold():
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
        needs_upgrade = backups.restore(folder.absolute(), target, backups.find(folder))
    except (backups.NoBackupError, OSError) as error:
        raise failure(str(error)) from error
    if needs_upgrade:
        output.print(f"{target} is restored, as an earlier Lowcloud left it; `lowcloud up` upgrades it and serves it")
    else:
        output.print(f"{target} is restored; `lowcloud check` reads all of it, `lowcloud up` serves it")


def upgrade(
    only_check: Annotated[
        bool, typer.Option("--check", help=f"Only say what would be done; exit code {UPGRADE_PENDING} if anything.")
    ] = False,
    home: Home = None,
) -> None:
    """Bring the database of a home up to date with this Lowcloud, as `lowcloud up` does by itself."""
    from lowcloud.core.maintenance import home_upgrade
    from lowcloud.store.db.backend import UnusableStoreError

    settings = _settings(home)
    try:
        if only_check:
            _print_plan(settings)
            return
        with servers.hold_home(settings.home):
            done = home_upgrade.upgrade_home(settings)
    except servers.AlreadyRunningError as error:
        raise failure(f"A server runs on {settings.home}. Stop it first: lowcloud down") from error
    except (UnusableStoreError, OSError) as error:
        raise failure(f"{settings.home} cannot be upgraded: {error}") from error
    if done is None:
        output.print(f"{settings.home} is up to date")
        return
    for step in done.steps:
        output.print(f"{step.version:04} {step.title}", markup=False)
    output.print(f"{settings.home} is upgraded from schema version {done.version} to {done.steps[-1].version}")
    if done.copy is not None:
        output.print(f"The database as it was is kept in {done.copy}")


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


def _print_plan(settings: Settings) -> None:
    """What an upgrade would do. Raises UnusableStoreError, and Exit where it would do something."""
    from lowcloud.core.maintenance import home_upgrade
    from lowcloud.store.db.tables import SCHEMA_VERSION

    plan = home_upgrade.plan_for(settings)
    print_fact("Home", str(settings.home))
    print_fact("Database", "none yet" if plan.version is None else f"schema version {plan.version}")
    print_fact("Lowcloud", f"{__version__}, which needs schema version {SCHEMA_VERSION}")
    if not plan.pending:
        print_fact("Upgrade", "not needed")
        return
    for step in plan.pending:
        print_fact("Upgrade", f"{step.version:04} {step.title}")
    if settings.database is None:
        size = settings.database_file.stat().st_size
        print_fact("Backup", f"a copy of the database is made first ({size} bytes, in {settings.data})")
    else:
        print_fact("Backup", "yours to make first, with pg_dump; docs/migrations.md tells how")
    raise typer.Exit(UPGRADE_PENDING)


def _verified(context: "Context", snapshot: Path, folder: Path) -> int:
    """Read everything that a database names in a folder of blobs: how much of it is damaged."""
    from lowcloud.core.storage.integrity import scrub
    from lowcloud.store.blobs.files import Files
    from lowcloud.store.db.database import Database

    database = Database(f"sqlite:///{snapshot}")
    copy = replace(context, database=database, files=Files(folder / "objects", context.keys))
    try:
        found = list(scrub.scrub_named(copy, scrub.Tally()))
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
