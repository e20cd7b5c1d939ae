"""Input modes through boto3 against a running cloud: a built-in program trains alike, however its data come."""

import gzip
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from tests.support.data.patients import BUCKET, IMAGE, ROWS, request, run, with_training_data
from tests.support.data.tables import csv_of, encode_table
from tests.support.servers.server import Server

HALF = len(ROWS) // 2
HYPERPARAMETERS = {"feature_dim": "10", "predictor_type": "binary_classifier", "epochs": "15"}


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    with_training_data(server)
    s3 = server.client("s3")
    for number, rows in enumerate((ROWS[:HALF], ROWS[HALF:])):
        x, y = rows[:, 1:].astype(np.float32), rows[:, 0].astype(np.float32)
        for kind, body in (("csv", csv_of(rows)), ("recordio", encode_table(x, y))):
            s3.put_object(Bucket=BUCKET, Key=f"modes/{kind}/{number}", Body=body)
            s3.put_object(Bucket=BUCKET, Key=f"modes/{kind}.gz/{number}", Body=gzip.compress(body))
    return server


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


def trained(cloud: Server, sagemaker: Any, mode: str, kind: str, **changes: Any) -> dict[str, Any]:
    """The job at its end, by name of its metrics."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/modes/{kind}/"}
    content_type = "text/csv" if kind.startswith("csv") else "application/x-recordio-protobuf"
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": content_type}
    described = run(
        cloud,
        sagemaker,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": mode},
        HyperParameters=HYPERPARAMETERS,
        InputDataConfig=[{**channel, **changes}],
    )
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


@pytest.mark.parametrize("kind", ["csv", "recordio"])
def test_a_built_in_program_learns_the_same_in_every_mode(cloud, sagemaker, kind):
    ends = [trained(cloud, sagemaker, mode, kind) for mode in ("File", "FastFile", "Pipe")]
    ends.append(trained(cloud, sagemaker, "Pipe", f"{kind}.gz", CompressionType="Gzip"))
    metrics = [{one["MetricName"]: one["Value"] for one in end["FinalMetricDataList"]} for end in ends]
    assert [end["AlgorithmSpecification"]["TrainingInputMode"] for end in ends] == ["File", "FastFile", "Pipe", "Pipe"]
    timeless = [{name: value for name, value in one.items() if "throughput" not in name} for one in metrics]
    assert timeless[0]
    assert timeless == [timeless[0]] * 4


def test_a_channel_has_a_mode_of_its_own(cloud, sagemaker):
    described = trained(cloud, sagemaker, "File", "csv", InputMode="Pipe", ShuffleConfig={"Seed": 7})
    assert described["InputDataConfig"][0]["InputMode"] == "Pipe"
    assert described["InputDataConfig"][0]["ShuffleConfig"] == {"Seed": 7}


def test_an_unsupported_combination_of_input_settings_is_refused_at_once(cloud, sagemaker):
    source = {"S3DataType": "AugmentedManifestFile", "S3Uri": f"s3://{BUCKET}/m", "AttributeNames": ["a"]}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    with pytest.raises(ClientError, match="Set its input mode to Pipe"):
        sagemaker.create_training_job(**request(cloud, InputDataConfig=[channel]))
    twice = request(cloud)["InputDataConfig"] * 2
    with pytest.raises(ClientError, match="a folder of its own"):
        sagemaker.create_training_job(**request(cloud, InputDataConfig=twice))


def test_a_damaged_archive_ends_the_job_that_reads_it_through_a_pipe(cloud, sagemaker):
    cloud.client("s3").put_object(Bucket=BUCKET, Key="cut/0", Body=gzip.compress(csv_of(ROWS))[:-20])
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/cut/"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "CompressionType": "Gzip"}
    described = run(
        cloud,
        sagemaker,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
        InputDataConfig=[{**channel, "ContentType": "text/csv"}],
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert f"s3://{BUCKET}/cut/0 is a truncated gzip file" in described["FailureReason"]
