"""SDK 2.x: a spot job that is interrupted and resumed, and a stopped job that saves its model."""

import json
import os
import subprocess
import sys
import time

import boto3
import sagemaker
from sagemaker import get_execution_role
from sagemaker.sklearn import SKLearn

lowcloud = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
s3, logs = boto3.client("s3"), boto3.client("logs")
common = {
    "source_dir": "source",
    "framework_version": "1.2-1",
    "role": get_execution_role(),
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "sagemaker_session": session,
}


def printed(job):
    """Return the lines of a job so far."""
    try:
        events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job.name}/")
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events["events"]]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


def checkpoint():
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="checkpoints/count").get("Contents", [])
    return s3.get_object(Bucket=bucket, Key="checkpoints/count")["Body"].read() if listed else b""


spot = SKLearn(
    "checkpoints.py",
    use_spot_instances=True,
    max_run=3600,
    max_wait=7200,
    checkpoint_s3_uri=f"s3://{bucket}/checkpoints",
    **common,
)
spot.fit(wait=False)
wait_for(lambda: checkpoint() == b"5")
subprocess.run([*lowcloud, "interrupt", spot.latest_training_job.name], check=True)
spot.latest_training_job.wait(logs="None")
reported = spot.latest_training_job.describe()

stopped = SKLearn("waits.py", **common)
stopped.fit(wait=False)
wait_for(lambda: "waiting" in printed(stopped.latest_training_job))
stopped.latest_training_job.stop()
stopped.latest_training_job.wait(logs="None")
end = stopped.latest_training_job.describe()
found = {
    "spot": {
        "status": reported["TrainingJobStatus"],
        "begins": [line for line in printed(spot.latest_training_job) if line.startswith("begins")],
        "checkpoint": checkpoint().decode(),
        "model": spot.model_data,
        "transitions": [one["Status"] for one in reported["SecondaryStatusTransitions"]],
        "saves": reported["BillableTimeInSeconds"] <= reported["TrainingTimeInSeconds"],
    },
    "stopped": {
        "status": end["TrainingJobStatus"],
        "model": end["ModelArtifacts"]["S3ModelArtifacts"],
        "transitions": [one["Status"] for one in end["SecondaryStatusTransitions"]],
    },
}
print("JOURNEY", json.dumps(found))
