"""The commands that start, stop and show the server: `lowcloud up`, `down` and `status`."""

import logging
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lowcloud.cli.connection import list_all, load_settings, make_client
from lowcloud.cli.maintenance import describe_last_scrub
from lowcloud.cli.terminal import Home, fail, output, print_fact
from lowcloud.home import launcher, server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.launcher import DEFAULT_WORKERS
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, EXECUTION_ROLE

JOBS_LIMIT = 100  # that are counted
STOP_TIMEOUT_SECONDS = 30.0
NOT_RUNNING_EXIT_CODE = 3  # as systemctl status and service scripts have it


def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 selects a free one.", min=0, max=65535)
    ] = DEFAULT_PORT,
    workers: Annotated[
        int, typer.Option(help="Number of processes that serve requests; each uses at most one core.", min=1)
    ] = DEFAULT_WORKERS,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return once the server is ready.")
    ] = False,
    home: Home = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Store rows in PostgreSQL: postgresql://USER@HOST/NAME. The home saves it without the password.",
            show_default="$LOWCLOUD_DATABASE or an SQLite file in the home",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Share the store of another home, whose database must be PostgreSQL."),
    ] = None,
) -> None:
    """Start the server."""
    settings = load_settings(home, host, port, database, store)
    if running := server_process.find_running(settings.home):
        output.print(f"Lowcloud is already running at {running.endpoint}; the options given have no effect")
        return
    if detach:
        try:
            output.print(f"Lowcloud is ready at {launcher.start(settings, workers)}")
        except launcher.CannotStartError as error:
            raise fail(str(error)) from error
        return
    from lowcloud.server import server  # takes 0.4 s to load, and no other command needs it

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its messages repeat ours under an alarming name
    try:
        server.serve(settings, workers, lambda running: output.print(f"Lowcloud is ready at {running.endpoint}"))
    except server_process.AlreadyRunningError as error:
        raise fail(f"Another server is starting on {settings.home}.") from error
    except server_process.CannotListenError as error:
        raise fail(f"{error} Choose another address with --host and --port.") from error
    except server.CannotOpenError as error:
        raise fail(str(error)) from error


def down(home: Home = None) -> None:
    """Stop the server. Running jobs continue, and the next server finds them again."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    if running is None:
        output.print("Lowcloud is not running")
        return
    os.kill(running.pid, signal.SIGTERM)
    if not server_process.wait_until_stopped(folder, STOP_TIMEOUT_SECONDS):
        raise fail(f"The server (process {running.pid}) did not stop within {STOP_TIMEOUT_SECONDS:.0f} seconds.")
    output.print("Lowcloud has stopped")


def status(home: Home = None) -> None:
    """Show whether the server runs, where its data is stored, and how jobs are isolated."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    print_fact("Home", str(folder))
    if running is None:
        print_fact("Server", "not running; start it with: lowcloud up")
        raise typer.Exit(NOT_RUNNING_EXIT_CODE)
    settings = load_settings(home)
    since = datetime.fromtimestamp(running.started_at).strftime("%Y-%m-%d %H:%M:%S")
    print_fact("Server", f"ready at {running.endpoint}, process {running.pid}, since {since}")
    if settings.database:
        print_fact("Database", home_settings.without_password(settings.database))
    if settings.store:
        print_fact("Store", f"shared with {settings.store}")
    print_fact("Account", f"{settings.account_id}, region {settings.region}")
    print_fact("Role", f"arn:aws:iam::{settings.account_id}:role/{EXECUTION_ROLE}")
    print_fact("Isolation", running.isolation)
    print_fact("Last scrub", describe_last_scrub(settings))
    sagemaker = make_client(settings, running.endpoint, "sagemaker")
    lowcloud = make_client(settings, running.endpoint, "lowcloud")
    jobs = lowcloud.list_jobs(InProgress=True, MaxResults=JOBS_LIMIT)["Jobs"]
    endpoints = list_all(sagemaker, "list_endpoints", "Endpoints")
    print_fact("Jobs", f"{'at least ' if len(jobs) == JOBS_LIMIT else ''}{len(jobs)} in progress")
    names = ", ".join(f"{endpoint['EndpointName']} ({endpoint['EndpointStatus']})" for endpoint in endpoints)
    print_fact("Endpoints", names or "none")
