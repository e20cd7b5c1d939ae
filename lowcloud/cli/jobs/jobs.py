"""The commands about jobs of every kind: `lowcloud jobs`, `logs`, `stop` and `interrupt`."""

import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer

from lowcloud.cli.serving import endpoints
from lowcloud.cli.terminal.connection import connect
from lowcloud.cli.terminal.lists import ROWS_SHOWN, All, AsJson, Number, items_of, print_list, to_time
from lowcloud.cli.terminal.names import no_such
from lowcloud.cli.terminal.output import Home, fail, note, of_home, say
from lowcloud.client.json_client import JsonClient, RequestRefusedError

FOLLOW_SECONDS = 0.5
REASON_CHARACTERS = 80
JOBS_PER_PAGE = 100
STOP_OPERATIONS = {
    "training job": ("StopTrainingJob", "TrainingJobName"),
    "processing job": ("StopProcessingJob", "ProcessingJobName"),
}
ENDED = ("Completed", "Failed", "Stopped")

JobName = Annotated[str, typer.Argument(help="Name of a job.")]


def jobs(number: Number = ROWS_SHOWN, every: All = False, as_json: AsJson = False, home: Home = None) -> None:
    """List the jobs of every kind, newest first."""
    pages = connect(home).pages("lowcloud", "ListJobs", MaxResults=min(number + 1, JOBS_PER_PAGE))
    columns = {
        "Job": lambda job: job["JobName"],
        "Kind": lambda job: job["JobKind"].removesuffix(" job"),
        "Status": lambda job: job["JobStatus"],
        "Created": lambda job: to_time(job["CreationTime"]),
        "Seconds": seconds_of,
        "Detail": lambda job: detail_of(job) or _short(job.get("FailureReason", "")),
    }
    print_list(items_of(pages, "Jobs"), columns, "jobs", None if every else number, as_json)


def logs(
    name: Annotated[str, typer.Argument(help="Name of a job or an endpoint.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the job ends.")] = False,
    endpoint: Annotated[bool, typer.Option("--endpoint", help="Print the log of the endpoint with this name.")] = False,
    home: Home = None,
) -> None:
    """Print the log of a job or an endpoint, and for a failed job the reason."""
    client = connect(home)
    log = _Log(client, _log_filter(client, name, endpoint))
    if not endpoint and find_job(client, name) and endpoints.describe(client, "DescribeEndpoint", EndpointName=name):
        note(f"The log of the endpoint {name} is shown by: {of_home(f'lowcloud logs --endpoint {name}', home)}")
    told = ""
    while True:
        # The job first, so that no line is missed between the last read and the end of the job.
        job = None if endpoint else find_job(client, name)
        log.print_new_lines()
        if job and job["JobStatus"] == "Failed":
            from lowcloud.sdk.errors import failure_ending

            ending = failure_ending(job.get("FailureReason", ""), log.last_lines)
            raise fail(f"The {job['JobKind']} failed{ending}")
        if not follow or (job and job["JobStatus"] in ("Completed", "Stopped")):
            return
        if job and job.get("WaitingFor", told) != told:
            told = job["WaitingFor"]
            note(told)
        time.sleep(FOLLOW_SECONDS)


def stop(
    name: Annotated[str, typer.Argument(help="Name of a job.")],
    endpoint: Annotated[bool, typer.Option("--endpoint", help="Delete the endpoint with this name.")] = False,
    home: Home = None,
) -> None:
    """Stop a job; what it has saved is kept.

    If no job has this name, or with --endpoint, the endpoint and its model are deleted, as `lowcloud delete` does.
    """
    client = connect(home)
    job = None if endpoint else find_job(client, name)
    if job is None:
        endpoints.delete_endpoint(client, name, home)
        return
    if job["JobStatus"] in ENDED:
        say(f"{name} has already ended: {job['JobStatus']}")
        _tell_endpoints(client, job, home)
    elif job["JobKind"] not in STOP_OPERATIONS:
        raise fail(f"A {job['JobKind']} cannot be stopped from here.")
    else:
        operation, member = STOP_OPERATIONS[job["JobKind"]]
        client.call("sagemaker", operation, **{member: name})
        say(f"{name} is stopping")


