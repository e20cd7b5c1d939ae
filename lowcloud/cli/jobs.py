"""The commands that show and interrupt jobs: `lowcloud jobs`, `logs` and `interrupt`."""

import time
from typing import Annotated, Any

import typer

from lowcloud.cli.connection import connect, find, list_all, make_client
from lowcloud.cli.terminal import Home, fail, output

FOLLOW_SECONDS = 0.5
JOBS_SHOWN = 25


def jobs(home: Home = None) -> None:
    """List the newest jobs of every kind."""
    found = connect(home, "lowcloud").list_jobs(MaxResults=JOBS_SHOWN)["Jobs"]
    if not found:
        output.print("No jobs yet")
        return
    rows = [("Job", "Kind", "Status", "Created", "Seconds"), *(_row(job) for job in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):  # not a table of rich, which cuts names that are wider than the terminal
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        output.print(line, style="bold" if number == 0 else None, markup=False)


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    ended = job.get("EndTime")
    seconds = f"{(ended - job['CreationTime']).total_seconds():.1f}" if ended else ""
    created = job["CreationTime"].astimezone().strftime("%m-%d %H:%M:%S")
    return job["JobName"], job["JobKind"].removesuffix(" job"), job["JobStatus"], created, seconds


def logs(
    name: Annotated[str, typer.Argument(help="Name of a job or an endpoint.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the job ends.")] = False,
    home: Home = None,
) -> None:
    """Print the log of a job or an endpoint, and for a failed job the reason."""
    settings, endpoint = find(home)
    log_client = make_client(settings, endpoint, "logs")
    lowcloud = make_client(settings, endpoint, "lowcloud")
    sagemaker = make_client(settings, endpoint, "sagemaker")
    if job := _find_job(lowcloud, name):
        log_filter = {"logGroupName": job["LogGroup"], "logStreamNamePrefix": f"{name}/"}
    elif any(endpoint["EndpointName"] == name for endpoint in list_all(sagemaker, "list_endpoints", "Endpoints")):
        log_filter = {"logGroupName": f"/aws/sagemaker/Endpoints/{name}"}
    else:
        raise fail(f"There is no job and no endpoint named {name!r}.")
    token = ""
    while True:
        # The job first, so that no line is missed between the last read and the end of the job.
        job = _find_job(lowcloud, name)
        token = _print_new_lines(log_client, log_filter, token)
        if job and job["JobStatus"] == "Failed":
            raise fail(f"The {job['JobKind']} failed: {job['FailureReason']}")
        if not follow or (job and job["JobStatus"] in ("Completed", "Stopped")):
            return
        time.sleep(FOLLOW_SECONDS)


def interrupt(
    name: Annotated[str, typer.Argument(help="Name of a training job with EnableManagedSpotTraining.")],
    home: Home = None,
) -> None:
    """Interrupt a spot training job as AWS does when it reclaims capacity. The job restarts from its checkpoint."""
    connect(home, "lowcloud").interrupt_training_job(TrainingJobName=name)
    output.print(f"{name} is interrupted and restarts when capacity is available")


def _find_job(lowcloud: Any, name: str) -> dict[str, Any] | None:
    """Return the newest job of this name, of whichever kind, or None."""
    # From a list, because Describe of a new job waits for its end, and log lines should appear before that.
    found: list[dict[str, Any]] = lowcloud.list_jobs(JobName=name)["Jobs"]
    return found[0] if found else None


def _print_new_lines(log_client: Any, log_filter: dict[str, str], token: str) -> str:
    """Print the log events after `token`, and return the token of the last one."""
    from botocore.exceptions import ClientError

    while True:
        position = {"nextToken": token} if token else {}
        try:
            page = log_client.filter_log_events(**log_filter, **position)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return token  # nothing has been printed yet
            raise
        for event in page["events"]:
            print(event["message"], flush=True)
            token = event["eventId"]
        if "nextToken" not in page:
            return token
