"""Connections: commands find the server of a home and create clients of it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowcloud.cli.terminal.output import fail, of_home
from lowcloud.client.json_client import JsonClient
from lowcloud.home import server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.settings import DEFAULT_HOST, Settings

if TYPE_CHECKING:
    from lowcloud.sdk.connection import Cloud

NOT_RUNNING_EXIT_CODE = 3  # as systemctl status and service scripts have it


def load_settings(
    home: Path | None,
    host: str = DEFAULT_HOST,
    port: int | None = None,
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
        raise fail(
            f"No server is running in {folder}; start it with: {of_home('lowcloud up', home)}", NOT_RUNNING_EXIT_CODE
        )
    return load_settings(home), running.endpoint


def connect(home: Path | None) -> JsonClient:
    """Return a client of a running server. Ends the command if none is running."""
    settings, endpoint = find(home)
    return JsonClient(endpoint, settings.region, settings.root_key)


def connect_s3(home: Path | None) -> Any:
    """Return an S3 client of a running server. Ends the command if none is running."""
    return connect_aws(home, "s3")


def connect_aws(home: Path | None, service: str) -> Any:
    """Return a client of a service of a running server. Ends the command if none is running."""
    from lowcloud.client import aws_clients  # loads botocore, which takes half a second

    settings, endpoint = find(home)
    return aws_clients.make_client(settings, endpoint, service)


def connect_sdk(home: Path | None) -> "Cloud":
    """Return the SDK's connection to a running server, which this does not start. Ends the command if none runs."""
    from lowcloud.sdk.connection import ENDPOINT_VARIABLE
    from lowcloud.sdk.connection import connect as connect_cloud

    if home is not None or ENDPOINT_VARIABLE not in os.environ:  # that of `lowcloud run` runs
        find(home)
    return connect_cloud(home)
