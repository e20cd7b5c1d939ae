"""Servers killed while jobs are queued: every job still runs, once."""

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
from lowcloud.store.db.tables import events, log_events, log_streams, training_jobs
from tests.running import RunningCloud, wait_for

IMAGE = "says-it-ran"
JOBS = 12


@pytest.fixture
def cloud(tmp_path: Path) -> RunningCloud:
    home = tmp_path / "home"
    with closing((opened := open_context(settings.load(home, os.environ))).database):
        images.teach(opened, Image(IMAGE, opened.now(), command=("sh", "-c", "echo ran; sleep 0.1")))
    return RunningCloud(home)


def test_queued_jobs_survive_killed_servers_and_run_once(cloud: RunningCloud) -> None:
    drain(cloud, lives=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_queued_jobs_survive_many_killed_servers(cloud: RunningCloud, seed: int) -> None:
    drain(cloud, lives=8, seed=seed)


def drain(cloud: RunningCloud, lives: int, seed: int = 0) -> None:
    chance = random.Random(seed)
    cloud.up()
    try:
        cloud.client("s3").create_bucket(Bucket="output")
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


def request(cloud: RunningCloud, name: str, chance: random.Random) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": cloud.role,
        "OutputDataConfig": {"S3OutputPath": "s3://output/here"},
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
