"""xgboost as a user has it: boto3 against a running cloud, from CreateTrainingJob to an endpoint's answer."""

import io
import json
import secrets
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from tests.support.data.tables import csv_of
from tests.support.servers.server import Server
from tests.support.waiting import TIMEOUT_SECONDS

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
OLD_IMAGE = "433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:1"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
PARAMETERS = {"num_round": "10", "objective": "binary:logistic", "max_depth": "3", "eval_metric": "auc,logloss"}
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")
ENDED = ("Completed", "Failed", "Stopped")


@pytest.fixture
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


def create(
    cloud: Server,
    sagemaker: Any,
    bucket: str,
    parameters: Mapping[str, str],
    image: str = IMAGE,
    hosts: int = 1,
    **more: Any,
) -> str:
    name = f"trees-{secrets.token_hex(4)}"
    distribution = "ShardedByS3Key" if hosts > 1 else "FullyReplicated"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/", "S3DataDistributionType": distribution}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=cloud.role,
        HyperParameters=dict(parameters),
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
        ResourceConfig={"InstanceCount": hosts, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    return name


def end_of(sagemaker: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] in ENDED:
            return job
    raise AssertionError(f"{name} has not ended: {job['SecondaryStatus']}")


def model_of(s3: Any, job: dict[str, Any], folder: Path) -> xgboost.Booster:
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as archive:
        archive.extractall(folder, filter="data")
    booster = xgboost.Booster()
    booster.load_model(folder / "xgboost-model")
    return booster


@pytest.mark.parametrize(("image", "hosts"), [(IMAGE, 1), (OLD_IMAGE, 1), (IMAGE, 2)])
def test_a_job_trains_the_model_that_xgboost_trains(s3, sagemaker, bucket, server, tmp_path, image, hosts) -> None:
    for part in range(2):
        rows = slice(0, 100) if part else slice(100, 400)
        s3.put_object(Bucket=bucket, Key=f"train/{part}.csv", Body=csv_of(np.column_stack([Y[rows], X[rows]])))
    job = end_of(sagemaker, create(server, sagemaker, bucket, PARAMETERS, image, hosts))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    data = xgboost.DMatrix(X, label=Y)
    judge = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, data, 10)
    np.testing.assert_allclose(model_of(s3, job, tmp_path).predict(data), judge.predict(data), atol=1e-6)
    assert found["train:auc"] > 0.95


def test_a_stopped_job_leaves_its_model(s3, sagemaker, bucket, server, tmp_path) -> None:
    s3.put_object(Bucket=bucket, Key="train/a.csv", Body=csv_of(np.column_stack([Y, X])))
    name = create(server, sagemaker, bucket, {**PARAMETERS, "num_round": "1000000"})
    logs = server.client("logs")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    seen = 0
    while not seen and time.monotonic() < deadline:
        page = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=name)
        seen = sum("train-auc" in event["message"] for event in page["events"])
    sagemaker.stop_training_job(TrainingJobName=name)
    job = end_of(sagemaker, name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert model_of(s3, job, tmp_path).num_boosted_rounds() > 0


def test_a_bad_hyperparameter_is_refused_when_the_job_is_created(s3, sagemaker, bucket, server) -> None:
    s3.put_object(Bucket=bucket, Key="train/a.csv", Body=csv_of(np.column_stack([Y, X])))
    with pytest.raises(sagemaker.exceptions.ClientError, match="eta must be a number from 0 and up to 1"):
        create(server, sagemaker, bucket, {**PARAMETERS, "eta": "7"})


def test_an_endpoint_answers_as_xgboost_predicts(s3, sagemaker, bucket, server, tmp_path) -> None:
    s3.put_object(Bucket=bucket, Key="train/a.csv", Body=csv_of(np.column_stack([Y, X])))
    job = end_of(sagemaker, create(server, sagemaker, bucket, PARAMETERS))
    name = job["TrainingJobName"]
    container = {"Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=server.role)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName=name, Body=csv_of(X[:5]), ContentType="text/csv", Accept="application/json"
    )
    found = [entry["score"] for entry in json.loads(answer["Body"].read())["predictions"]]
    expected = model_of(s3, job, tmp_path).predict(xgboost.DMatrix(X[:5]))
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    sagemaker.delete_endpoint(EndpointName=name)
