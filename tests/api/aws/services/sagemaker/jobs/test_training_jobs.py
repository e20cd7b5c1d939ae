"""Training jobs through boto3 against a running cloud: requests take effect, and failures have a reason."""

import gzip
import io
import json
import tarfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.data.patients import (
    BUCKET,
    IMAGE,
    JOB_NUMBERS,
    ROWS,
    put,
    request,
    run,
    slow_job,
    status_of,
    with_training_data,
)
from tests.support.data.tables import csv_of
from tests.support.servers.server import Server
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    return with_training_data(server)


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


def test_a_completed_job_left_a_model_in_the_store(cloud, sagemaker):
    described = run(cloud, sagemaker)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Completed"
    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == f"s3://{BUCKET}/output/{described['TrainingJobName']}/output/model.tar.gz"
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=artifact.split("/", 3)[3])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames()


def test_the_transitions_follow_each_other_in_time(cloud, sagemaker):
    described = run(cloud, sagemaker)
    transitions = described["SecondaryStatusTransitions"]
    states = [transition["Status"] for transition in transitions]
    assert states == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    times = [moment for transition in transitions for moment in (transition["StartTime"], transition["EndTime"])]
    assert times == sorted(times)
    assert described["CreationTime"] <= described["TrainingStartTime"] <= described["TrainingEndTime"]
    spent = (described["TrainingEndTime"] - described["TrainingStartTime"]).total_seconds()
    assert spent <= described["BillableTimeInSeconds"] < spent + 1


def test_describe_returns_the_request(cloud, sagemaker):
    requested = request(cloud, Environment={"COLOUR": "blue"}, Tags=[{"Key": "team", "Value": "one"}])
    arn = sagemaker.create_training_job(**requested)["TrainingJobArn"]
    described = sagemaker.describe_training_job(TrainingJobName=requested["TrainingJobName"])
    assert described["TrainingJobArn"] == arn
    for member in ("HyperParameters", "RoleArn", "ResourceConfig", "StoppingCondition", "Environment"):
        assert described[member] == requested[member]
    assert described["OutputDataConfig"]["S3OutputPath"] == requested["OutputDataConfig"]["S3OutputPath"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "one"}]


