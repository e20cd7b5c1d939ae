"""The commands that look after what a home keeps: check."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lowcloud import settings as settings_of
from lowcloud.settings import Settings
from lowcloud.terminal import Home, failure, output

if TYPE_CHECKING:
    from lowcloud.core.cloud import Cloud


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each finding, then one.")] = False,
    home: Home = None,
) -> None:
    """Read everything that is stored and compare it with what was written. A server may run meanwhile."""
    from lowcloud.core import scrub

    with _opened(_settings(home)) as cloud:
        tally, found, started = scrub.Tally(), 0, time.monotonic()
        for finding in scrub.scrub(cloud, tally):
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
    if found:
        raise typer.Exit(1)


def last_scrub(settings: Settings) -> str:
    """What the last scrub that a server of this home has finished by itself has found."""
    from lowcloud.core import errands
    from lowcloud.store.database import Database

    database = Database(settings.database_url)
    try:
        with database.read() as connection:
            last = errands.progress_of(connection, "scrub").get("last")
    finally:
        database.close()
    if last is None:
        return "none has ended yet"
    ended = datetime.fromtimestamp(last["ended_at"]).strftime("%Y-%m-%d %H:%M:%S")
    wrong = f"{last['findings']} found wrong: run `lowcloud check`" if last["findings"] else "nothing found wrong"
    return f"{ended}, {last['versions']} versions of objects, {last['bytes']} bytes, {wrong}"


@contextmanager
def _opened(settings: Settings) -> Iterator["Cloud"]:
    from sqlalchemy.exc import DBAPIError

    from lowcloud import server
    from lowcloud.store.backend import CannotUse

    try:
        cloud = server.open_cloud(settings)
    except (OSError, DBAPIError, CannotUse) as error:
        raise failure(f"{settings.home} cannot be opened: {error}") from error
    try:
        yield cloud
    except (OSError, DBAPIError) as error:
        raise failure(f"{settings.home} cannot be read: {error}") from error
    finally:
        cloud.database.close()


def _settings(home: Path | None) -> Settings:
    folder = settings_of.home_folder(os.environ, home)
    if not (folder / "keys").is_dir():
        raise failure(f"{folder} is no home of Lowcloud.")
    try:
        return settings_of.load(folder, os.environ)
    except (ValueError, OSError) as error:
        raise failure(str(error)) from error
