"""100,000 ended jobs in the table: the duration of Describe, of a page of List, and of a decision of the queue.

    .venv/bin/python benchmarks/many_jobs.py [--jobs 100000] [--database URL]

One job is run; its rows (record, events, tags, metrics) are then copied into the database with other names and times.
Signed requests go to a running server over one persistent connection, so the seconds are those of the server and of the
loopback interface; CPU is that of all processes of the server.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sqlalchemy import Table, insert, select, text

from lowcloud.client import aws_clients
from lowcloud.core.context import Context
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.core.scheduling import admission
from lowcloud.core.telemetry.metrics import Point, record
from lowcloud.home import server_process, settings
from lowcloud.server.server import open_context
from lowcloud.store.db.tables.jobs import training_jobs
from lowcloud.store.db.tables.resources import events, tags

TARGET_MS = 20.0
ROUNDS = 200
BATCH = 5000
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ORIGINAL = "original"
METRICS = ("train:loss", "validation:loss", "validation:accuracy")


def main() -> None:
    """Print the time of each request next to its target."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=100_000)
    arguments.add_argument("--database", help="URL of an empty PostgreSQL database; by default SQLite")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with closing((context := _open(home, chosen.database)).database):
            settings.save_account(context.settings)
            images.register(context, Image("nothing", context.now(), command=("true",)))
        _lowcloud(home, "up", "--detach", "--port", "0")
        _run_one(home)
        _lowcloud(home, "down")
        with closing((context := _open(home, chosen.database)).database):
            start = time.perf_counter()
            _copy(context, chosen.jobs)
            print(f"{chosen.jobs} jobs written in {time.perf_counter() - start:.0f} s")
            if chosen.database:
                with context.database.transaction() as connection:
                    connection.execute(text("ANALYZE training_jobs"))  # as PostgreSQL's autovacuum does within a minute
            _print("queue: nothing waits", *_time(lambda: admission.admit_waiting(context)))
        _lowcloud(home, "up", "--detach", "--port", "0")
        try:
            _measure(home, chosen.jobs)
        finally:
            _lowcloud(home, "down")


def _run_one(home: Path) -> None:
    ask = _asker(home)
    account = settings.load(home, os.environ).account_id
    s3 = aws_clients.make_client(settings.load(home, os.environ), _endpoint(home), "s3")
    s3.create_bucket(Bucket="sagemaker-jobs")
    ask(
        "CreateTrainingJob",
        TrainingJobName=ORIGINAL,
        AlgorithmSpecification={"TrainingImage": "nothing", "TrainingInputMode": "File"},
        HyperParameters={f"parameter-{number}": str(number) for number in range(20)},
        RoleArn=f"arn:aws:iam::{account}:role/{aws_clients.EXECUTION_ROLE}",
        OutputDataConfig={"S3OutputPath": "s3://sagemaker-jobs/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": f"tag-{number}", "Value": "value"} for number in range(3)],
    )
    assert ask("DescribeTrainingJob", TrainingJobName=ORIGINAL)["TrainingJobStatus"] == "Completed"


def _copy(context: Context, count: int) -> None:
    with context.database.read() as connection:
        job = dict(connection.execute(select(training_jobs)).one()._mapping)
        events_of_job = [dict(row._mapping) for row in connection.execute(select(events))]
        tags_of_job = [dict(row._mapping) for row in connection.execute(select(tags))]
    for begin in range(0, count, BATCH):
        names = [f"job-{number:06}" for number in range(begin, min(begin + BATCH, count))]
        rows: dict[Table, list[dict[str, Any]]] = {
            training_jobs: [_older(job, name, age) for age, name in enumerate(names, begin + 1)],
            events: [_about(row, name) for name in names for row in events_of_job],
            tags: [_about(row, name) for name in names for row in tags_of_job],
        }
        with context.database.transaction() as connection:
            for table, made in rows.items():
                connection.execute(insert(table), made)
            series = (TRAINING.metrics.series(name, metric) for name in names for metric in METRICS)
            record(connection, ((one, Point(context.now(), 0.5)) for one in series))