def test_tags_can_be_added_and_taken_away(cloud, sagemaker):
    arn = run(cloud, sagemaker)["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.add_tags(ResourceArn=f"{arn}-not", Tags=[{"Key": "a", "Value": "1"}])


def test_a_job_name_is_used_once(cloud, sagemaker):
    requested = request(cloud)
    sagemaker.create_training_job(**requested)
    with pytest.raises(ClientError) as caught:
        sagemaker.create_training_job(**requested)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_an_unknown_job_is_not_found(sagemaker):
    for call in (sagemaker.describe_training_job, sagemaker.stop_training_job):
        with pytest.raises(ClientError, match=r"ValidationException.*Requested resource not found"):
            call(TrainingJobName="nobody")


def test_jobs_are_listed_in_pages_by_any_order(cloud, sagemaker):
    names = [run(cloud, sagemaker)["TrainingJobName"] for _ in range(3)]
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    found = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert [name for name in found if name in names] == names
    assert len(set(found)) == len(found)
    by_name = sagemaker.list_training_jobs(NameContains=names[1], SortBy="Name", StatusEquals="Completed")
    assert names[1] in [job["TrainingJobName"] for job in by_name["TrainingJobSummaries"]]
    long_ago = datetime.now(UTC) - timedelta(days=1)
    assert sagemaker.list_training_jobs(CreationTimeBefore=long_ago)["TrainingJobSummaries"] == []
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.list_training_jobs(NextToken="nonsense")


FILE_MODE = {"TrainingInputMode": "File"}


def with_metric(regex: str) -> dict[str, Any]:
    metrics = [{"Name": "loss", "Regex": regex}]
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": metrics}
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"HyperParameters": {"feature_dim": "10", "predictor_type": "tree"}}, "predictor_type"),
        ({"HyperParameters": {"predictor_type": "regressor", "learning_rate": "-1"}}, "learning_rate"),
        ({"HyperParameters": {"predictor_type": "regressor", "colour": "blue"}}, "colour"),
        ({"RoleArn": "arn:aws:iam::999999999999:role/Somebody"}, "another account"),
        ({"AlgorithmSpecification": {"TrainingImage": "unheard-of:1", "TrainingInputMode": "File"}}, "unheard-of"),
        (
            {"AlgorithmSpecification": {"TrainingImage": IMAGE.replace("linear-learner", "kmeans"), **FILE_MODE}},
            "The built-in algorithm 'kmeans' is not built yet. Built-in algorithms: linear-learner, ",
        ),
        (
            {"MlflowConfig": {"MlflowResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/a"}},
            "MlflowConfig",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}}, "EnableManagedSpotTraining"),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds. It must be present"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            "MaxWaitTimeInSeconds. It must be present",
        ),
        (with_metric("a{999999999}"), "The Regex of metric 'loss' is invalid: invalid repetition size"),
        (with_metric("(?<=loss=)(.*)"), "The Regex of metric 'loss' is invalid: .*look-around"),
        (with_metric("loss=.*"), "needs a group"),
        ({"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/etc"}}, "/opt/ml"),
        ({"OutputDataConfig": {"S3OutputPath": "https://elsewhere/x"}}, "S3"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://nobodys-bucket/x"}}, "nobodys-bucket.*Create it"),
        ({"TrainingJobName": "not a name"}, "regular expression"),
    ],
)
def test_a_request_that_cannot_succeed_is_refused_at_once(cloud, sagemaker, changes, says):
    with pytest.raises(ClientError, match=says) as caught:
        sagemaker.create_training_job(**request(cloud, **changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("principal", "condition", "is_trusted"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, {}, True),
        ({"Service": ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]}, {}, True),
        ({"Service": "sagemaker.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": "123456789012"}}, True),
        ({"Service": "sagemaker.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
        ({"Service": "lambda.amazonaws.com"}, {}, False),
        ({"AWS": "999999999999"}, {}, False),
        (None, {}, False),
    ],
)
def test_a_role_must_exist_and_trust_sagemaker(cloud, sagemaker, principal, condition, is_trusted):
    name, iam = f"trusting-{next(JOB_NUMBERS)}", cloud.client("iam")
    arn = f"{cloud.role.rpartition('/')[0]}/{name}"
    if principal is not None:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        policy = {
            "Version": "2012-10-17",
            "Statement": [{**statement, "Condition": condition} if condition else statement],
        }
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
    wrong_image = {"TrainingImage": "unheard-of:1", "TrainingInputMode": "File"}
    says = "unheard-of" if is_trusted else f"Could not assume role {arn}. Please ensure that the role exists and allows"
    with pytest.raises(ClientError, match=says):
        sagemaker.create_training_job(**request(cloud, RoleArn=arn, AlgorithmSpecification=wrong_image))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1,2,3\n0,4\n", "line 2"),
        (b"1,2,3\n0,nan,4\n", "line 2"),
        (b"1,2,3\n0,x,4\n", "line 2"),
        (b"7,2,3\n0,2,4\n", "7"),
        (csv_of(ROWS[:, :5]), "feature_dim"),
    ],
)
def test_data_that_cannot_be_used_fails_the_job_with_the_place(cloud, sagemaker, content, says):
    prefix = f"bad/{next(JOB_NUMBERS)}"
    put(cloud, f"{prefix}/train.csv", content)
    changes: dict[str, Any] = {}
    if says != "feature_dim":
        changes = {"HyperParameters": {"predictor_type": "binary_classifier", "feature_dim": "2"}}
    described = run(cloud, sagemaker, prefix=prefix, **changes)
    assert described["TrainingJobStatus"] == "Failed"
    assert "train.csv" in described["FailureReason"]
    assert says in described["FailureReason"]
    place = described["ModelArtifacts"]["S3ModelArtifacts"]  # required in AWS's model of every answer, and read by SDKs
    assert place == f"s3://{BUCKET}/output/{described['TrainingJobName']}/output/model.tar.gz"
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=place.split("/", 3)[3])


def test_an_empty_prefix_fails_the_job_and_says_what_to_do(cloud, sagemaker):
    reason = run(cloud, sagemaker, prefix="nothing/here")["FailureReason"]
    assert f"s3://{BUCKET}/nothing/here" in reason
    assert "Upload" in reason


def test_a_missing_train_channel_is_named(cloud, sagemaker):
    requested = request(cloud)
    requested["InputDataConfig"][0]["ChannelName"] = "validation"
    described = run(cloud, sagemaker, **requested)
    assert described["TrainingJobStatus"] == "Failed"
    assert "train" in described["FailureReason"]


def test_gzip_and_several_files_under_a_prefix_are_read(cloud, sagemaker):
    put(cloud, "parts/a/one.csv.gz", gzip.compress(csv_of(ROWS[:300])))
    put(cloud, "parts/b/two.csv.gz", gzip.compress(csv_of(ROWS[300:])))
    requested = request(cloud, prefix="parts/")
    requested["InputDataConfig"][0] |= {"CompressionType": "Gzip", "ContentType": "text/csv"}
    assert run(cloud, sagemaker, **requested)["TrainingJobStatus"] == "Completed"