def interrupt(
    name: Annotated[str, typer.Argument(help="Name of a training job with EnableManagedSpotTraining.")],
    home: Home = None,
) -> None:
    """Interrupt a spot training job as AWS does when it reclaims capacity. The job restarts from its checkpoint."""
    client = connect(home)
    job = require_job(client, name)
    if job["JobKind"] != "training job":
        stopping = of_home(f"lowcloud stop {name}", home)
        raise fail(f"{name} is a {job['JobKind']}; only spot training jobs are interrupted. Stop it with: {stopping}")
    client.call("lowcloud", "InterruptTrainingJob", TrainingJobName=name)
    say(f"{name} is interrupted and restarts when capacity is available")


def find_job(client: JsonClient, name: str) -> Mapping[str, Any] | None:
    """Return the newest job of this name, of whichever kind, or None."""
    # From a list, because Describe of a new job waits for its end, and log lines should appear before that.
    found: list[Mapping[str, Any]] = client.call("lowcloud", "ListJobs", JobName=name)["Jobs"]
    return found[0] if found else None


def require_job(client: JsonClient, name: str) -> Mapping[str, Any]:
    """Return the newest job of this name. Ends the command if there is none."""
    job = find_job(client, name)
    if job is None:
        raise no_such(client, name, "job")
    return job


def seconds_of(job: Mapping[str, Any]) -> str:
    """Return how long a job has worked, without the time that it waited; "" while it waits."""
    started = job.get("StartTime")
    return f"{job.get('EndTime', time.time()) - started:.1f}" if started else ""


def detail_of(job: Mapping[str, Any]) -> str:
    """Return what a job that has not ended does, or what it waits for."""
    return "" if job["JobStatus"] in ENDED else str(job.get("WaitingFor") or job.get("SecondaryStatus", ""))


def _short(reason: str) -> str:
    """Return the beginning of a failure reason, for a list; `lowcloud describe` has the whole."""
    return shorten(next(iter(reason.splitlines()), ""), REASON_CHARACTERS, placeholder=" ...")


def _tell_endpoints(client: JsonClient, job: Mapping[str, Any], home: Path | None) -> None:
    """Say which endpoints serve the model of an ended job: stopping the job does not end them."""
    deployed = endpoints.serving_job(client, job["JobName"]) if job["JobKind"] == "training job" else []
    for name in deployed:
        deletion = of_home(f"lowcloud delete {name}", home)
        say(f"Its endpoint {name} still runs; delete it with: {deletion}")


def _log_filter(client: JsonClient, name: str, is_endpoint: bool) -> dict[str, str]:
    job = None if is_endpoint else find_job(client, name)
    if job:
        return {"logGroupName": job["LogGroup"], "logStreamNamePrefix": f"{name}/"}
    group = f"/aws/sagemaker/Endpoints/{name}"
    groups = client.call("logs", "DescribeLogGroups", logGroupNamePrefix=group)["logGroups"]
    is_logged = any(one["logGroupName"] == group for one in groups)  # the log outlives the endpoint
    if is_logged or endpoints.describe(client, "DescribeEndpoint", EndpointName=name):
        return {"logGroupName": group}
    raise no_such(client, name, "job", "endpoint")


class _Log:
    """A position in a log."""

    def __init__(self, client: JsonClient, log_filter: Mapping[str, str]):
        self._client = client
        self._filter = log_filter
        self._token = ""
        self.last_lines: list[str] = []

    def print_new_lines(self) -> None:
        """Print the lines since the last call."""
        while page := self._page():
            for event in page["events"]:
                print(event["message"], flush=True)
                self._token = event["eventId"]
                self.last_lines = [*self.last_lines[-100:], event["message"]]
            if "nextToken" not in page:
                return

    def _page(self) -> Mapping[str, Any] | None:
        position = {"nextToken": self._token} if self._token else {}
        try:
            return self._client.call("logs", "FilterLogEvents", **self._filter, **position)
        except RequestRefusedError as refusal:
            if refusal.code == "ResourceNotFoundException":
                return None  # nothing has been printed yet
            raise
