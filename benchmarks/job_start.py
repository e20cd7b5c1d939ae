"""How fast a job starts: seconds from CreateTrainingJob to the first line that its program prints.

    .venv/bin/python benchmarks/job_start.py

`built-in` is linear-learner on a few rows. A script prints its start time; in `environment` its requirements were
installed by an earlier job with the same source archive. `plain` is `python script.py` without Lowcloud.
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

from lowcloud.client import aws_clients
from lowcloud.home import server_process, settings

ROUNDS = 10
TARGETS = {"built-in": 0.3, "script": 1.5, "environment": 1.5}
LINEAR_LEARNER = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
BUCKET = "sagemaker-benchmark"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = "import time\nprint('BEGAN', time.time())\n"
PROJECT = """[project]
name = "benchmarked"
version = "1.0"
[build-system]
requires = ["setuptools"]
"""


def source(requirements: str) -> bytes:
    """Return a source archive."""
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


def measure_script(make: Any, role: str, key: str) -> float:
    """Return the seconds from the request to the script's first line."""
    hyperparameters = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{BUCKET}/{key}"}
    texts = {name: json.dumps(value) for name, value in hyperparameters.items()}
    start, events = run_job(make, role, SKLEARN, texts)
    began = next(event["message"] for event in events if event["message"].startswith("BEGAN"))
    return float(began.split()[1]) - start


def measure_built_in(make: Any, role: str) -> float:
    """Return the seconds from the request to the algorithm's first line."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data"}
    channel = {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
    texts = {"predictor_type": "regressor", "epochs": "1"}
    start, events = run_job(make, role, LINEAR_LEARNER, texts, InputDataConfig=[channel])
    return float(events[0]["timestamp"] / 1000 - start)


def run_job(make: Any, role: str, image: str, hyperparameters: dict[str, str], **others: Any) -> tuple[float, Any]:
    """Run a job to its end. Returns the time of the request, and the log."""
    sagemaker, logs = make("sagemaker"), make("logs")
    name = f"job-{time.time_ns()}"
    start = time.time()
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters=hyperparameters,
        **others,
    )
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.05)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    group = "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"][0]["logStreamName"]
    return start, logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]


def measure_plain(folder: Path) -> float:
    """Return the seconds from starting an interpreter to the script's first line."""
    (folder / "train.py").write_text(SCRIPT)
    start = time.time()
    printed = subprocess.run([sys.executable, folder / "train.py"], capture_output=True, text=True, check=True).stdout
    return float(printed.split()[1]) - start


def main() -> None:
    """Print the median of each next to its target."""
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
        share = f"{seconds / TARGETS[name]:10.2f}" if name in TARGETS else ""
        print(f"{name:14}{seconds:10.3f}{share}")


def measure(home: Path) -> dict[str, float]:
    """Return the median seconds by kind of job."""
    known = settings.load(home, os.environ)
    server = server_process.find_running(home)
    assert server is not None
    role = f"arn:aws:iam::{known.account_id}:role/{aws_clients.EXECUTION_ROLE}"

    def make(service: str) -> Any:
        return aws_clients.make_client(known, server.endpoint, service)

    make("s3").create_bucket(Bucket=BUCKET)
    rows = "".join(f"{number},{number % 7},{number % 5}\n" for number in range(100))
    make("s3").put_object(Bucket=BUCKET, Key="data/train.csv", Body=rows.encode())
    measure_built_in(make, role)
    found = {"built-in": statistics.median(measure_built_in(make, role) for _ in range(ROUNDS))}
    for name, requirements in (("script", ""), ("environment", "./pkg\n")):
        make("s3").put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=source(requirements))
        measure_script(make, role, f"{name}.tar.gz")  # builds the environment, and warms caches
        rounds = [measure_script(make, role, f"{name}.tar.gz") for _ in range(ROUNDS)]
        found[name] = statistics.median(rounds)
    return found


if __name__ == "__main__":
    main()
