"""Programs that outlive a killed server are seen, named, found again or ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.data.patients import IMAGE, request, slow_job, status_of, with_training_data
from tests.support.engines import works_left
from tests.support.servers.server import Server
from tests.support.waiting import wait_for


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.up()
    yield with_training_data(made)
    made.cli("down", "--all")


def deploy(cloud: Server, name: str) -> None:
    sagemaker = cloud.client("sagemaker")
    job = request(cloud)
    sagemaker.create_training_job(**job)
    described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    model = {"Image": IMAGE, "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, PrimaryContainer=model)
    variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")


def test_what_outlives_a_killed_server_is_shown_and_ended_by_down(cloud: Server) -> None:
    sagemaker = cloud.client("sagemaker")
    deploy(cloud, "outliving")
    job = slow_job(cloud)
    name = job["TrainingJobName"]
    sagemaker.create_training_job(**job)
    wait_for(lambda: status_of(sagemaker, name) == "Training")
    cloud.kill()

    status = cloud.cli("status", check=False)
    assert status.returncode == 3
    assert f"Still running  endpoint outliving, training-job {name}; found again by: lowcloud up" in status.stdout
    said = cloud.cli("down").stdout
    assert "Ended: endpoint outliving\n" in said, "as when a server stops"
    assert f"Still running: training-job {name};" in said, "as when a server stops"

    cloud.up()
    sagemaker = cloud.client("sagemaker")
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName="outliving")["EndpointStatus"] == "InService")
    assert status_of(sagemaker, name) == "Training", "the next server has found it again"
    sagemaker.delete_endpoint(EndpointName="outliving")
    cloud.kill()
    said = cloud.cli("down", "--all").stdout
    assert f"training-job {name}" in said.partition("Ended: ")[2]
    assert "Still running" not in cloud.cli("status", check=False).stdout
    assert cloud.cli("down").stdout == "Lowcloud is not running\n"
    cloud.up()
    describe = cloud.client("sagemaker").describe_training_job
    ended = wait_for(lambda: (found := describe(TrainingJobName=name))["TrainingJobStatus"] == "Failed" and found)
    assert "The host was lost" in ended["FailureReason"]
    wait_for(lambda: not works_left(cloud.home))
