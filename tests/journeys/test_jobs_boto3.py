"""Training and processing jobs as a program without an SDK has them: boto3 alone, from Create to what is left."""

import io
import json
import secrets
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_script_models import IMAGE, packed
from tests.support.programs.shell import JOURNEYS
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

SOURCE = JOURNEYS / "programs" / "source"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
COUNTS = """
import json, os, pathlib
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().splitlines()
pathlib.Path("/opt/ml/model/count").write_text(f"{len(rows)} {os.environ['SM_HP_TITLE']}")
"""


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


@pytest.fixture
def code(s3: Any, bucket: str) -> str:
    """A source archive."""
    scripts = {name: (SOURCE / name).read_text() for name in ("waits.py", "fails.py")}
    s3.put_object(Bucket=bucket, Key="code.tar.gz", Body=packed({**scripts, "counts.py": COUNTS}))
    s3.put_object(Bucket=bucket, Key="data/rows.csv", Body=b"1,2\n3,4\n5,6\n")
    return f"s3://{bucket}/code.tar.gz"


def request(cloud: Server, code: str, script: str, **resources: Any) -> dict[str, Any]:
    """A job that runs a script of the archive."""
    bucket = Path(code).parent.name
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/"}
    given = {"sagemaker_program": script, "sagemaker_submit_directory": code, "title": "rows: three"}
    return {
        "TrainingJobName": f"boto3-{secrets.token_hex(4)}",
        "RoleArn": cloud.role,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {name: json.dumps(value) for name, value in given.items()},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
        "ResourceConfig": {**RESOURCES, **resources},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def ended(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """The job, once it is over."""
    reported: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return reported if reported["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None


def pool(sagemaker: Any, requested: dict[str, Any]) -> dict[str, Any]:
    """Where the warm pool of a job stands."""
    reported: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=requested["TrainingJobName"])[
        "WarmPoolStatus"
    ]
    return reported


def test_a_script_trains_in_a_pool_that_the_next_job_takes_over(server, sagemaker, s3, code):
    first = request(server, code, "counts.py", KeepAlivePeriodInSeconds=600, VolumeSizeInGB=7)
    second = request(server, code, "counts.py", KeepAlivePeriodInSeconds=600, VolumeSizeInGB=7)
    for requested in (first, second):
        sagemaker.create_training_job(**requested)
        end = wait_for(lambda requested=requested: ended(sagemaker, requested["TrainingJobName"]))
        assert end["TrainingJobStatus"] == "Completed", end["FailureReason"]
        wait_for(lambda requested=requested: pool(sagemaker, requested)["Status"] != "InUse")
    reported = [sagemaker.describe_training_job(TrainingJobName=one["TrainingJobName"]) for one in (first, second)]
    assert [one["WarmPoolStatus"]["Status"] for one in reported] == ["Reused", "Available"]
    assert reported[0]["WarmPoolStatus"]["ReusedByJob"] == second["TrainingJobName"]
    available = sagemaker.list_training_jobs(WarmPoolStatusEquals="Available", NameContains=second["TrainingJobName"])
    assert [one["TrainingJobName"] for one in available["TrainingJobSummaries"]] == [second["TrainingJobName"]]
    sagemaker.update_training_job(
        TrainingJobName=second["TrainingJobName"], ResourceConfig={"KeepAlivePeriodInSeconds": 0}
    )
    assert pool(sagemaker, second)["Status"] == "Terminated"
    bucket, _, key = reported[0]["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as archive:
        member = archive.extractfile("count")
        assert member is not None
        assert member.read() == b"3 rows: three"


def test_a_processing_job_is_listed_stopped_and_described(server, sagemaker, code):
    bucket, name = Path(code).parent.name, f"boto3-{secrets.token_hex(4)}"
    output = {"S3Uri": f"s3://{bucket}/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "Continuous"}
    script = (
        "echo begins; echo begun > /opt/ml/processing/out/state; trap 'exit 0' TERM; while true; do sleep 0.1; done"
    )
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=server.role,
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["/bin/sh", "-c", script]},
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": output}]},
        ProcessingResources={"ClusterConfig": RESOURCES},
    )
    s3 = server.client("s3")

    def state() -> bytes | None:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="out/state").get("Contents", [])
        return s3.get_object(Bucket=bucket, Key="out/state")["Body"].read() if listed else None

    assert wait_for(state) == b"begun\n", "a continuous output arrives while the job runs"
    running = sagemaker.list_processing_jobs(StatusEquals="InProgress", NameContains=name)["ProcessingJobSummaries"]
    assert [one["ProcessingJobName"] for one in running] == [name]
    sagemaker.stop_processing_job(ProcessingJobName=name)
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
    reported = sagemaker.describe_processing_job(ProcessingJobName=name)
    assert reported["ProcessingJobStatus"] == "Stopped"
    assert "begins" in server.cli("logs", name, "--follow").stdout.splitlines()
    assert reported["ProcessingEndTime"] >= reported["ProcessingStartTime"] >= reported["CreationTime"]


def test_a_stopped_script_keeps_what_it_saved_and_a_failed_one_says_why(server, sagemaker, code):
    stopped, failed = request(server, code, "waits.py"), request(server, code, "fails.py")
    logs = server.client("logs")
    stream = f"{stopped['TrainingJobName']}/"
    for requested in (stopped, failed):
        sagemaker.create_training_job(**requested)

    def waits() -> bool:
        try:
            found = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=stream)
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any(event["message"] == "waiting" for event in found["events"])

    wait_for(waits)
    sagemaker.stop_training_job(TrainingJobName=stopped["TrainingJobName"])
    ends = [
        wait_for(lambda requested=requested: ended(sagemaker, requested["TrainingJobName"]))
        for requested in (stopped, failed)
    ]
    assert [end["TrainingJobStatus"] for end in ends] == ["Stopped", "Failed"]
    assert ends[0]["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    assert "ValueError: the rows have 11 columns, expected 12" in ends[1]["FailureReason"]
