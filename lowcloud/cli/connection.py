"""Connections: commands find the server of a home and create clients of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowcloud.cli.terminal import fail
from lowcloud.home import server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, Settings

PAGE_SIZE = 100


def load_settings(
    home: Path | None,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    database: str | None = None,
    store: Path | None = None,
    isolation: str | None = None,
) -> Settings:
    """Load the settings of a home, which is created if there is none. Ends the command if they cannot be read."""
    try:
        folder = home_settings.home_folder(os.environ, home)
        return home_settings.load(folder, os.environ, host, port, database, store, isolation)
    except (ValueError, OSError) as error:
        raise fail(str(error)) from error


def find(home: Path | None) -> tuple[Settings, str]:
    """Return the settings and the URL of a running server. Ends the command if none is running."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    if running is None:
        raise fail(f"No server is running in {folder}; start it with: lowcloud up", 3)
    return load_settings(home), running.endpoint


def connect(home: Path | None, service: str) -> Any:
    """Return a client of a running server. Ends the command if none is running."""
    settings, endpoint = find(home)
    return make_client(settings, endpoint, service)


def make_client(settings: Settings, endpoint: str, service: str) -> Any:
    """Return a client of the server at this URL."""
    from lowcloud.client import aws_clients  # loads botocore, which takes 0.2 s and which not every command needs

    return aws_clients.make_client(settings, endpoint, service)


def list_all(client: Any, operation: str, member: str, **filters: Any) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a List operation."""
    for page in client.get_paginator(operation).paginate(PaginationConfig={"PageSize": PAGE_SIZE}, **filters):
        yield from page[member]
