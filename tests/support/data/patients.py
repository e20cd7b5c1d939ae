"""A data set of patients, and the jobs, models and endpoints that tests create from it."""

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from tests.support.data.tables import csv_of
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
BUCKET = "sagemaker-tests"
PATIENTS = load_breast_cancer()
ROWS = np.column_stack([PATIENTS.target, PATIENTS.data[:, :10]])
JOB_NUMBERS = iter(range(10_000))


def with_training_data(cloud: Server) -> Server:
    """The cloud, with the data that requests of this module refer to."""
    s3 = cloud.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="good/train.csv", Body=csv_of(ROWS))
    return cloud


def request(cloud: Server, prefix: str = "good", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}
    made = {
        "TrainingJobName": f"job-{next(JOB_NUMBERS)}",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": cloud.role,
        "HyperParameters": {"feature_dim": "10", "predictor_type": "binary_classifier", "epochs": "3"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    return {**made, **changes}


def run(cloud: Server, sagemaker: Any, **changes: Any) -> dict[str, Any]:
    """Create a job and describe it at its end."""
    requested = request(cloud, **changes)
    sagemaker.create_training_job(**requested)

    def ended() -> Any:
        described = sagemaker.describe_training_job(TrainingJobName=requested["TrainingJobName"])
        return described["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") and described

    found: dict[str, Any] = wait_for(ended)
    return found


def put(cloud: Server, key: str, body: bytes) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def slow_job(cloud: Server, **changes: Any) -> dict[str, Any]:
    """A request for a job that trains until it is stopped."""
    put(cloud, "slow/train.csv", csv_of(np.tile(ROWS, (20, 1))))
    parameters = {
        "feature_dim": "10",
        "predictor_type": "binary_classifier",
        "optimizer": "sgd",
        "epochs": "100000",
        "early_stopping_patience": "100000",
        "mini_batch_size": "10",
    }
    return request(cloud, prefix="slow", HyperParameters=parameters, **changes)


def status_of(sagemaker: Any, name: str) -> str:
    """Through a list, which never waits."""
    jobs = sagemaker.list_training_jobs(NameContains=name, MaxResults=100)["TrainingJobSummaries"]
    return next(str(job["SecondaryStatus"]) for job in jobs if job["TrainingJobName"] == name)


def configure(sagemaker: Any, name: str, model: str, **changes: Any) -> None:
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m4.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**variant, **changes}])


def invoke(cloud: Server, body: bytes, **changes: Any) -> dict[str, Any]:
    requested = {"EndpointName": "patients", "ContentType": "text/csv", "Body": body, **changes}
    answer: dict[str, Any] = cloud.client("sagemaker-runtime").invoke_endpoint(**requested)
    return answer
