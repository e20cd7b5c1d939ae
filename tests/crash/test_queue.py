"""Servers killed while a queue drains: every job still has its turn, and runs once."""

import os
import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.home import settings
from lowcloud.server.server import open_context
from lowcloud.store.db.tables.jobs import training_jobs
from lowcloud.store.db.tables.resources import events
from lowcloud.store.db.tables.telemetry import log_events, log_streams
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

IMAGE = "says-it-ran"
JOBS = 12


@pytest.fixture
def cloud(tmp_path: Path) -> Server:
    home = tmp_path / "home"
    with closing((opened := open_context(settings.load(home, os.environ))).database):
        images.register(opened, Image(IMAGE, opened.now(), command=("sh", "-c", "echo ran; sleep 0.1")))
    return Server(home)


def test_jobs_that_queue_outlive_their_servers_and_run_once(cloud: Server) -> None:
    drain(cloud, lives=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_jobs_that_queue_outlive_many_servers(cloud: Server, seed: int) -> None:
    drain(cloud, lives=8, seed=seed)


def drain(cloud: Server, lives: int, seed: int = 0) -> None:
    chance = random.Random(seed)
    cloud.up()
    try:
        cloud.client("s3").create_bucket(Bucket="sagemaker-output")
        sagemaker = cloud.client("sagemaker")
        for number in range(JOBS):
            sagemaker.create_training_job(**request(cloud, f"job-{number:02}", chance))
        for _ in range(lives):
            time.sleep(chance.uniform(0.0, 0.6))
            cloud.kill()
            cloud.up()
        sagemaker = cloud.client("sagemaker")
        wait_for(lambda: not sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"])
    finally:
        cloud.down()
    check(cloud.home)


def request(cloud: Server, name: str, chance: random.Random) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": cloud.role,
        "OutputDataConfig": {"S3OutputPath": "s3://sagemaker-output/here"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": chance.randint(1, 2), "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": [{"Key": "lowcloud:priority", "Value": str(chance.randint(-1, 1))}],
    }


def check(home: Path) -> None:
    database = open_context(settings.load(home, os.environ)).database
    with closing(database), database.read() as connection:
        rows = connection.execute(select(training_jobs)).all()
        ends = Counter(connection.scalars(select(events.c.subject).where(events.c.state == "completed")))
        said = select(log_streams.c.name).join(log_events, log_events.c.stream == log_streams.c.id)
        ran = Counter(connection.scalars(said.where(log_events.c.message == "ran")))
    assert {row.state for row in rows} == {"completed"}
    assert len(rows) == len(ends) == JOBS
    assert set(ends.values()) == {1}
    assert len(ran) == sum(row.replicas for row in rows)
    assert set(ran.values()) == {1}