def test_two_hosts_with_half_the_objects_each_train_the_model_that_one_host_does(cloud, sagemaker):
    for part in range(3):
        put(cloud, f"thirds/{part}.csv", csv_of(ROWS[part::3]))
    parameters = {"predictor_type": "binary_classifier", "early_stopping_tolerance": "1e-6"}
    losses = []
    for hosts in (1, 2):
        requested = request(cloud, prefix="thirds", HyperParameters=parameters)
        requested["ResourceConfig"]["InstanceCount"] = hosts
        requested["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
        described = run(cloud, sagemaker, **requested)
        assert described["TrainingJobStatus"] == "Completed"
        final = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
        losses.append(final["train:objective_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_manifest_lists_the_objects_of_a_channel(cloud, sagemaker):
    put(cloud, "listed/one.csv", csv_of(ROWS[:300]))
    put(cloud, "listed/sub/two.csv", csv_of(ROWS[300:]))
    put(cloud, "listed/not-this.csv", b"no,numbers,at,all\n")
    manifest = [{"prefix": f"s3://{BUCKET}/listed/"}, "one.csv", "sub/two.csv"]
    put(cloud, "manifests/good.json", json.dumps(manifest).encode())
    put(cloud, "manifests/bad.json", json.dumps([*manifest, "missing.csv"]).encode())
    for name, status in (("good", "Completed"), ("bad", "Failed")):
        requested = request(cloud, prefix=f"manifests/{name}.json")
        requested["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
        described = run(cloud, sagemaker, **requested)
        assert described["TrainingJobStatus"] == status
    assert "missing.csv" in described["FailureReason"]


def test_logs_and_metrics_of_a_job_are_stored(cloud, sagemaker):
    described = run(cloud, sagemaker)
    name = described["TrainingJobName"]
    logs = cloud.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    assert [stream["logStreamName"].split("-")[-2] for stream in streams] == ["1"]
    events = logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"], startFromHead=True)
    assert any("quality_metric" in event["message"] for event in events["events"])
    again = logs.get_log_events(
        logGroupName=group, logStreamName=streams[0]["logStreamName"], nextToken=events["nextForwardToken"]
    )
    assert (again["events"], again["nextForwardToken"]) == ([], events["nextForwardToken"])
    filtered = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=name, filterPattern='"quality_metric"')
    assert 0 < len(filtered["events"]) < len(events["events"]) + 1
    final = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
    assert 0 < final["train:objective_loss"] < 1
    cloudwatch = cloud.client("cloudwatch")
    dimensions = [{"Name": "TrainingJobName", "Value": name}]
    listed = cloudwatch.list_metrics(Namespace=group, Dimensions=dimensions)["Metrics"]
    assert {metric["MetricName"] for metric in listed} == set(final)
    statistics = cloudwatch.get_metric_statistics(
        Namespace=group,
        MetricName="train:objective_loss",
        Dimensions=dimensions,
        StartTime=described["CreationTime"] - timedelta(minutes=1),
        EndTime=described["TrainingEndTime"] + timedelta(minutes=1),
        Period=60,
        Statistics=["Minimum", "SampleCount"],
    )["Datapoints"]
    assert min(point["Minimum"] for point in statistics) <= final["train:objective_loss"]
    data = cloudwatch.get_metric_data(
        StartTime=described["CreationTime"] - timedelta(minutes=1),
        EndTime=described["TrainingEndTime"] + timedelta(minutes=1),
        MetricDataQueries=[
            {
                "Id": "loss",
                "MetricStat": {
                    "Metric": {"Namespace": group, "MetricName": "train:objective_loss", "Dimensions": dimensions},
                    "Period": 60,
                    "Stat": "SampleCount",
                },
            }
        ],
    )["MetricDataResults"][0]
    assert sum(data["Values"]) == sum(point["SampleCount"] for point in statistics)


def test_a_running_job_can_be_stopped_and_its_log_is_live(cloud, sagemaker):
    requested = slow_job(cloud)
    name = requested["TrainingJobName"]
    sagemaker.create_training_job(**requested)
    wait_for(lambda: status_of(sagemaker, name) == "Training")
    logs = cloud.client("logs")
    live = lambda: logs.filter_log_events(  # noqa: E731
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=name
    )["events"]
    wait_for(live)
    sagemaker.stop_training_job(TrainingJobName=name)
    described = sagemaker.describe_training_job(TrainingJobName=name)
    assert described["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.stop_training_job(TrainingJobName=name)


def test_a_job_past_its_time_limit_is_stopped(cloud, sagemaker):
    requested = slow_job(cloud, StoppingCondition={"MaxRuntimeInSeconds": 1})
    sagemaker.create_training_job(**requested)
    start = time.time()
    name = requested["TrainingJobName"]
    wait_for(lambda: status_of(sagemaker, name) == "MaxRuntimeExceeded")
    assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Stopped"
    assert time.time() - start < 30


def test_object_keys_that_climb_are_refused_with_the_key(cloud, sagemaker):
    put(cloud, "climb/../../escape.csv", csv_of(ROWS))
    described = run(cloud, sagemaker, prefix="climb/")
    assert described["TrainingJobStatus"] == "Failed"
    assert "escape.csv" in described["FailureReason"]


def test_boto3_reads_the_same_answers(cloud):
    keys = cloud.client("sts").get_session_token()["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    listed = session.client("sagemaker", endpoint_url=cloud.url).list_training_jobs()
    assert json.dumps(listed["TrainingJobSummaries"], default=str)
