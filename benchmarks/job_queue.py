"""The queue: 1,000 jobs that do nothing wait for the CPUs of this machine. No job is lost, and each costs little CPU.

    .venv/bin/python benchmarks/job_queue.py [JOBS]

The jobs run `true`, so the benchmark measures Lowcloud itself: CPU seconds of the server, the supervisors and the
program together (all are descendants of this process, which adopts orphans), minus those of a server that is only
started and stopped. Instances are ml.m5.large (2 vCPU); at most as many may run at a time as the machine has CPUs for.
"""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import select

from lowcloud.catalog import instances
from lowcloud.client import aws_clients
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.home import server_process, settings
from lowcloud.server.server import open_context
from lowcloud.store.db.tables.jobs import training_jobs
from lowcloud.store.db.tables.resources import events

JOBS = 1000
TARGET_SECONDS = 0.1  # of CPU for each job
TYPE = "ml.m5.large"
IMAGE = "nothing"
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
TIMEOUT_SECONDS = 1800


def main(jobs: int) -> None:
    """Print the final states of the jobs, and their cost."""
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        _serve(home, 0)
        with closing((context := _open(home)).database):
            images.register(context, Image(IMAGE, context.now(), command=("true",)))
        idle_seconds, _ = _serve(home, 0)
        busy_seconds, drained_seconds = _serve(home, jobs)
        with closing((context := _open(home)).database), context.database.read() as connection:
            rows = connection.execute(select(training_jobs)).all()
            rows = connection.execute(select(events.c.subject, events.c.state, events.c.at)).all()
    states = Counter(row.state for row in rows)
    ends = [subject for subject, state, _ in rows if state == "completed"]
    left = [at for _, state, at in rows if state == "storing"]  # its program has ended
    each = (busy_seconds - idle_seconds) / jobs
    print(f"states of {jobs} jobs: {dict(states)}; ended once: {len(set(ends)) == len(ends) == jobs}")
    most = _most_given([row.admitted_at for row in rows], left)
    print(f"maximum of CPUs allocated at a time: {most} of {os.cpu_count()}")
    print(f"all ended in {drained_seconds:.1f} s, {drained_seconds / jobs * 1000:.0f} ms per job")
    print(f"CPU per job: {each * 1000:.0f} ms, target {TARGET_SECONDS * 1000:.0f} ms")
    if states != {"completed": jobs}:
        sys.exit("jobs were lost")


def _serve(home: Path, jobs: int) -> tuple[float, float]:
    """Return the CPU seconds of a server from start to stop, and the seconds in which this number of jobs ended."""
    before = _cpu_seconds()
    _lowcloud(home, "up", "--detach", "--port", "0")
    start = time.perf_counter()
    if jobs:
        _submit_and_wait(home, jobs)
    seconds = time.perf_counter() - start
    _lowcloud(home, "down")
    _reap()
    return _cpu_seconds() - before, seconds


def _submit_and_wait(home: Path, jobs: int) -> None:
    chosen = settings.load(home, os.environ)
    found = server_process.find_running(home)
    assert found is not None
    s3, sagemaker = (aws_clients.make_client(chosen, found.endpoint, service) for service in ("s3", "sagemaker"))
    s3.create_bucket(Bucket="sagemaker-queue")
    start = time.perf_counter()
    for number in range(jobs):
        sagemaker.create_training_job(**_request(f"job-{number:05}", chosen.account_id))
    print(f"submitted in {time.perf_counter() - start:.1f} s")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while sagemaker.list_training_jobs(StatusEquals="InProgress", MaxResults=1)["TrainingJobSummaries"]:
        if time.monotonic() > deadline:
            sys.exit("the jobs are not drained in time")
        time.sleep(0.5)


def _request(name: str, account: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{account}:role/{aws_clients.EXECUTION_ROLE}",
        "OutputDataConfig": {"S3OutputPath": "s3://sagemaker-queue/output"},
        "ResourceConfig": {"InstanceType": TYPE, "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
    }


def _most_given(admitted: Sequence[float], left: Sequence[float]) -> int:
    """Return the maximum of CPUs allocated at a time, each from admission until the program has ended."""
    cpus = min(instances.find(TYPE).vcpus, os.cpu_count() or 1)
    given = most = 0
    for _, change in sorted([*((at, 1) for at in admitted), *((at, -1) for at in left)]):
        given += change
        most = max(most, given)
    return most * cpus


def _open(home: Path) -> Any:
    return open_context(settings.load(home, os.environ))


def _lowcloud(home: Path, *arguments: str) -> None:
    environment = {**os.environ, "LOWCLOUD_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "lowcloud.cli", *arguments], env=environment, check=True, capture_output=True)


def _reap() -> None:
    """Reap all descendants that have ended; those still running (there should be none) are not counted."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.05)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)
