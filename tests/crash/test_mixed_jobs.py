"""Random kills of the server and of replicas: jobs of every kind end once, with the right status and outputs."""

import io
import json
import os
import random
import re
import signal
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lowcloud import contract
from lowcloud.home import settings
from lowcloud.server.server import open_context
from lowcloud.store.db.tables.jobs import processing_jobs, training_jobs
from lowcloud.store.db.tables.resources import events
from lowcloud.store.db.tables.telemetry import log_events, log_streams, metric_points
from tests.support.engines import works_left
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "sagemaker-mixed"
IMAGE = "sagemaker-base-python-310"
LINES = 20  # that the script prints
DEADLINE_SECONDS = 300
TRACKED = {"Completed": "Completed", "Failed": "Failed", "Stopped": "Stopped"}
LEGAL = {
    "pending": {"preparing", "staging", "failed", "stopped"},
    "preparing": {"staging", "restarting", "failed", "stopped"},
    "staging": {"running", "restarting", "stopping", "failed", "stopped"},
    "running": {"stopping", "storing", "restarting", "failed"},
    "stopping": {"storing", "restarting", "failed"},
    "restarting": {"pending", "stopped"},
    "storing": {"completed", "failed", "stopped"},
}
SCRIPT = """
import json, os, pathlib, sys, time, uuid
base, run = pathlib.Path("/opt/ml"), uuid.uuid4().hex
for file in sorted((base / "input/data/lazy").glob("*")): assert file.read_bytes() == b"x" * 300_000
if "piped" in os.environ.get("SM_CHANNELS", ""): assert len(open(base / "input/data/piped_0", "rb").read()) == 300_000
if os.environ.get("GREETS"): import greeting
steps = base / "checkpoints/steps"
for number in range(20):
    print(run, number, f"loss={number};", flush=True)
    if steps.parent.is_dir():
        steps.with_name(".new").write_text(str(number)); steps.with_name(".new").rename(steps)
    time.sleep(0.03)
if (base / "model").is_dir(): (base / "model/weights").write_text("whole")
output = base / "processing/output"
if output.is_dir(): (output / "result").write_text("whole")
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.up()
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"x" * 300_000)
    s3.put_object(Bucket=BUCKET, Key="code/train.py", Body=SCRIPT)
    s3.put_object(Bucket=BUCKET, Key="plain.tar.gz", Body=packed({"train.py": SCRIPT.encode()}))
    yield made
    made.cli("down", check=False)


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def wheel() -> bytes:
    content, record = io.BytesIO(), "greeting-1.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("greeting.py", "HELLO = 1\n")
        archive.writestr(f"{record}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
        archive.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{record}/RECORD", "")
    return content.getvalue()


def channel(name: str, mode: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data"}
    return {"ChannelName": name, "InputMode": mode, "DataSource": {"S3DataSource": source}}


SORTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "built": {"Environment": {"GREETS": "yes"}},
    "spot": {"EnableManagedSpotTraining": True},
    "retried": {"RetryStrategy": {"MaximumRetryAttempts": 5}},
    "hosts": {},
    "inputs": {"InputDataConfig": [channel("lazy", "FastFile"), channel("piped", "Pipe")]},
    "processing": {},
}


def create(cloud: Server, sort: str, name: str) -> None:
    sagemaker = cloud.client("sagemaker")
    if sort == "processing":
        sagemaker.create_processing_job(**processing(cloud, name))
        return
    source = "plain.tar.gz"
    if sort == "built":  # each its own environment
        source = f"{name}.tar.gz"
        files = {"train.py": SCRIPT.encode(), "greeting-1-py3-none-any.whl": wheel(), "name": name.encode()}
        body = packed({**files, "requirements.txt": b"./greeting-1-py3-none-any.whl\n"})
        cloud.client("s3").put_object(Bucket=BUCKET, Key=source, Body=body)
    stopping = {"MaxRuntimeInSeconds": 280, **({"MaxWaitTimeInSeconds": 3600} if sort == "spot" else {})}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9]+);"}],
        },
        RoleArn=cloud.role,
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/{source}"),
        },
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models"},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints/{name}"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 2 if sort == "hosts" else 1,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition=stopping,
        **SORTS[sort],
    )


def processing(cloud: Server, name: str) -> dict[str, Any]:
    def place(uri: str, folder: str, **more: str) -> dict[str, Any]:
        return {"S3Uri": f"s3://{BUCKET}/{uri}", "LocalPath": f"/opt/ml/processing/{folder}", **more}

    code = place("code", "code", S3DataType="S3Prefix", S3InputMode="File")
    output = place(f"processed/{name}", "output", S3UploadMode="Continuous")
    return {
        "ProcessingJobName": name,
        "RoleArn": cloud.role,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python", "/opt/ml/processing/code/train.py"],
        },
        "ProcessingInputs": [{"InputName": "code", "S3Input": code}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
    }


class Killer:
    """Kills at random, and keeps account of whom."""

    def __init__(self, cloud: Server, seed: int):
        self.cloud = cloud
        self.chance = random.Random(seed)
        self.hurt: set[str] = set()  # readable names of works
        self.kills: dict[str, int] = {"server": 0, "replica": 0, "interruption": 0}
        self.groups: set[str] = set()

    def strike(self, names: list[str]) -> None:
        time.sleep(self.chance.uniform(0.0, 1.5))
        match self.chance.choice(["server", "server", "replica", "replica", "interruption"]):
            case "server":
                self.cloud.kill()
                self.cloud.up()
                self.kills["server"] += 1
            case "replica":
                self._kill_one_of_a_replica()
            case _:
                spot = [name for name in names if name.startswith("spot")]
                if spot and self.cloud.cli("interrupt", self.chance.choice(spot), check=False).returncode == 0:
                    self.kills["interruption"] += 1

    def _locks(self) -> list[Path]:
        """Those of the replicas that are there; a folder may go while it is looked into."""
        locks: list[Path] = []
        for work in (self.cloud.home / "work").glob("[!.]*"):
            with suppress(FileNotFoundError):
                locks += work.glob("[0-9]/lock")
        return locks

    def _kill_one_of_a_replica(self) -> None:
        """Of a supervisor and those who descend from it: program, feeder, keeper of its namespaces, builder."""
        found = []
        for lock in self._locks():
            with suppress(OSError, ValueError):
                self.groups.add(json.loads((lock.parent / contract.LAUNCH_SPEC_FILE).read_text())["sandbox"]["cgroup"])
            with suppress(OSError, ValueError):
                supervisor = int(lock.read_text())
                if Path(f"/proc/{supervisor}/fd/3").readlink() != lock:
                    continue
                found += [(lock.parent.parent.name, pid) for pid in (supervisor, *descendants(supervisor))]
        if found:
            work, pid = self.chance.choice(found)
            self.hurt.add(work)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills["replica"] += 1


def descendants(pid: int) -> list[int]:
    with suppress(OSError):
        text = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(word) for word in text.split()]
        return [*children, *(below for child in children for below in descendants(child))]
    return []


def endure(cloud: Server, rounds: int, seed: int) -> Killer:
    killer = Killer(cloud, seed)
    names: list[str] = []
    for number in range(rounds):
        sort = list(SORTS)[number % len(SORTS)]
        names.append(f"{sort}-{number:02}")
        create(cloud, sort, names[-1])
        killer.strike(names)
    wait_for(lambda: not unfinished(cloud), DEADLINE_SECONDS)
    wait_for(lambda: not works_left(cloud.home), 60)
    for name in names:
        check_answers(cloud, name, killer)
    cloud.down()
    check_rows(cloud.home, names)
    assert str(cloud.home) not in Path("/proc/mounts").read_text()
    for group in killer.groups:
        members = Path(f"/sys/fs/cgroup/memory/lowcloud/{group}/cgroup.procs")
        assert not members.exists() or not members.read_text(), "something keeps running"
    return killer


def unfinished(cloud: Server) -> Any:
    sagemaker = cloud.client("sagemaker")
    return (
        sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
        or sagemaker.list_processing_jobs(StatusEquals="InProgress")["ProcessingJobSummaries"]
    )


def check_answers(cloud: Server, name: str, killer: Killer) -> None:
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    sort = name.partition("-")[0]
    is_processing = sort == "processing"
    if is_processing:
        described = sagemaker.describe_processing_job(ProcessingJobName=name)
        status = described["ProcessingJobStatus"]
    else:
        described = sagemaker.describe_training_job(TrainingJobName=name)
        status = described["TrainingJobStatus"]
    was_hurt = any(f"_{name}_" in f"{work}_" or (sort == "built" and "environment_" in work) for work in killer.hurt)
    if status == "Failed":
        assert was_hurt, described["FailureReason"]
        telling = r"host was lost|exit code: (-9|137)|SIGKILL|could not be read|process that reads the inputs"
        assert re.search(telling, described["FailureReason"]), described["FailureReason"]
    else:
        assert status == "Completed", described
        if is_processing:
            assert s3.get_object(Bucket=BUCKET, Key=f"processed/{name}/result")["Body"].read() == b"whole"
        else:
            body = s3.get_object(Bucket=BUCKET, Key=f"models/{name}/output/model.tar.gz")["Body"].read()
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                weights = archive.extractfile("weights")
                assert weights is not None
                assert weights.read() == b"whole"
            steps = s3.get_object(Bucket=BUCKET, Key=f"checkpoints/{name}/steps")["Body"].read()
            assert int(steps) == LINES - 1
    component = f"{name}-aws-{'processing' if is_processing else 'training'}-job"
    tracked = sagemaker.describe_trial_component(TrialComponentName=component)["Status"]["PrimaryStatus"]
    assert tracked == TRACKED[status]


def check_rows(home: Path, names: list[str]) -> None:
    database = open_context(settings.load(home, os.environ)).database
    with closing(database), database.read() as connection:
        rows = [row for table in (training_jobs, processing_jobs) for row in connection.execute(select(table))]
        passed = connection.execute(select(events).order_by(events.c.id)).all()
        said = select(log_streams.c.name, log_events.c.message).where(log_events.c.stream == log_streams.c.id)
        lines = connection.execute(said.order_by(log_events.c.id)).all()
        points = connection.execute(select(metric_points)).all()
    assert {row.name for row in rows} == set(names)
    for row in rows:
        assert (row.lease_owner, row.due_at) == (None, None)
        happened = [event for event in passed if event.subject.endswith(f"/{row.name}")]
        states = [event.state for event in happened]
        for before, after in pairwise(happened):
            waits_for_another_reason = before.state == after.state == "pending" and before.message != after.message
            assert after.state in LEGAL[before.state] or waits_for_another_reason, states
        assert states[-1] == row.state
        check_log([(line.name, line.message) for line in lines if line.name.startswith(f"{row.name}/")], row)
        losses = [line for line in lines if line.name.startswith(f"{row.name}/") and "loss=" in line.message]
        measured = [point for point in points if f'"{row.name}"' in point.dimensions]
        assert len(measured) == (0 if row.name.startswith("processing") else len(losses))


def check_log(lines: list[tuple[str, str]], row: Any) -> None:
    """Of every run on every host the lines are there from the first on, once each; of the last all."""
    for stream in {name for name, _ in lines}:
        runs: dict[str, list[int]] = {}
        for name, message in lines:
            if name == stream and (found := re.fullmatch(r"([0-9a-f]{32}) ([0-9]+) loss=.*", message)):
                runs.setdefault(found[1], []).append(int(found[2]))
        for numbers in runs.values():
            assert numbers == list(range(len(numbers)))
        if row.state == "completed":
            assert len(list(runs.values())[-1]) == LINES


def test_jobs_of_every_kind_outlive_their_servers(cloud: Server) -> None:
    endure(cloud, rounds=len(SORTS), seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jobs_of_every_kind_end_with_the_right_status_through_fifty_rounds_of_kills(cloud: Server, seed: int) -> None:
    killer = endure(cloud, rounds=50, seed=seed)
    assert killer.kills["server"] > 10
    assert killer.kills["replica"] > 5
