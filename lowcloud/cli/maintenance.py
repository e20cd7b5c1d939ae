"""The commands that check, back up, restore and upgrade a home: `lowcloud check`, `backup`, `restore` and `upgrade`."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lowcloud import __version__
from lowcloud.cli.terminal.output import Home, errors, fail, of_home, output, print_fact
from lowcloud.client.messages import format_bytes
from lowcloud.home import server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.settings import Settings

if TYPE_CHECKING:
    from lowcloud.core.context import Context

UPGRADE_PENDING = 3  # the exit code of `lowcloud upgrade --check` if an upgrade is needed


def check(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each finding, then a summary.")
    ] = False,
    home: Home = None,
) -> None:
    """Read all stored data and verify its checksums and the audit log. The server may be running."""
    from lowcloud.core.audit import log as audit_log
    from lowcloud.core.storage.integrity import scrub

    with _opened(_settings(home)) as context:
        tally, verified, findings, started_at = scrub.ScrubCounts(), audit_log.Verified(), 0, time.monotonic()
        of_log = (scrub.Finding(f"The audit log: {reason}.") for reason in audit_log.verify(context, verified))
        for finding in chain(scrub.scrub(context, tally), of_log):
            findings += 1
            print(json.dumps(asdict(finding)) if as_json else finding, flush=True)
        seconds = max(time.monotonic() - started_at, 1e-9)
    if as_json:
        print(
            json.dumps(
                {**asdict(tally), "audit_records": verified.records, "findings": findings, "seconds": round(seconds, 3)}
            )
        )
    else:
        rate = tally.bytes / seconds / 1e6
        output.print(
            f"Checked {tally.versions} object versions and {tally.uploads} uploads, {format_bytes(tally.bytes)}, in "
            f"{seconds:.1f} seconds ({rate:.0f} MB/s): {_count_problems(findings)}"
        )
        if verified.began_at is not None:
            began = datetime.fromtimestamp(verified.began_at, UTC).isoformat(timespec="seconds")
            output.print(f"Verified {verified.records} records of the audit log, which began at {began}")
        if tally.locked:
            output.print(
                f"Only the length of {tally.locked} of them was checked: they are encrypted with customer keys"
            )
        if tally.leftovers:
            output.print(f"Unreferenced files, which are harmless and removed at the next start: {tally.leftovers}")
    if findings:
        raise typer.Exit(1)


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder of the backup; an existing backup is updated.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Include the keys. Anyone who has the folder can then read the data.")
    ] = False,
    verify: Annotated[bool, typer.Option(help="Read and verify the backup before it is marked as complete.")] = True,
    home: Home = None,
) -> None:
    """Copy a consistent snapshot of the home into a folder. The server may be running."""
    from lowcloud.store import backup as backups
    from lowcloud.store.blobs.deletion_lock import AlreadyLockedError

    settings = _settings(home)
    folder = folder.absolute()
    with _opened(settings) as context:
        try:
            backups.begin(settings.data, folder)
            with context.files.lock_deletions():
                created_at = time.time()
                if settings.database is None:
                    database = backups.snapshot(settings.database_file, folder, created_at)
                else:
                    database = backups.snapshot_rows(context.database, folder, created_at)
                copied = backups.copy_blobs(database, settings.data / "objects", folder / "objects")
        except (backups.BackupError, AlreadyLockedError) as error:
            raise fail(str(error)) from error
        except OSError as error:
            raise fail(f"The backup in {folder} cannot be written: {error.strerror} ({error.filename}).") from error
        damaged = _verify(context, database, folder) if verify else copied.missing
        keys = settings.store_home / "keys" if with_keys else None
        finished = backups.Backup(database.name, created_at, copied.blobs, copied.bytes, copied.missing, with_keys)
        backups.finish(folder, keys, finished)
    rows = (folder / database.name).stat().st_size
    output.print(
        f"{folder} contains the database ({format_bytes(rows)}, including small objects) and {copied.blobs} files of "
        f"larger objects ({format_bytes(copied.bytes)}), {copied.new} of them copied now"
    )
    if not with_keys:
        output.print(
            f"It does not contain the keys, which are needed to read it: save {settings.store_home / 'keys'} too"
        )
        if (folder / "keys").exists():
            output.print(f"{folder / 'keys'} is not part of the backup and stays as it is")
    if damaged:
        raise fail(f"{damaged} damaged items in the backup; `lowcloud check` shows which are damaged in the home too.")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `lowcloud backup` has written.")],
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The URL of an empty PostgreSQL database for the rows; default: a file."),
    ] = None,
    home: Home = None,
) -> None:
    """Create a new home from a backup."""
    from sqlalchemy.exc import DBAPIError

    from lowcloud.store import backup as backups
    from lowcloud.store.db.backend import UnusableStoreError

    target = home_settings.home_folder(os.environ, home)
    database = database or os.environ.get("LOWCLOUD_DATABASE")
    try:
        needs_upgrade = backups.restore(folder.absolute(), target, backups.find(folder), database)
        if database is not None:
            home_settings.save_store(home_settings.load(target, os.environ, database=database))
    except (backups.BackupError, UnusableStoreError, DBAPIError, OSError, ValueError) as error:
        raise fail(str(error)) from error
    up, check_it = of_home("lowcloud up", home), of_home("lowcloud check", home)
    if needs_upgrade:
        output.print(f"{target} is restored from an earlier version; `{up}` upgrades and starts it")
    else:
        output.print(f"{target} is restored; verify it with `{check_it}`, and start it with `{up}`")


def upgrade(
    only_check: Annotated[
        bool,
        typer.Option("--check", help=f"Only print what would be done; exit code {UPGRADE_PENDING}: an upgrade is due."),
    ] = False,
    home: Home = None,
) -> None:
    """Upgrade the database of a home to this version, as `lowcloud up` does by itself."""
    from lowcloud.core.maintenance import home_upgrade
    from lowcloud.store.db.backend import UnusableStoreError

    try:
        if only_check:
            settings = _settings_unchanged(home)
            with server_process.held_off(settings.home) as is_free:
                if not is_free and server_process.find_running(settings.home) is None:
                    raise fail(f"A server is starting or stopping on {settings.home}. Try again.")
                _print_plan(settings)
            return
        settings = _settings(home)
        with server_process.lock_home(settings.home):
            done = home_upgrade.upgrade_home(settings)
    except server_process.AlreadyRunningError as error:
        raise fail(f"A server runs on {error}. Stop it first: {of_home('lowcloud down', home)}") from error
    except (UnusableStoreError, OSError) as error:
        raise fail(f"{home_settings.home_folder(os.environ, home)} cannot be upgraded: {error}") from error
    finally:
        _give_to_owner(home_settings.home_folder(os.environ, home))
    if done is None:
        output.print(f"{settings.home} is up to date")
        return
    for step in done.steps:
        output.print(f"{step.version:04} {step.title}", markup=False)
    output.print(f"{settings.home} is upgraded from schema version {done.version} to {done.steps[-1].version}")
    if done.copy is not None:
        output.print(f"The former database is saved in {done.copy}")


def _count_problems(count: int) -> str:
    return f"{count} problems found" if count else "no problems found"


def _print_plan(settings: Settings) -> None:
    """Print what an upgrade would do. Raises UnusableStoreError, and typer.Exit if it would do something."""
    from lowcloud.core.maintenance import home_upgrade
    from lowcloud.store.db.database_copy import size_of_copy
    from lowcloud.store.db.tables.schema import SCHEMA_VERSION

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
        size = size_of_copy(settings.database_file)
        print_fact("Backup", f"the database is copied first ({format_bytes(size)}, in {settings.data})")
    else:
        print_fact("Backup", "yours to make first, with pg_dump; see docs/migrations.md")
    raise typer.Exit(UPGRADE_PENDING)


def _verify(context: "Context", snapshot: Path, folder: Path) -> int:
    """Read everything in a backup, and return the number of damaged items."""
    from lowcloud.core.storage.integrity import scrub
    from lowcloud.store.blobs.files import BlobStore
    from lowcloud.store.db.database import Database

    database = Database(f"sqlite:///{snapshot}")
    copy = replace(context, database=database, files=BlobStore(folder / "objects", context.keys))
    try:
        findings = list(scrub.scrub_referenced(copy, scrub.ScrubCounts()))
    finally:
        database.close()
    for finding in findings:
        errors.print(str(finding), markup=False)
    return len(findings)


@contextmanager
def _opened(settings: Settings) -> Iterator["Context"]:
    from sqlalchemy.exc import DBAPIError

    from lowcloud.server import server
    from lowcloud.store.db.backend import UnusableStoreError

    try:
        context = server.open_context(settings)
    except (OSError, DBAPIError, UnusableStoreError) as error:
        raise fail(f"{settings.home} cannot be opened: {error}") from error
    try:
        yield context
    except (OSError, DBAPIError) as error:
        raise fail(f"{settings.home} cannot be read: {error}") from error
    finally:
        context.database.close()


def _settings(home: Path | None) -> Settings:
    folder = home_settings.home_folder(os.environ, home)
    if not (folder / "keys").is_dir():
        raise fail(f"{folder} is not a Lowcloud home.")
    try:
        return home_settings.load(folder, os.environ)
    except (ValueError, OSError) as error:
        raise fail(str(error)) from error


def _settings_unchanged(home: Path | None) -> Settings:
    """Return the settings of a home that this command only looks at, perhaps without the right to write to it."""
    try:
        return home_settings.read(home_settings.home_folder(os.environ, home), os.environ)
    except (ValueError, OSError) as error:
        raise fail(str(error)) from error


def _give_to_owner(home: Path) -> None:
    """Give the files that root has created in a user's home to that user, who could not use them otherwise."""
    if os.geteuid() != 0:
        return
    for folder in (home, home / "data", home / "work"):
        owner = folder.stat() if folder.is_dir() else None
        for path in folder.iterdir() if owner else ():
            if owner and path.is_file() and path.stat().st_uid != owner.st_uid:
                os.chown(path, owner.st_uid, owner.st_gid)
