"""kill -9 of the server at every transition of a job or endpoint: after a restart it ends once, and correctly."""

import io
import os
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lowcloud.home import server_process
from tests.support.data.patients import (
    BUCKET,
    IMAGE,
    ROWS,
    configure,
    invoke,
    put,
    request,
    slow_job,
    status_of,
    with_training_data,
)
from tests.support.data.tables import csv_of
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BEGINNING = ["Starting", "Downloading", "Training"]
COMPLETED = [*BEGINNING, "Uploading", "Completed"]
STOPPED = [*BEGINNING, "Stopping", "Uploading", "Stopped"]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.up()
    with_training_data(made)
    made.down()
    yield made
    made.cli("down")


@contextmanager
def answer_or_death() -> Iterator[None]:
    """For a request that the server may be killed before answering; its effects were written nevertheless."""
    with suppress(BotoCoreError):
        yield


def start_dying_server(cloud: Server, state: str, moment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.drivers.dying_server", str(cloud.home), state, moment]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ))
    wait_for(lambda: server_process.find_running(cloud.home))
    return process


def check_transitions(cloud: Server, name: str, expected: list[str]) -> dict[str, Any]:
    """The job, which ends by the expected way and leaves no work behind."""
    sagemaker = cloud.client("sagemaker")
    wait_for(lambda: status_of(sagemaker, name) == expected[-1])
    described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    statuses = [transition["Status"] for transition in described["SecondaryStatusTransitions"]]
    waits = statuses.count("Starting") - 1  # each with its reason
    assert statuses == ["Starting"] * waits + expected
    wait_for(lambda: not list((cloud.home / "work").glob("*/work.json")))
    return described


def check_that_it_ended_once(cloud: Server, name: str) -> None:
    described = check_transitions(cloud, name, COMPLETED)
    key = described["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3]
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames()
    events = cloud.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["events"]
    lines = [event["message"] for event in events]
    assert sum("completed 100 % of epochs" in line for line in lines) == 1, "a program that ran twice says so twice"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", ["staging", "running", "storing", "completed"])
def test_a_job_survives_a_killed_server_at_each_transition(cloud, state, moment):
    process = start_dying_server(cloud, state, moment)
    requested = request(cloud)
    with answer_or_death():
        cloud.client("sagemaker").create_training_job(**requested)
    process.wait(60)
    cloud.up()
    check_that_it_ended_once(cloud, requested["TrainingJobName"])


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_a_stopped_job_survives_a_killed_server(cloud, state, moment):
    process = start_dying_server(cloud, state, moment)
    requested = slow_job(cloud)
    name, sagemaker = requested["TrainingJobName"], cloud.client("sagemaker")
    sagemaker.create_training_job(**requested)
    wait_for(lambda: status_of(sagemaker, name) == "Training")
    with answer_or_death():
        sagemaker.stop_training_job(TrainingJobName=name)
    process.wait(60)
    cloud.up()
    assert check_transitions(cloud, name, STOPPED)["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failed_job_survives_a_killed_server(cloud, moment):
    process = start_dying_server(cloud, "failed", moment)
    put(cloud, "bad/train.csv", b"1,2\n")
    requested = request(cloud, prefix="bad")
    with answer_or_death():
        cloud.client("sagemaker").create_training_job(**requested)
    process.wait(60)
    cloud.up()
    assert "line 1" in check_transitions(cloud, requested["TrainingJobName"], [*BEGINNING, "Failed"])["FailureReason"]


def test_a_running_job_continues_while_the_server_is_down(cloud):
    cloud.up()
    requested = slow_job(cloud)
    name = requested["TrainingJobName"]
    cloud.client("sagemaker").create_training_job(**requested)
    wait_for(lambda: status_of(cloud.client("sagemaker"), name) == "Training")
    cloud.down()
    (log,) = (cloud.home / "work").glob("*/0/log")
    printed = log.stat().st_size
    wait_for(lambda: log.stat().st_size > printed)
    assert not (log.parent / "exit").exists(), "it was to be unfinished"
    cloud.up()
    sagemaker = cloud.client("sagemaker")
    assert status_of(sagemaker, name) == "Training"
    sagemaker.stop_training_job(TrainingJobName=name)
    check_transitions(cloud, name, STOPPED)


@pytest.fixture
def model(cloud: Server) -> Server:
    """The cloud, down, with a model and the configuration of an endpoint, both named "patients"."""
    cloud.up()
    requested = request(cloud)
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_training_job(**requested)
    described = check_transitions(cloud, requested["TrainingJobName"], COMPLETED)
    container = {"Image": IMAGE, "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="patients", PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    configure(sagemaker, "patients", "patients")
    cloud.down()
    return cloud


def is_in_service(cloud: Server) -> bool:
    found = cloud.client("sagemaker").describe_endpoint(EndpointName="patients")
    return bool(found["EndpointStatus"] == "InService")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_endpoint_serves_after_the_server_was_killed_while_it_was_made(model, moment):
    process = start_dying_server(model, "in service", moment)
    with answer_or_death():
        model.client("sagemaker").create_endpoint(EndpointName="patients", EndpointConfigName="patients")
    process.wait(60)
    model.up()
    wait_for(lambda: is_in_service(model))
    assert invoke(model, csv_of(ROWS[:1, 1:]))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_endpoint_is_gone_after_the_server_was_killed_while_it_was_deleted(model, moment):
    process = start_dying_server(model, "deleted", moment)
    sagemaker = model.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="patients", EndpointConfigName="patients")
    wait_for(lambda: is_in_service(model))
    with answer_or_death():
        sagemaker.delete_endpoint(EndpointName="patients")
    process.wait(60)
    model.up()
    wait_for(lambda: not model.client("sagemaker").list_endpoints()["Endpoints"])
    with pytest.raises(ClientError, match="Could not find endpoint"):
        is_in_service(model)
    assert not list((model.home / "work").glob("*/work.json"))


@pytest.mark.slow
def test_jobs_survive_servers_killed_at_random_moments(cloud):
    random.seed(7)
    names = []
    for _ in range(20):
        cloud.up()
        requested = request(cloud)
        cloud.client("sagemaker").create_training_job(**requested)
        names.append(requested["TrainingJobName"])
        time.sleep(random.random() * 0.15)
        cloud.kill()
    cloud.up()
    for name in names:
        check_that_it_ended_once(cloud, name)