def _older(job: Mapping[str, Any], name: str, age: float) -> dict[str, Any]:
    times = {column: job[column] - age for column in ("created_at", "modified_at", "ended_at", "admitted_at")}
    return {**job, **times, "name": name, "owner": f"owner-{int(age) % 10}"}


def _about(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**{column: value for column, value in row.items() if column != "id"}, "subject": f"training-job/{name}"}


def _measure(home: Path, count: int) -> None:
    ask = _asker(home)
    pid = server_process.find_running(home).pid
    middle = f"job-{count // 2:06}"
    page = ask("ListTrainingJobs", MaxResults=100)
    requested: dict[str, tuple[str, dict[str, Any]]] = {
        "Describe": ("DescribeTrainingJob", {"TrainingJobName": middle}),
        "List, the newest 10": ("ListTrainingJobs", {}),
        "List, 100": ("ListTrainingJobs", {"MaxResults": 100}),
        "List, the next 100": ("ListTrainingJobs", {"MaxResults": 100, "NextToken": page["NextToken"]}),
        "List, Completed": ("ListTrainingJobs", {"MaxResults": 100, "StatusEquals": "Completed"}),
        "List, InProgress (none)": ("ListTrainingJobs", {"MaxResults": 100, "StatusEquals": "InProgress"}),
        "List, by name": ("ListTrainingJobs", {"MaxResults": 100, "SortBy": "Name"}),
        "List, by status": ("ListTrainingJobs", {"MaxResults": 100, "SortBy": "Status"}),
        "List, name contains (few)": ("ListTrainingJobs", {"MaxResults": 100, "NameContains": middle[-4:]}),
        "List, name contains (none)": ("ListTrainingJobs", {"MaxResults": 100, "NameContains": "nowhere"}),
        "List, created before all": ("ListTrainingJobs", {"MaxResults": 100, "CreationTimeBefore": 1.0}),
        "List, changed in an hour": ("ListTrainingJobs", {"LastModifiedTimeAfter": time.time() - 3600}),
        "ListTags": ("ListTags", {"ResourceArn": page["TrainingJobSummaries"][0]["TrainingJobArn"]}),
    }
    print(f"{'':30}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'of target':>11}")
    for name, (operation, request) in requested.items():
        ask(operation, **request)
        before = _cpu_seconds(pid)
        median, worst = _time(lambda: ask(operation, **request))  # noqa: B023
        _print(name, median, worst, (_cpu_seconds(pid) - before) / ROUNDS * 1000)


def _time(call: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def _print(name: str, median: float, worst: float, cpu: float | None = None) -> None:
    spent = "" if cpu is None else f"{cpu:.2f}"
    print(f"{name:30}{median:8.2f}{worst:8.2f}{spent:>8}{worst / TARGET_MS:10.2f}x")


def _asker(home: Path) -> Callable[..., dict[str, Any]]:
    """Send SageMaker requests over one connection."""
    chosen = settings.load(home, os.environ)
    address = _endpoint(home).removeprefix("http://")
    connection = http.client.HTTPConnection(address)
    signer = SigV4Auth(
        Credentials(chosen.root_key.access_key_id, chosen.root_key.secret_access_key), "sagemaker", chosen.region
    )

    def ask(operation: str, **request: Any) -> dict[str, Any]:
        headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        signed = AWSRequest("POST", f"http://{address}/", headers, json.dumps(request))
        signer.add_auth(signed)
        connection.request("POST", "/", signed.body, dict(signed.headers))
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, answer
        return answer

    return ask


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    fields: Sequence[str] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return own + sum(_cpu_seconds(int(child)) for child in children)


def _endpoint(home: Path) -> str:
    found = server_process.find_running(home)
    assert found is not None
    return found.endpoint


def _open(home: Path, database: str | None) -> Context:
    return open_context(settings.load(home, os.environ, database=database))


def _lowcloud(home: Path, *arguments: str) -> None:
    environment = {**os.environ, "LOWCLOUD_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "lowcloud.cli", *arguments], env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
