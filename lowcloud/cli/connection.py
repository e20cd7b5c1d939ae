"""How commands reach the cloud of a home."""

import os
from pathlib import Path
from typing import Any

from lowcloud.cli.terminal import failure
from lowcloud.home import server_process as servers
from lowcloud.home import settings as settings_of
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, Settings


def load_settings(
    home: Path | None,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    database: str | None = None,
    store: Path | None = None,
) -> Settings:
    """The settings of a home, made where there is none; ends the command where they cannot be read."""
    try:
        folder = settings_of.home_folder(os.environ, home)
        return settings_of.load(folder, os.environ, host, port, database, store)
    except (ValueError, OSError) as error:
        raise failure(str(error)) from error


def find(home: Path | None) -> tuple[Settings, str]:
    """The settings and the address of a cloud that runs; ends the command where none does."""
    folder = settings_of.home_folder(os.environ, home)
    running = servers.find_running(folder)
    if running is None:
        raise failure(f"No cloud runs in {folder}; start it with: lowcloud up", 3)
    return load_settings(home), running.endpoint


def connect(home: Path | None, service: str) -> Any:
    """A client of a cloud that runs; ends the command where none does."""
    settings, endpoint = find(home)
    return make_client(settings, endpoint, service)


def make_client(settings: Settings, endpoint: str, service: str) -> Any:
    """A client of the cloud at an address."""
    from lowcloud.client import aws_clients  # botocore takes 0.2 s to load, which commands that do not ask are spared

    return aws_clients.make_client(settings, endpoint, service)
