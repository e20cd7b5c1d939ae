"""Jobs that share a machine, through boto3: priorities, spot capacity, warm pools, and types larger than it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "sagemaker-queue-tests"
NUMBERS = iter(range(1000))
WHOLE = {"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}  # fitted to all there is
QUICK, LONG = "queue-quick", "queue-long"


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    server.client("s3").create_bucket(Bucket=BUCKET)
    server.cli("image", "add", QUICK, "--command", "true")
    server.cli("image", "add", LONG, "--command", "sleep 60")
    return server


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


def create(cloud: Server, image: str, priority: int = 0, **changes: Any) -> str:
    """The name of a new job that needs the whole machine."""
    name = f"queued-{next(NUMBERS)}"
    requested = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": cloud.role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": WHOLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        "Tags": [{"Key": "lowcloud:priority", "Value": str(priority)}],
    }
    cloud.client("sagemaker").create_training_job(**{**requested, **changes})
    return name


def summary(sagemaker: Any, name: str) -> dict[str, Any]:
    """What a listing says of a job; a Describe would wait for its end."""
    (found,) = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    return dict(found)


def wait_until(sagemaker: Any, name: str, secondary: str) -> None:
    wait_for(lambda: summary(sagemaker, name)["SecondaryStatus"] == secondary)


def started(sagemaker: Any, name: str) -> Any:
    return sagemaker.describe_training_job(TrainingJobName=name)["TrainingStartTime"]


def test_a_job_of_higher_priority_overtakes_those_that_wait(cloud, sagemaker):
    first = create(cloud, LONG)
    wait_until(sagemaker, first, "Training")
    usual, urgent = create(cloud, QUICK), create(cloud, QUICK, priority=5)
    assert [summary(sagemaker, name)["SecondaryStatus"] for name in (usual, urgent)] == ["Starting"] * 2
    sagemaker.stop_training_job(TrainingJobName=first)
    for name in (usual, urgent):
        wait_until(sagemaker, name, "Completed")
    assert started(sagemaker, urgent) < started(sagemaker, usual)


def test_a_spot_job_is_interrupted_for_a_job_of_higher_priority_and_restarts(cloud, sagemaker):
    limits = {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600}
    spot = create(cloud, LONG, EnableManagedSpotTraining=True, StoppingCondition=limits)
    wait_until(sagemaker, spot, "Training")
    urgent = create(cloud, QUICK, priority=1)
    wait_until(sagemaker, urgent, "Completed")
    wait_until(sagemaker, spot, "Training")
    sagemaker.stop_training_job(TrainingJobName=spot)
    wait_until(sagemaker, spot, "Stopped")
    reported = [
        step["Status"] for step in sagemaker.describe_training_job(TrainingJobName=spot)["SecondaryStatusTransitions"]
    ]
    assert reported.index("Interrupted") < len(reported) - 1 - reported[::-1].index("Training")


def test_a_type_larger_than_the_machine_is_fitted_to_it_with_a_message(cloud, sagemaker):
    name = create(cloud, QUICK)
    wait_until(sagemaker, name, "Completed")
    steps = sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatusTransitions"]
    assert "ml.m5.24xlarge has 96 vCPU and 384 GiB; this machine gives" in steps[0]["StatusMessage"]


def test_a_warm_pool_is_kept_for_the_next_job_of_its_kind(cloud, sagemaker):
    def pool(name: str) -> dict[str, Any]:
        found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)["WarmPoolStatus"]
        return found

    def names_with(status: str) -> list[str]:
        found = sagemaker.list_training_jobs(WarmPoolStatusEquals=status, NameContains="queued-")[
            "TrainingJobSummaries"
        ]
        return [one["TrainingJobName"] for one in found]

    kept = {"ResourceConfig": {**WHOLE, "KeepAlivePeriodInSeconds": 600}}
    first = create(cloud, QUICK, **kept)
    wait_for(lambda: pool(first)["Status"] == "Available")
    assert names_with("Available") == [first]
    second = create(cloud, QUICK, **kept)
    wait_for(lambda: pool(second)["Status"] == "Available")
    assert pool(first)["Status"] == "Reused"
    assert pool(first)["ReusedByJob"] == second
    assert names_with("Reused") == [first]
    sagemaker.update_training_job(TrainingJobName=second, ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert pool(second)["Status"] == "Terminated"
    assert names_with("Available") == []
    with pytest.raises(ClientError, match="no warm pool"):
        sagemaker.update_training_job(TrainingJobName=second, ResourceConfig={"KeepAlivePeriodInSeconds": 600})


def test_a_priority_that_is_not_a_number_is_refused(cloud):
    with pytest.raises(ClientError, match="whole number from -1000 to 1000"):
        create(cloud, QUICK, Tags=[{"Key": "lowcloud:priority", "Value": "high"}])
