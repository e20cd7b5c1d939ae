"""The commands that show and interrupt jobs: `lowcloud jobs`, `logs` and `interrupt`."""

import time
from typing import Annotated, Any

import typer
from rich.table import Table

from lowcloud.cli.connection import connect, find, list_all, make_client
from lowcloud.cli.terminal import Home, fail, output

FOLLOW_SECONDS = 0.5
JOBS_SHOWN = 25
WIDTH_WITHOUT_TERMINAL = 160  # characters of a line when the output is a file or a pipe


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
        column.no_wrap, column.overflow = True, "ignore"  # names are copied, so they must not be cut
    newest = sorted(found, key=lambda pair: pair[1]["CreationTime"], reverse=True)[:JOBS_SHOWN]
    for kind, job in newest:
        ended = job.get(f"{kind}EndTime")
        seconds = f"{(ended - job['CreationTime']).total_seconds():.1f}" if ended else ""
        created = job["CreationTime"].astimezone().strftime("%m-%d %H:%M:%S")
        table.add_row(job[f"{kind}JobName"], kind.lower(), job[f"{kind}JobStatus"], created, seconds)
    output.print(table, soft_wrap=False, width=None if output.is_terminal else WIDTH_WITHOUT_TERMINAL)


def logs(
    name: Annotated[str, typer.Argument(help="Name of a training job, a processing job or an endpoint.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the job ends.")] = False,
    home: Home = None,
) -> None:
    """Print the log of a job or an endpoint, and for a failed job the reason."""
    settings, endpoint = find(home)
    sagemaker = make_client(settings, endpoint, "sagemaker")
    log_client = make_client(settings, endpoint, "logs")
    kind = next((kind for kind in ("training", "processing") if _job_status(sagemaker, kind, name)), None)
    if kind:
        log_filter = {"logGroupName": f"/aws/sagemaker/{kind.title()}Jobs", "logStreamNamePrefix": f"{name}/"}
    elif any(endpoint["EndpointName"] == name for endpoint in list_all(sagemaker, "list_endpoints", "Endpoints")):
        log_filter = {"logGroupName": f"/aws/sagemaker/Endpoints/{name}"}
    else:
        raise fail(f"There is no job and no endpoint named {name!r}.")
    token = ""
    while True:
        # The status first, so that no line is missed between the last read and the end of the job.
        status = _job_status(sagemaker, kind, name) if kind else None
        token = _print_new_lines(log_client, log_filter, token)
        if kind and status == "Failed":
            describe = getattr(sagemaker, f"describe_{kind}_job")
            reason = describe(**{f"{kind.title()}JobName": name})["FailureReason"]
            raise fail(f"The {kind} job failed: {reason}")
        if not follow or status in ("Completed", "Stopped"):
            return
        time.sleep(FOLLOW_SECONDS)


def interrupt(
    name: Annotated[str, typer.Argument(help="Name of a training job with EnableManagedSpotTraining.")],
    home: Home = None,
) -> None:
    """Interrupt a spot training job as AWS does when it reclaims capacity. The job restarts from its checkpoint."""
    connect(home, "lowcloud").interrupt_training_job(TrainingJobName=name)
    output.print(f"{name} is interrupted and restarts when capacity is available")


def _job_status(sagemaker: Any, kind: str, name: str) -> str | None:
    """Return the status of a training or processing job, or None if there is no job with this name."""
    # From the list, because Describe of a new job waits for its end, and log lines should appear before that.
    job = f"{kind.title()}Job"
    summaries = list_all(sagemaker, f"list_{kind}_jobs", f"{job}Summaries", NameContains=name)
    return next((summary[f"{job}Status"] for summary in summaries if summary[f"{job}Name"] == name), None)


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
