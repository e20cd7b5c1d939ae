"""kill -9 of the server at every transition of a job: after a restart the job ends, once and with the truth."""

import io
import os
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud import server
from tests.aws.test_sagemaker_training import BUCKET, request, with_training_data
from tests.running import RunningCloud, wait_for

TRANSITIONS = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    made = RunningCloud(tmp_path / "home")
    made.up()
    with_training_data(made)
    made.down()
    yield made
    made.cli("down")


def start_dying_server(cloud: RunningCloud, state: str, moment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.dying_server", str(cloud.home), state, moment]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ))
    wait_for(lambda: server.find_running(cloud.home))
    return process


def check_that_it_ended_once(cloud: RunningCloud, name: str) -> None:
    sagemaker = cloud.client("sagemaker")
    wait_for(lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed")
    described = sagemaker.describe_training_job(TrainingJobName=name)
    assert [transition["Status"] for transition in described["SecondaryStatusTransitions"]] == TRANSITIONS
    key = described["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3]
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames()
    events = cloud.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["events"]
    lines = [event["message"] for event in events]
    assert sum("completed 100 % of epochs" in line for line in lines) == 1, "a program that ran twice says so twice"
    wait_for(lambda: not list((cloud.home / "work").glob("*/work.json")))


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", ["staging", "running", "storing", "completed"])
def test_a_job_survives_a_killed_server_at_each_transition(cloud, state, moment):
    process = start_dying_server(cloud, state, moment)
    asked = request(cloud)
    cloud.client("sagemaker").create_training_job(**asked)
    process.wait(60)
    cloud.up()
    check_that_it_ended_once(cloud, asked["TrainingJobName"])


def test_a_job_that_runs_goes_on_while_the_server_is_down(cloud):
    cloud.up()
    asked = request(cloud)
    cloud.client("sagemaker").create_training_job(**asked)
    cloud.down()
    cloud.up()
    check_that_it_ended_once(cloud, asked["TrainingJobName"])


@pytest.mark.slow
def test_jobs_survive_servers_killed_at_random_moments(cloud):
    random.seed(7)
    names = []
    for _ in range(20):
        cloud.up()
        asked = request(cloud)
        cloud.client("sagemaker").create_training_job(**asked)
        names.append(asked["TrainingJobName"])
        time.sleep(random.random() * 0.15)
        cloud.kill()
    cloud.up()
    for name in names:
        check_that_it_ended_once(cloud, name)
