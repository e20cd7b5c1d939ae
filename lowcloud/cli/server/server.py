"""The commands that start, stop and show the server: `lowcloud up`, `down` and `status`."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from lowcloud.cli.server import health
from lowcloud.cli.serving.endpoints import list_endpoints
from lowcloud.cli.terminal.connection import NOT_RUNNING_EXIT_CODE, load_settings
from lowcloud.cli.terminal.output import Home, errors, fail, note, of_home, output, print_fact, say
from lowcloud.client.json_client import JsonClient
from lowcloud.client.messages import format_bytes
from lowcloud.home import launcher, server_log, server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.launcher import DEFAULT_WORKERS
from lowcloud.home.server_log import LogLevel
from lowcloud.home.server_process import RunningServer
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, EXECUTION_ROLE, Settings

ENDPOINTS_SHOWN = 3
JOBS_LIMIT = 100  # that are counted
STOP_TIMEOUT_SECONDS = 30.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN_TO_OTHERS = (
    "Warning: listening on {host}, so other machines can send requests. They are not encrypted: TLS is not supported "
    "yet. Use this only in a network whose members you trust."
)


class IsolationChoice(StrEnum):
    """What `--isolation` can choose (engine/local/launch/isolation.py)."""

    STRONGEST = "strongest"
    OWN_USER = "own-user"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    USER_ONLY = "user-only"
    NONE = "none"


def up(
    context: typer.Context,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="Port to listen on; 0 selects a free one.",
            min=0,
            max=65535,
            show_default=f"that of the last server of this home, at first {DEFAULT_PORT}",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Number of processes that serve requests; each uses at most one core.",
            min=1,
            show_default="2, on one core 1",
        ),
    ] = DEFAULT_WORKERS,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return once the server is ready.")
    ] = False,
    home: Home = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Store rows in PostgreSQL: postgresql://USER@HOST/NAME. The home saves it without the password.",
            show_default="$LOWCLOUD_DATABASE or an SQLite file in the home",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Share the store of another home, whose database must be PostgreSQL."),
    ] = None,
    isolation: Annotated[
        IsolationChoice | None,
        typer.Option(
            metavar="LEVEL",
            help="Run programs at this isolation level from now on, even if it is weaker than before: "
            f"{', '.join(IsolationChoice)}.",
            show_default="the strongest that works, never weaker than before",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel,
        typer.Option(
            metavar="LEVEL",
            help=f"How much to log: {', '.join(LogLevel)}; `debug` adds a line for each request.",
        ),
    ] = LogLevel.INFO,
) -> None:
    """Start the server."""
    settings = load_settings(home, host, port, database, store, isolation)
    if isolation and settings.store:
        raise fail(f"The isolation level is that of the store: give --isolation to the server of {settings.store}.")
    if running := server_process.find_running(settings.home):
        say(_describe_running(running, _typed(context), home))
        return
    if port is None:
        settings = _with_free_port(settings)
    if detach:
        _start(settings, workers, log_level)
    else:
        _serve(settings, workers, log_level)


def _typed(context: typer.Context) -> dict[str, str]:
    """Return the options that were typed, without those that only say where and how to start."""
    source = context.get_parameter_source
    typed = {name for name in context.params if getattr(source(name), "name", "") == "COMMANDLINE"}
    return {name: str(context.params[name]) for name in context.params if name in typed - {"home", "detach"}}


def _describe_running(running: RunningServer, given: Mapping[str, str], home: Path | None) -> str:
    """Return that a server runs, which of the given options are not its own, and how to apply them."""
    saved = load_settings(home)
    own = {
        **running.options,
        "port": str(urlsplit(running.endpoint).port),
        "store": str(saved.store or ""),
        "database": home_settings.without_password(saved.database or ""),
    }
    wanted = {**given, "database": home_settings.without_password(given.get("database", ""))}
    if wanted.get("port") == "0":  # any
        del wanted["port"]
    others = [name for name, value in wanted.items() if value and value != own.get(name)]
    if not others:
        return f"Lowcloud is already running at {running.endpoint}"
    names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
    down, up_again = of_home("lowcloud down", home), of_home("lowcloud up", home)
    return (
        f"Lowcloud is already running at {running.endpoint}, with another value of {names}. To apply yours, stop it "
        f"with `{down}`, then start it with `{up_again}` and these options."
    )


def _print_ready(endpoint: str, settings: Settings) -> None:
    health.print_ready(endpoint, settings)
    if settings.host not in LOOPBACK:
        errors.print(OPEN_TO_OTHERS.format(host=settings.host), style="yellow", markup=False)


def _with_free_port(settings: Settings) -> Settings:
    """Return the settings with a free port if that of the home is in use."""
    if server_process.can_listen(settings.host, settings.port):
        return settings
    note(f"Port {settings.port} is in use by another program; choosing a free one.")
    return replace(settings, port=0)


def _start(settings: Settings, workers: int, log_level: LogLevel) -> None:
    """Start a server in the background."""
    try:
        _print_ready(launcher.start(settings, workers, log_level, note), settings)
    except launcher.CannotStartError as error:
        raise fail(str(error)) from error


def _serve(settings: Settings, workers: int, log_level: LogLevel) -> None:
    """Serve in the foreground; a home that was created for a start that fails is emptied."""
    try:
        _serve_home(settings, workers, log_level)
    except typer.Exit:
        launcher.discard_new(settings)
        raise


def _serve_home(settings: Settings, workers: int, log_level: LogLevel) -> None:
    from lowcloud.server import server  # takes 0.4 s to load, and no other command needs it

    server_log.configure(settings.home, log_level)
    try:
        options = {
            "host": settings.host,
            "workers": str(workers),
            "log_level": log_level,
            "isolation": settings.isolation or "",
        }
        server.serve(settings, workers, lambda running: _print_ready(running.endpoint, settings), options)
    except server_process.AlreadyRunningError as error:
        raise fail(f"Another server is starting on {settings.home}.") from error
    except server_process.CannotListenError as error:
        raise fail(f"{error} Choose another address with --host and --port.") from error
    except server.CannotOpenError as error:
        raise fail(str(error)) from error


def down(
    end_jobs: Annotated[bool, typer.Option("--all", help="End running jobs too; they are then lost.")] = False,
    home: Home = None,
) -> None:
    """Stop the server. Running jobs continue, and the next server finds them again."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    if running is not None:
        os.kill(running.pid, signal.SIGTERM)
        if not server_process.wait_until_stopped(folder, STOP_TIMEOUT_SECONDS):
            raise fail(f"The server (process {running.pid}) did not stop within {STOP_TIMEOUT_SECONDS:.0f} seconds.")
    output.print("Lowcloud is not running" if running is None else "Lowcloud has stopped")
    if not server_process.is_locked(folder):  # otherwise another server is starting
        health.end_survivors(_work_folder(folder), home, end_jobs=end_jobs)


