"""The command line: up, down, status, run, env, jobs, logs, and those of modelling.py, teaching.py and upkeep.py."""

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lowcloud import __version__
from lowcloud.cli import images, maintenance, train
from lowcloud.cli.connection import connect, find, load_settings, make_client
from lowcloud.cli.terminal import Home, failure, output, print_fact
from lowcloud.home import launcher
from lowcloud.home import server_process as servers
from lowcloud.home import settings as settings_of
from lowcloud.home.launcher import DEFAULT_WORKERS
from lowcloud.home.settings import DEFAULT_HOST, DEFAULT_PORT, EXECUTION_ROLE, Settings

STOP_TIMEOUT_SECONDS = 30.0
FOLLOW_SECONDS = 0.5
JOBS_SHOWN = 25
WIDTH_OF_A_FILE = 160  # characters of a line where the output is no terminal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


for command in (
    train.train,
    train.stop,
    train.predict,
    maintenance.check,
    maintenance.backup,
    maintenance.restore,
    maintenance.upgrade,
):
    app.command()(command)
app.add_typer(images.app, name="image")


def main() -> None:
    """The entry point `lowcloud`. What the cloud refuses is a sentence, not a traceback."""
    try:
        app()
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):  # imported only by the commands that ask the cloud
            raise
        answer = getattr(error, "response", {}).get("Error", {})  # without the words of the client around it
        failure(answer.get("Message") or str(error))
        sys.exit(1)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        output.print(f"lowcloud {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """A machine-learning cloud on your own machine: the SageMaker and S3 code you have, for real, with no account."""


@app.command()
def up(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = DEFAULT_HOST,
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = DEFAULT_PORT,
    workers: Annotated[
        int, typer.Option(help="Processes that serve requests; each uses one core at most.", min=1)
    ] = DEFAULT_WORKERS,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background once the cloud is ready.")] = False,
    home: Home = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Keep rows in PostgreSQL: postgresql://USER@HOST/NAME. The home remembers it, less the password.",
            show_default="$LOWCLOUD_DATABASE or a file of the home",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Serve the store of this other home too; its database must be PostgreSQL."),
    ] = None,
) -> None:
    """Start the cloud."""
    settings = load_settings(home, host, port, database, store)
    if running := servers.find_running(settings.home):
        output.print(f"Lowcloud is already running at {running.endpoint}, as it was started; this changes nothing")
        return
    if detach:
        try:
            output.print(f"Lowcloud is ready at {launcher.start(settings, workers)}")
        except launcher.CannotStartError as error:
            raise failure(str(error)) from error
        return
    from lowcloud.server import server  # what all other commands do without: it takes 0.4 s to load

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its name alarms, and it tells nothing we do not
    try:
        server.serve(settings, workers, lambda running: output.print(f"Lowcloud is ready at {running.endpoint}"))
    except servers.AlreadyRunningError as error:
        raise failure(f"Another server is just starting on {settings.home}.") from error
    except servers.CannotListenError as error:
        raise failure(f"{error} Choose another address with --host and --port.") from error
    except server.CannotOpenError as error:
        raise failure(str(error)) from error


@app.command()
def down(home: Home = None) -> None:
    """Stop the cloud. Training jobs that run go on and are found again at the next `up`."""

    folder = settings_of.home_folder(os.environ, home)
    running = servers.find_running(folder)
    if running is None:
        output.print("Lowcloud is not running")
        return
    os.kill(running.pid, signal.SIGTERM)
    if not servers.wait_until_gone(folder, STOP_TIMEOUT_SECONDS):
        raise failure(f"The server (process {running.pid}) has not ended within {STOP_TIMEOUT_SECONDS:.0f} seconds.")
    output.print("Lowcloud is down")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")], home: Home = None
) -> None:
    """Run a command with every AWS client in it wired to this cloud, which is started where it does not run."""
    from lowcloud.client import aws_clients

    settings = load_settings(home)
    wired = aws_clients.environment(settings, _endpoint(settings), os.environ)
    try:
        os.execvpe(command[0], command, wired)
    except OSError as error:
        raise failure(f"{command[0]} cannot be run: {error.strerror}.", 127) from error


@app.command()
def env(home: Home = None) -> None:
    """Print what `run` sets, as lines for a shell: eval "$(lowcloud env)"."""
    from lowcloud.client import aws_clients

    settings = load_settings(home)
    wired = aws_clients.environment(settings, _endpoint(settings), os.environ)
    for name in sorted(set(os.environ) - set(wired)):
        print(f"unset {name}")
    for name, value in sorted(aws_clients.wiring_only(wired, os.environ).items()):
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def status(home: Home = None) -> None:
    """Show whether the cloud runs, where it keeps its data, and how it isolates what it runs."""
    folder = settings_of.home_folder(os.environ, home)
    running = servers.find_running(folder)
    print_fact("Home", str(folder))
    if running is None:
        print_fact("Server", "not running; start it with: lowcloud up")
        raise typer.Exit(3)
    settings = load_settings(home)
    since = datetime.fromtimestamp(running.started_at).strftime("%Y-%m-%d %H:%M:%S")
    print_fact("Server", f"ready at {running.endpoint}, process {running.pid}, since {since}")
    if settings.database:
        print_fact("Database", settings_of.without_password(settings.database))
    if settings.store:
        print_fact("Store", f"that of {settings.store}")
    print_fact("Account", f"{settings.account_id}, region {settings.region}")
    print_fact("Role", f"arn:aws:iam::{settings.account_id}:role/{EXECUTION_ROLE}")
    print_fact("Isolation", running.isolation)
    print_fact("Last scrub", maintenance.last_scrub(settings))
    sagemaker = make_client(settings, running.endpoint, "sagemaker")
    jobs = list(_listed(sagemaker, "list_training_jobs", "TrainingJobSummaries", StatusEquals="InProgress"))
    endpoints = _listed(sagemaker, "list_endpoints", "Endpoints")
    print_fact("Training jobs", f"{len(jobs)} in progress")
    shown = ", ".join(f"{one['EndpointName']} ({one['EndpointStatus']})" for one in endpoints)
    print_fact("Endpoints", shown or "none")


@app.command()
def jobs(home: Home = None) -> None:
    """List the newest training and processing jobs."""
    settings, endpoint = find(home)
    sagemaker = make_client(settings, endpoint, "sagemaker")
    found = [
        ("Training", job) for job in sagemaker.list_training_jobs(MaxResults=JOBS_SHOWN)["TrainingJobSummaries"]
    ] + [("Processing", job) for job in sagemaker.list_processing_jobs(MaxResults=JOBS_SHOWN)["ProcessingJobSummaries"]]
    if not found:
        output.print("No jobs yet")
        return
    table = Table("Job", "Kind", "Status", "Created", "Seconds", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ignore"  # a name is copied whole, or is of no use
    newest = sorted(found, key=lambda one: one[1]["CreationTime"], reverse=True)[:JOBS_SHOWN]
    for kind, job in newest:
        ended = job.get(f"{kind}EndTime")
        seconds = f"{(ended - job['CreationTime']).total_seconds():.1f}" if ended else ""
        created = job["CreationTime"].astimezone().strftime("%m-%d %H:%M:%S")
        table.add_row(job[f"{kind}JobName"], kind.lower(), job[f"{kind}JobStatus"], created, seconds)
    output.print(table, soft_wrap=False, width=None if output.is_terminal else WIDTH_OF_A_FILE)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="The training job, the processing job or the endpoint.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    home: Home = None,
) -> None:
    """Print what a job, or an endpoint, printed; of a job that failed also why."""
    settings, endpoint = find(home)
    sagemaker = make_client(settings, endpoint, "sagemaker")
    log_client = make_client(settings, endpoint, "logs")
    kind = next((one for one in ("training", "processing") if _job_status(sagemaker, one, name)), None)
    if kind:
        place = {"logGroupName": f"/aws/sagemaker/{kind.title()}Jobs", "logStreamNamePrefix": f"{name}/"}
    elif any(one["EndpointName"] == name for one in _listed(sagemaker, "list_endpoints", "Endpoints")):
        place = {"logGroupName": f"/aws/sagemaker/Endpoints/{name}"}
    else:
        raise failure(f"There is no job and no endpoint named {name!r}.")
    seen = ""
    while True:
        status = _job_status(sagemaker, kind, name) if kind else None  # before the lines: none is missed at the end
        seen = _print_new_lines(log_client, place, seen)
        if kind and status == "Failed":
            describe = getattr(sagemaker, f"describe_{kind}_job")
            reason = describe(**{f"{kind.title()}JobName": name})["FailureReason"]
            raise failure(f"The {kind} job failed: {reason}")
        if not follow or status in ("Completed", "Stopped"):
            return
        time.sleep(FOLLOW_SECONDS)


@app.command()
def interrupt(
    name: Annotated[str, typer.Argument(help="The training job, one with EnableManagedSpotTraining.")],
    home: Home = None,
) -> None:
    """Take the machine from a spot job, as a cloud does that needs it back: it starts again from its checkpoint."""
    connect(home, "lowcloud").interrupt_training_job(TrainingJobName=name)
    output.print(f"{name} is interrupted; it starts again when there is room")


def _job_status(sagemaker: Any, kind: str, name: str) -> str | None:
    """How a training or processing job stands; None where there is none of this name."""
    # A list, since a Describe of a young job waits for its end, and lines should come meanwhile.
    job = f"{kind.title()}Job"
    found = _listed(sagemaker, f"list_{kind}_jobs", f"{job}Summaries", NameContains=name)
    return next((one[f"{job}Status"] for one in found if one[f"{job}Name"] == name), None)


def _print_new_lines(log_client: Any, place: dict[str, str], token: str) -> str:
    """Print the events after `token`, and return the token that comes after them."""
    from botocore.exceptions import ClientError

    while True:
        asked = {"nextToken": token} if token else {}
        try:
            page = log_client.filter_log_events(**place, **asked)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return token  # nothing has been printed yet
            raise
        for event in page["events"]:
            print(event["message"], flush=True)
            token = event["eventId"]
        if "nextToken" not in page:
            return token


def _listed(client: Any, operation: str, member: str, **filters: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 100}, **filters):
        yield from page[member]


def _endpoint(settings: Settings) -> str:
    """Where the cloud of this home answers; it is started where it does not run."""
    try:
        return launcher.ensure_running(settings)
    except launcher.CannotStartError as error:
        raise failure(str(error)) from error
