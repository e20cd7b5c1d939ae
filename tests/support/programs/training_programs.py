"""Training jobs as processes: an /opt/ml folder, and the program run on it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lowcloud import contract

SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """The outputs of a job."""

    base: Path
    code: int
    log: str

    @property
    def failure(self) -> str:
        path = self.base / contract.FAILURE
        return path.read_text() if path.exists() else ""


def write_job_folder(
    base: Path,
    hyperparameters: dict[str, object],
    channels: dict[str, bytes],
    hosts: tuple[str, ...] = ("algo-1",),
    host: str = "algo-1",
    content_type: str | None = None,
    distribution: str = "ShardedByS3Key",
) -> Path:
    """Write the folder of one host; a channel without content has no folder, as on a host that got no shard of it."""
    for name in (contract.HYPERPARAMETERS, contract.MODEL, contract.FAILURE):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
    texts = {name: str(value) for name, value in hyperparameters.items()}
    (base / contract.HYPERPARAMETERS).write_text(json.dumps(texts))
    common = {"TrainingInputMode": "File", "RecordWrapperType": "None", "S3DistributionType": distribution}
    described = {name: dict(common) for name in channels}
    if content_type:
        for description in described.values():
            description["ContentType"] = content_type
    (base / contract.INPUT_DATA_CONFIG).write_text(json.dumps(described))
    (base / contract.RESOURCE_CONFIG).write_text(json.dumps({"current_host": host, "hosts": list(hosts)}))
    for name, content in channels.items():
        folder = base / contract.DATA / name
        if content:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "part").write_bytes(content)
    return base


def start(base: Path, rendezvous: Path | None = None, algorithm: str = "linear-learner") -> subprocess.Popen[str]:
    environment = {**os.environ, contract.BASE_DIR_VARIABLE: str(base)}
    if rendezvous is not None:
        environment[contract.RENDEZVOUS_VARIABLE] = str(rendezvous)
    command = [sys.executable, "-m", "lowcloud.runtime.training.train", algorithm]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait(base: Path, process: subprocess.Popen[str]) -> Ended:
    try:
        log, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return Ended(base, process.returncode, log)


def run(
    base: Path,
    hyperparameters: dict[str, object],
    algorithm: str = "linear-learner",
    content_type: str | None = None,
    **channels: bytes,
) -> Ended:
    return wait(
        base, start(write_job_folder(base, hyperparameters, channels, content_type=content_type), algorithm=algorithm)
    )


def run_hosts(
    folder: Path, hyperparameters: dict[str, object], shards: list[bytes], algorithm: str = "linear-learner"
) -> list[Ended]:
    """One job on as many hosts as there are shards."""
    hosts = tuple(f"algo-{i + 1}" for i in range(len(shards)))
    bases = [
        write_job_folder(folder / host, hyperparameters, {"train": shard}, hosts, host)
        for host, shard in zip(hosts, shards, strict=True)
    ]
    (folder / "meet").mkdir(exist_ok=True)
    processes = [start(base, folder / "meet", algorithm) for base in bases]
    return [wait(base, process) for base, process in zip(bases, processes, strict=True)]
