"""The ready processing programs through boto3: raw rows are prepared, learned from, served raw, and judged."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.data.people import raw_rows
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "sagemaker-programs"
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="raw/people.csv", Body=raw_rows(600))
    return server


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


def process(
    cloud: Server,
    name: str,
    image: str,
    arguments: list[str],
    inputs: dict[str, str],
    outputs: list[str],
    instances: int = 1,
) -> dict[str, Any]:
    base = "/opt/ml/processing"
    sagemaker = cloud.client("sagemaker")
    mode = {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=cloud.role,
        AppSpecification={"ImageUri": image, "ContainerArguments": arguments},
        ProcessingInputs=[
            {"InputName": f"in-{i}", "S3Input": {"S3Uri": uri, "LocalPath": f"{base}/{folder}", **mode}}
            for i, (folder, uri) in enumerate(inputs.items())
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": folder,
                    "S3Output": {
                        "S3Uri": f"s3://{BUCKET}/{name}/{folder}",
                        "LocalPath": f"{base}/output/{folder}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for folder in outputs
            ]
        },
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": instances, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
    )
    done = lambda: sagemaker.describe_processing_job(ProcessingJobName=name)  # noqa: E731
    wait_for(lambda: done()["ProcessingJobStatus"] in ("Completed", "Failed"))
    described: dict[str, Any] = done()
    return described


def test_raw_rows_are_prepared_learned_from_served_and_judged(cloud: Server, sagemaker: Any) -> None:
    parts = ["train", "validation", "test", "transform", "report"]
    ended = process(
        cloud, "prepare-rows", "lowcloud/preprocess", ["--target", "left"], {"input": f"s3://{BUCKET}/raw/"}, parts
    )
    assert ended["ProcessingJobStatus"] == "Completed", ended
    sagemaker.create_training_job(
        TrainingJobName="learn",
        RoleArn=cloud.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={"predictor_type": "binary_classifier"},
        InputDataConfig=[
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/prepare-rows/{channel}"}
                },
            }
            for channel in ("train", "validation", "transform")
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    trained = lambda: sagemaker.describe_training_job(TrainingJobName="learn")  # noqa: E731
    wait_for(lambda: trained()["TrainingJobStatus"] in ("Completed", "Failed"))
    assert trained()["TrainingJobStatus"] == "Completed", trained()
    artifact = trained()["ModelArtifacts"]["S3ModelArtifacts"]

    sagemaker.create_model(
        ModelName="raw-people", PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact}, ExecutionRoleArn=cloud.role
    )
    variant = {
        "VariantName": "all",
        "ModelName": "raw-people",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="raw-people", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="raw-people", EndpointConfigName="raw-people")
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName="raw-people")["EndpointStatus"] == "InService")
    runtime = cloud.client("sagemaker-runtime")

    def predict(body: str, content_type: str) -> list[int]:
        answer = runtime.invoke_endpoint(EndpointName="raw-people", Body=body, ContentType=content_type)
        return [one["predicted_label"] for one in json.loads(answer["Body"].read())["predictions"]]

    assert predict("75,Oslo\n15,Rome\n", "text/csv") == [1, 0]
    assert predict('{"instances": [{"city": "Oslo", "age": 75}, {"age": 15, "city": null}]}', "application/json") == [
        1,
        0,
    ]
    with pytest.raises(ClientError, match="no column 'town'"):
        predict('{"instances": [{"town": "Oslo"}]}', "application/json")
    sagemaker.delete_endpoint(EndpointName="raw-people")

    judged = process(
        cloud,
        "judge-rows",
        "evaluate",
        ["--bootstrap=20"],
        {"input": f"s3://{BUCKET}/raw/", "model": artifact},
        ["evaluation"],
    )
    assert judged["ProcessingJobStatus"] == "Completed", judged
    found = cloud.client("s3").get_object(Bucket=BUCKET, Key="judge-rows/evaluation/evaluation.json")["Body"].read()
    document = json.loads(found)
    assert document["classes"] == ["no", "yes"]
    assert document["dataset"]["item_count"] == 600
    metrics = document["binary_classification_metrics"]
    assert metrics["accuracy"]["value"] > 0.8
    assert metrics["auc"]["value"] > 0.9


def test_arguments_are_checked_when_the_job_is_created(cloud: Server) -> None:
    with pytest.raises(ClientError, match="preprocess runs on one instance; 2 were requested"):
        process(cloud, "two", "preprocess", ["--seed=1"], {"input": f"s3://{BUCKET}/raw/"}, ["train"], instances=2)
    with pytest.raises(ClientError, match="Argument 'seeds' is not supported by this program"):
        process(cloud, "wrong", "preprocess", ["--seeds", "1"], {"input": f"s3://{BUCKET}/raw/"}, ["train"])


def test_a_job_without_an_instance_type_is_refused(cloud: Server, sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="InstanceType of ClusterConfig is required") as refused:
        sagemaker.create_processing_job(
            ProcessingJobName="untyped",
            RoleArn=cloud.role,
            AppSpecification={"ImageUri": "preprocess"},
            ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "VolumeSizeInGB": 1}},
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_that_cannot_continue_says_why(cloud: Server) -> None:
    ended = process(cloud, "lost", "preprocess", ["--target", "lefty"], {"input": f"s3://{BUCKET}/raw/"}, ["train"])
    assert ended["ProcessingJobStatus"] == "Failed"
    assert "there is no column 'lefty'. Did you mean 'left'?" in ended["FailureReason"]
