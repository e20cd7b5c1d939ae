"""Models and endpoints through boto3 against a running cloud: deployed, they answer; deleted, they do not."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from lowcloud.engine.local import survivors
from tests.support.data.patients import BUCKET, IMAGE, ROWS, configure, invoke, request, with_training_data
from tests.support.data.tables import csv_of
from tests.support.servers.server import Server
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    return with_training_data(server)


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture(scope="module")
def model(cloud: Server, sagemaker: Any) -> str:
    requested = {**request(cloud), "TrainingJobName": f"for-endpoints-{os.getpid()}"}
    sagemaker.create_training_job(**requested)
    done = lambda: sagemaker.describe_training_job(TrainingJobName=requested["TrainingJobName"])  # noqa: E731
    wait_for(lambda: done()["TrainingJobStatus"] == "Completed")
    artifact = done()["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName="patients",
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact, "Environment": {"COLOUR": "blue"}},
        ExecutionRoleArn=cloud.role,
        EnableNetworkIsolation=True,
    )
    return "patients"


@pytest.fixture(scope="module")
def endpoint(sagemaker: Any, model: str) -> Iterator[str]:
    configure(sagemaker, "two-replicas", model, InitialInstanceCount=2)
    sagemaker.create_endpoint(EndpointName="patients", EndpointConfigName="two-replicas")
    assert sagemaker.describe_endpoint(EndpointName="patients")["EndpointStatus"] == "InService"
    yield "patients"
    sagemaker.delete_endpoint(EndpointName="patients")


def test_an_endpoint_answers_csv_json_and_json_lines_alike(cloud, endpoint):
    rows = ROWS[:5, 1:]
    by_csv = invoke(cloud, csv_of(rows))
    assert (by_csv["ContentType"], by_csv["InvokedProductionVariant"]) == ("application/json", "AllTraffic")
    expected = json.loads(by_csv["Body"].read())["predictions"]
    assert [set(one) for one in expected] == [{"score", "predicted_label"}] * 5
    instances = json.dumps({"instances": [{"features": list(row)} for row in rows]}).encode()
    by_json = invoke(cloud, instances, ContentType="application/json")
    found = json.loads(by_json["Body"].read())["predictions"]
    assert np.allclose([one["score"] for one in found], [one["score"] for one in expected], rtol=1e-5)
    lines = "".join(json.dumps({"features": list(row)}) + "\n" for row in rows).encode()
    by_lines = invoke(cloud, lines, ContentType="application/jsonlines", Accept="application/jsonlines")
    found = [json.loads(line) for line in by_lines["Body"].read().splitlines()]
    assert [one["predicted_label"] for one in found] == [one["predicted_label"] for one in expected]


def test_a_request_that_the_model_cannot_read_is_a_model_error_with_its_message(cloud, endpoint):
    with pytest.raises(ClientError) as caught:
        invoke(cloud, b"1,2\n")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400
    assert "10" in caught.value.response["OriginalMessage"]
    with pytest.raises(ClientError) as caught:
        invoke(cloud, b"x", ContentType="image/png")
    assert caught.value.response["OriginalStatusCode"] == 415


def test_a_missing_endpoint_is_reported(cloud):
    with pytest.raises(ClientError, match=r"ValidationError.*Endpoint nobody of account \d+ not found"):
        invoke(cloud, b"1", EndpointName="nobody")


def test_a_variant_can_be_named_and_must_exist(cloud, endpoint):
    assert invoke(cloud, csv_of(ROWS[:1, 1:]), TargetVariant="AllTraffic")["InvokedProductionVariant"] == "AllTraffic"
    with pytest.raises(ClientError, match="Variant Other"):
        invoke(cloud, csv_of(ROWS[:1, 1:]), TargetVariant="Other")


def test_a_killed_replica_is_replaced(cloud, endpoint):
    for pid in _replica_pids(cloud):
        os.kill(pid, signal.SIGKILL)
    for _ in range(5):
        answer = wait_for(lambda: _try(lambda: invoke(cloud, csv_of(ROWS[:1, 1:]))))
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_model_is_described_and_listed(cloud, sagemaker, model):
    described = sagemaker.describe_model(ModelName=model)
    assert described["PrimaryContainer"]["Environment"] == {"COLOUR": "blue"}
    assert described["ExecutionRoleArn"] == cloud.role
    assert described["EnableNetworkIsolation"] is True
    assert model in [one["ModelName"] for one in sagemaker.list_models(NameContains="patient")["Models"]]
    with pytest.raises(ClientError, match="already existing model"):
        sagemaker.create_model(ModelName=model, PrimaryContainer={"Image": IMAGE})


def test_an_endpoint_is_described_and_listed(sagemaker, endpoint):
    wait_for(lambda: _running(sagemaker, endpoint) == 2)  # killed replicas may be starting again
    listed = sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"]
    assert sagemaker.list_endpoints(StatusEquals="OutOfService")["Endpoints"] == []
    assert endpoint in [one["EndpointName"] for one in listed]
    configuration = sagemaker.describe_endpoint_config(EndpointConfigName="two-replicas")
    assert configuration["ProductionVariants"][0]["InitialInstanceCount"] == 2
    found = sagemaker.list_endpoint_configs(NameContains="two")["EndpointConfigs"]
    assert [one["EndpointConfigName"] for one in found] == ["two-replicas"]


def test_a_model_without_data_fails_its_endpoint_with_the_reason(sagemaker, model):
    sagemaker.create_model(
        ModelName="hollow", PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/no/model.tar.gz"}
    )
    configure(sagemaker, "hollow", "hollow")
    sagemaker.create_endpoint(EndpointName="hollow", EndpointConfigName="hollow")
    described = sagemaker.describe_endpoint(EndpointName="hollow")
    assert described["EndpointStatus"] == "Failed"
    assert f"s3://{BUCKET}/no/model.tar.gz" in described["FailureReason"]
    for delete in (
        lambda: sagemaker.delete_endpoint(EndpointName="hollow"),
        lambda: sagemaker.delete_endpoint_config(EndpointConfigName="hollow"),
        lambda: sagemaker.delete_model(ModelName="hollow"),
    ):
        delete()
        with pytest.raises(ClientError):
            wait_for(delete)


def test_an_endpoint_whose_artifact_is_gone_counts_no_replica_and_says_once_why(cloud, sagemaker, model):
    s3, name = cloud.client("s3"), "lost-artifact"
    bucket, _, key = sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"][5:].partition("/")
    s3.copy_object(Bucket=BUCKET, Key="lost/model.tar.gz", CopySource={"Bucket": bucket, "Key": key})
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/lost/model.tar.gz"}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container)
    configure(sagemaker, name, name)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    assert _running(sagemaker, name) == 1
    s3.delete_object(Bucket=BUCKET, Key="lost/model.tar.gz")
    work = cloud.home / "work"
    survivors.kill(work, [work_id for work_id in survivors.find(work) if work_id.startswith(f"endpoint/{name}/")])
    described = wait_for(lambda: (one := sagemaker.describe_endpoint(EndpointName=name)).get("FailureReason") and one)
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    assert described["FailureReason"].startswith(f"A replica of endpoint {name} cannot be started again: ")
    assert f"s3://{BUCKET}/lost/model.tar.gz" in described["FailureReason"]
    with pytest.raises(ClientError, match="cannot be started again"):
        invoke(cloud, csv_of(ROWS[:1, 1:]), EndpointName=name)
    logged = cloud.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
    assert [event["message"] for event in logged].count(described["FailureReason"]) == 1
    sagemaker.delete_endpoint(EndpointName=name)


def test_a_deleted_endpoint_serves_no_request_and_leaves_no_process(cloud, sagemaker, model):
    configure(sagemaker, "short", model)
    sagemaker.create_endpoint(EndpointName="short", EndpointConfigName="short")
    assert sagemaker.describe_endpoint(EndpointName="short")["EndpointStatus"] == "InService"
    sagemaker.delete_endpoint(EndpointName="short")
    with pytest.raises(ClientError):
        invoke(cloud, csv_of(ROWS[:1, 1:]), EndpointName="short")
    wait_for(lambda: "short" not in [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]])
    assert not [folder for folder in (cloud.home / "work").glob("*short*") if (folder / "work.json").exists()]


@pytest.mark.parametrize(
    "changes", [{"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, {"ModelName": "nobody"}]
)
def test_an_invalid_endpoint_configuration_is_refused(sagemaker, model, changes):
    with pytest.raises(ClientError, match="ValidationException"):
        configure(sagemaker, "refused", model, **changes)


def _running(sagemaker: Any, name: str) -> int:
    return int(sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentInstanceCount"])


def _replica_pids(cloud: Server) -> list[int]:
    """The processes whose folder lies in this home's endpoint work."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"LOWCLOUD_SOCKET=" in environment and str(cloud.home).encode() in environment:
            found.append(int(process.name))
    return found


def _try(call: Any) -> Any:
    try:
        return call()
    except ClientError:
        return None
