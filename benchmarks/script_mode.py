"""Script mode: seconds from CreateTrainingJob to the first line of the user's script.

    .venv/bin/python benchmarks/script_mode.py

The script prints when it began. `plain` is `python script.py` with nothing around it, for comparison. In `environment`
the script's requirements were installed by an earlier job of the same source archive.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from lowcloud import client, running, settings

ROUNDS = 10
TARGET_SECONDS = 1.5
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = "import time\nprint('BEGAN', time.time())\n"
PROJECT = """[project]
name = "benchmarked"
version = "1.0"
[build-system]
requires = ["setuptools"]
"""


def source(requirements: str) -> bytes:
    """A source archive."""
    files = {
        "train.py": SCRIPT,
        "pkg/pyproject.toml": PROJECT,
        "pkg/benchmarked.py": "",
        "requirements.txt": requirements,
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def measure_job(make: Any, role: str, bucket: str, key: str) -> float:
    """Seconds from the request to the script's first line."""
    sagemaker, logs = make("sagemaker"), make("logs")
    name = f"job-{time.time_ns()}"
    hyperparameters = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{bucket}/{key}"}
    start = time.time()
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={name: json.dumps(value) for name, value in hyperparameters.items()},
    )
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.05)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    group = "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    began = next(event["message"] for event in events if event["message"].startswith("BEGAN"))
    return float(began.split()[1]) - start


def measure_plain(folder: Path) -> float:
    """Seconds from starting an interpreter to the script's first line."""
    (folder / "train.py").write_text(SCRIPT)
    start = time.time()
    printed = subprocess.run([sys.executable, folder / "train.py"], capture_output=True, text=True, check=True).stdout
    return float(printed.split()[1]) - start


def main() -> None:
    """Print the median of each beside the target."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "LOWCLOUD_HOME": str(home)}
        lowcloud = [sys.executable, "-m", "lowcloud.cli"]
        subprocess.run([*lowcloud, "up", "--detach", "--port", "0"], env=environment, check=True, capture_output=True)
        try:
            found = measure(home)
        finally:
            subprocess.run([*lowcloud, "down"], env=environment, check=True, capture_output=True)
        found["plain"] = statistics.median(measure_plain(Path(folder)) for _ in range(ROUNDS))
    print(f"{'':14}{'seconds':>10}{'of target':>10}")
    for name, seconds in found.items():
        print(f"{name:14}{seconds:10.3f}{seconds / TARGET_SECONDS:10.2f}")


def measure(home: Path) -> dict[str, float]:
    """Median seconds by kind of job."""
    known = settings.load(home, os.environ)
    server = running.find_running(home)
    assert server is not None
    role = f"arn:aws:iam::{known.account_id}:role/{client.EXECUTION_ROLE}"

    def make(service: str) -> Any:
        return client.make_client(known, server.endpoint, service)

    make("s3").create_bucket(Bucket="benchmark")
    found = {}
    for name, requirements in (("script", ""), ("environment", "./pkg\n")):
        make("s3").put_object(Bucket="benchmark", Key=f"{name}.tar.gz", Body=source(requirements))
        measure_job(make, role, "benchmark", f"{name}.tar.gz")  # builds the environment, warms what there is to warm
        rounds = [measure_job(make, role, "benchmark", f"{name}.tar.gz") for _ in range(ROUNDS)]
        found[name] = statistics.median(rounds)
    return found


if __name__ == "__main__":
    main()
