"""Whether a server is ready: GET /health, and jobs that wait, with the reason, until programs can be isolated."""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED

from lowcloud.cli.server.server import IsolationChoice
from lowcloud.core.context import Context
from lowcloud.engine.local.launch import isolation, isolation_record
from lowcloud.server import health as server_health
from tests.support.data.patients import request, with_training_data
from tests.support.servers.server import Server
from tests.support.waiting import wait_for


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    yield made
    made.down()


def health(cloud: Server, method: str = "GET") -> tuple[int, Any]:
    try:
        answer = urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/health", method=method))
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        content = answer.read()
        return answer.status, json.loads(content) if content else None


def transitions(cloud: Server, name: str) -> list[str]:
    described = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
    return [step["StatusMessage"] for step in described["SecondaryStatusTransitions"]]


def test_the_choices_of_the_command_line_are_the_levels() -> None:
    assert list(IsolationChoice) == [isolation_record.STRONGEST, *(level.name for level in isolation.LEVELS)]


@pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")
def test_a_job_waits_with_the_reason_until_programs_can_be_isolated(cloud: Server) -> None:
    """The folder of a test is private, so programs cannot run there as other users without namespaces."""
    shown = cloud.cli("up", "--detach", "--port", "0", "--isolation", "user-only").stdout
    refusal = "The isolation level 'user-only', which was chosen, is not available here"
    assert refusal in shown
    with_training_data(cloud)
    job = request(cloud)
    name = job["TrainingJobName"]
    cloud.client("sagemaker").create_training_job(**job)
    wait_for(lambda: any(refusal in message for message in transitions(cloud, name)))
    assert (
        cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobStatus"] == "InProgress"
    )
    status, report = health(cloud)
    assert (status, report["status"], report["isolation"]) == (503, "not ready", None)
    assert [reason["code"] for reason in report["reasons"]] == ["isolation"]
    assert str(cloud.home) not in json.dumps(report)
    assert refusal in cloud.cli("status").stdout
    assert "1 in progress, 1 of them waiting" in cloud.cli("status").stdout
    assert refusal in cloud.cli("jobs").stdout
    (listed,) = cloud.client("lowcloud").list_jobs(JobName=name)["Jobs"]
    assert listed["WaitingFor"].startswith(refusal)
    cloud.down()

    shown = cloud.cli("up", "--detach", "--port", "0", "--isolation", "strongest").stdout
    level = isolation.levels()[0].name
    assert f"Isolation      {level}\n" in shown
    describe = cloud.client("sagemaker").describe_training_job
    wait_for(lambda: describe(TrainingJobName=name)["TrainingJobStatus"] == "Completed")
    started = next(message for message in transitions(cloud, name) if "(isolation level: " in message)
    assert f"(isolation level: {level})" in started
    cloud.client("sagemaker").create_training_job(**(job | {"TrainingJobName": "known"}))
    assert f"(isolation level: {level})" in transitions(cloud, "known")[0]
    assert health(cloud) == (200, {"status": "ready", "isolation": level, "reasons": []})
    assert health(cloud, "HEAD") == (200, None)
    assert f"Isolation      {level}\n" in cloud.cli("status").stdout


def test_the_health_is_that_of_the_server_and_not_a_bucket(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="health")
    s3.put_object(Bucket="health", Key="key", Body=b"body")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="health")["Contents"]] == ["key"]
    unsigned = server.client("s3", config={"signature_version": UNSIGNED})
    with pytest.raises(unsigned.exceptions.ClientError, match="AccessDenied"):
        unsigned.list_objects_v2(Bucket="health")
    assert health(server)[1]["status"] == "ready"


def test_a_disk_that_does_not_answer_is_a_reason(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def statvfs(_folder: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", statvfs)
    report = server_health.check(context)
    assert report["status"] == "not ready"
    assert {"code": "disk", "message": server_health.DISK_FAILS} in report["reasons"]