def status(home: Home = None) -> None:
    """Show whether the server runs, where its data is stored, and how jobs are isolated."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    print_fact("Home", str(folder))
    if running is None:
        print_fact("Server", f"not running; start it with: {of_home('lowcloud up', home)}")
        if survivors := health.find_survivors(_work_folder(folder)):
            print_fact("Still running", health.describe_survivors(survivors, home))
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
    client = JsonClient(running.endpoint, settings.region, settings.root_key)
    cloud = client.call("lowcloud", "DescribeCloud")
    health.print_health(running.endpoint, settings, cloud)
    print_fact("Last scrub", _describe_scrub(cloud.get("LastScrub")))
    jobs = client.call("lowcloud", "ListJobs", InProgress=True, MaxResults=JOBS_LIMIT)["Jobs"]
    waiting = sum("WaitingFor" in job for job in jobs)
    count = f"{'at least ' if len(jobs) == JOBS_LIMIT else ''}{len(jobs)} in progress"
    print_fact("Jobs", f"{count}, {waiting} of them waiting" if waiting else count)
    print_fact("Endpoints", _first_endpoints(client, home))


def _first_endpoints(client: JsonClient, home: Path | None) -> str:
    """Return the newest endpoints, and how many more there are."""
    names = [f"{one['EndpointName']} ({one['EndpointStatus']})" for one in list_endpoints(client)]
    shown = ", ".join(names[:ENDPOINTS_SHOWN])
    more = len(names) - ENDPOINTS_SHOWN
    return f"{shown} and {more} more: {of_home('lowcloud endpoints', home)}" if more > 0 else shown or "none"


def _work_folder(home: Path) -> Path:
    try:
        return home_settings.work_folder(home)
    except ValueError as error:
        raise fail(str(error)) from error


def _describe_scrub(last: Mapping[str, Any] | None) -> str:
    """Return the result of the last scrub that the server has completed in the background."""
    if last is None:
        return "none completed yet"
    ended = datetime.fromtimestamp(last["EndTime"]).strftime("%Y-%m-%d %H:%M:%S")
    found = f"{last['Findings']} problems found; run `lowcloud check`" if last["Findings"] else "no problems found"
    return f"{ended}, {last['Versions']} object versions, {format_bytes(last['Bytes'])}: {found}"
