"""The commands that start, stop and show the server: `lowcloud up`, `down` and `status`."""

import json
import os
import signal
import urllib.error
import urllib.request
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lowcloud.cli.connection import list_all, load_settings, make_client
from lowcloud.cli.maintenance import describe_last_scrub
from lowcloud.cli.terminal import Home, fail, output, print_fact
from lowcloud.home import launcher, server_log, server_process
from lowcloud.home import settings as home_settings
from lowcloud.home.launcher import DEFAULT_WORKERS
from lowcloud.home.server_log import LogLevel
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, EXECUTION_ROLE, Settings

JOBS_LIMIT = 100  # that are counted
STOP_TIMEOUT_SECONDS = 30.0
HEALTH_TIMEOUT_SECONDS = 10.0
NOT_RUNNING_EXIT_CODE = 3  # as systemctl status and service scripts have it


class IsolationChoice(StrEnum):
    """What `--isolation` can choose (engine/local/launch/isolation.py)."""

    STRONGEST = "strongest"
    OWN_USER = "own-user"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    USER_ONLY = "user-only"
    NONE = "none"


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
    isolation: Annotated[
        IsolationChoice | None,
        typer.Option(
            help="Run programs at this isolation level from now on, even if it is weaker than before.",
            show_default="the strongest that works, never weaker than before",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="How much to log; `debug` adds a line for each request.")
    ] = LogLevel.INFO,
) -> None:
    """Start the server."""
    settings = load_settings(home, host, port, database, store, isolation)
    if isolation and settings.store:
        raise fail(f"The isolation level is that of the store: give --isolation to the server of {settings.store}.")
    if running := server_process.find_running(settings.home):
        output.print(f"Lowcloud is already running at {running.endpoint}; the options given have no effect")
        return
    if detach:
        try:
            _print_ready(launcher.start(settings, workers, log_level), settings)
        except launcher.CannotStartError as error:
            raise fail(str(error)) from error
        return
    try:
        _serve(settings, workers, log_level)
    except typer.Exit:
        launcher.discard_new(settings)
        raise


def _serve(settings: Settings, workers: int, log_level: LogLevel) -> None:
    """Serve in the foreground."""
    from lowcloud.server import server  # takes 0.4 s to load, and no other command needs it

    server_log.configure(settings.home, log_level)
    try:
        server.serve(settings, workers, lambda running: _print_ready(running.endpoint, settings))
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
        _end_survivors(home_settings.work_folder(folder), end_jobs)


def status(home: Home = None) -> None:
    """Show whether the server runs, where its data is stored, and how jobs are isolated."""
    folder = home_settings.home_folder(os.environ, home)
    running = server_process.find_running(folder)
    print_fact("Home", str(folder))
    if running is None:
        print_fact("Server", "not running; start it with: lowcloud up")
        if survivors := _survivors(home_settings.work_folder(folder)):
            print_fact(
                "Still running", f"{_names(survivors)}; found again by: lowcloud up, ended by: lowcloud down --all"
            )
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
    _print_health(running.endpoint, settings)
    print_fact("Last scrub", describe_last_scrub(settings))
    sagemaker = make_client(settings, running.endpoint, "sagemaker")
    lowcloud = make_client(settings, running.endpoint, "lowcloud")
    jobs = lowcloud.list_jobs(InProgress=True, MaxResults=JOBS_LIMIT)["Jobs"]
    endpoints = list_all(sagemaker, "list_endpoints", "Endpoints")
    print_fact("Jobs", f"{'at least ' if len(jobs) == JOBS_LIMIT else ''}{len(jobs)} in progress")
    names = ", ".join(f"{endpoint['EndpointName']} ({endpoint['EndpointStatus']})" for endpoint in endpoints)
    print_fact("Endpoints", names or "none")


def _print_ready(endpoint: str, settings: Settings) -> None:
    """Print what `up` says."""
    from lowcloud.engine.local import isolation_trials

    output.print(f"Lowcloud is ready at {endpoint}")
    isolation = isolation_trials.read_status(settings.work)
    if isolation.level and isolation.level != IsolationChoice.NONE:
        print_fact("Isolation", isolation.level)
        _print_faults(endpoint)
    else:
        _print_health(endpoint, settings)


def _print_health(endpoint: str, settings: Settings) -> None:
    """Print how programs are isolated, which server runs them, and why the server is not ready, if it is not."""
    from lowcloud.core.control import leader_election
    from lowcloud.engine.local import isolation_trials

    found = isolation_trials.read_status(settings.work)
    print_fact("Isolation", f"{found.level}: {found.sentence}" if found.level else found.waits_for or "not known yet")
    leader = leader_election.leader_of(settings.work)
    if leader and leader != str(settings.home):
        print_fact("Leader", f"the server of {leader}, another one of this store, runs jobs and endpoints")
    _print_faults(endpoint)


def _print_faults(endpoint: str) -> None:
    for reason in _health(endpoint)["reasons"]:
        print_fact("Not ready", reason["message"])


def _health(endpoint: str) -> dict[str, Any]:
    """Return what the server says of its health."""
    try:
        with urllib.request.urlopen(f"{endpoint}/health", timeout=HEALTH_TIMEOUT_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 503:  # otherwise it is not ready, and says why
            return _one_reason("It is of an earlier version of Lowcloud; restart it: lowcloud down, then lowcloud up.")
        found = json.load(error)
    except OSError as error:
        return _one_reason(f"It does not answer: {error}")
    return found


def _one_reason(message: str) -> dict[str, Any]:
    return {"reasons": [{"message": message}]}


def _survivors(work: Path) -> list[str]:
    """Return the works that run although no server of the store does."""
    if not work.is_dir():
        return []
    from lowcloud.core.control import leader_election
    from lowcloud.engine.local import survivors

    try:
        with leader_election.no_servers(work):
            return survivors.find(work)
    except leader_election.ServersRunningError:
        return []


def _end_survivors(work: Path, end_jobs: bool) -> None:
    """End what runs without a server, except for jobs, which continue unless this is requested."""
    from lowcloud.engine.local import survivors

    running = _survivors(work)
    ended = [work_id for work_id in running if end_jobs or work_id.startswith("endpoint/")]
    if ended:
        survivors.kill(work, ended)
        output.print(f"Ended: {_names(ended)}", markup=False)
    if left := [work_id for work_id in running if work_id not in ended]:
        output.print(
            f"Still running: {_names(left)}; found again by: lowcloud up, ended by: lowcloud down --all", markup=False
        )


def _names(work_ids: list[str]) -> str:
    """Return the resources that works belong to: a work's id begins with the type and the name."""
    return ", ".join(dict.fromkeys(" ".join(work_id.split("/")[:2]) for work_id in work_ids))
