"""Fixtures of the journeys: a bucket, and a shell in which every client uses the running cloud."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from sklearn.datasets import load_breast_cancer

from lowcloud.client import aws_clients
from lowcloud.home import settings
from tests.journeys.clients import JOURNEYS, Shell, installed
from tests.running import RunningCloud, csv_of

AWS = str(Path(sys.executable).parent / "aws")
Tool = Callable[..., str]
OLDEST_NODE = 20  # required by the packages in node/package-lock.json


@pytest.fixture(scope="module")
def s3(running_cloud: RunningCloud) -> Any:
    """A client with the root key, to check what the tested clients have done."""
    return running_cloud.client("s3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the programs and their data."""
    made = tmp_path / "work"
    shutil.copytree(JOURNEYS / "programs", made)
    patients = load_breast_cancer()
    (made / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    return made


@pytest.fixture
def bucket(s3: Any) -> str:
    """An empty bucket for this test."""
    name = f"journey-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def client_variables(running_cloud: RunningCloud) -> Mapping[str, str]:
    """The environment of `lowcloud run`."""
    return aws_clients.client_environment_of(
        settings.load(running_cloud.home, os.environ), running_cloud.endpoint, os.environ
    )


@pytest.fixture
def shell(client_variables: Mapping[str, str], tmp_path: Path, bucket: str) -> Shell:
    """A shell of a user."""
    return Shell(tmp_path, client_variables, bucket)


@pytest.fixture
def node(shell: Shell) -> Callable[[str], str]:
    """Runs one of the programs in `node/` with the bucket as its argument."""
    if shutil.which("node") is None or not (JOURNEYS / "node" / "node_modules").exists():
        pytest.skip("node or its packages are missing; run scripts/install --tests")
    version = shell.run("node", "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the SDK for JavaScript needs node {OLDEST_NODE}, here is {version}")
    return lambda program: shell.run("node", str(JOURNEYS / "node" / program), shell.bucket)


@pytest.fixture(scope="module")
def session(client_variables: Mapping[str, str]) -> boto3.Session:
    """A boto3 session of a program."""
    return boto3.Session(
        client_variables["AWS_ACCESS_KEY_ID"],
        client_variables["AWS_SECRET_ACCESS_KEY"],
        client_variables["AWS_SESSION_TOKEN"],
        client_variables["AWS_REGION"],
    )


@pytest.fixture(scope="module")
def boto(session: boto3.Session, client_variables: Mapping[str, str]) -> Any:
    """A boto3 client with default settings: retries, validation, checksums."""
    return session.client(
        "s3", endpoint_url=client_variables["AWS_ENDPOINT_URL"], config=Config(signature_version="s3v4")
    )


@pytest.fixture
def aws(shell: Shell) -> Tool:
    """The aws CLI, which uses multipart uploads from 6 MB."""
    (shell.folder / "config").write_text(
        "[default]\ns3 =\n  signature_version = s3v4\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n"
    )
    return lambda *command, **more: shell.run(AWS, *command, AWS_CONFIG_FILE=str(shell.folder / "config"), **more)


@pytest.fixture
def s3cmd(shell: Shell) -> Tool:
    """s3cmd, configured for Lowcloud."""
    host = shell.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    options = {"host_base": host, "host_bucket": host, "use_https": "False", "multipart_chunk_size_mb": "5"}
    lines = ["[default]", *(f"{name} = {value}" for name, value in options.items())]
    (shell.folder / "s3cfg").write_text("\n".join(lines))
    tool = installed("s3cmd")
    return lambda *command, **more: shell.run(tool, "--config=s3cfg", "--no-progress", *command, **more)


@pytest.fixture
def rclone(shell: Shell) -> Tool:
    """rclone with a remote "cloud:"."""
    tool = installed("rclone")
    remote = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_CLOUD_TYPE": "s3",
        "RCLONE_CONFIG_CLOUD_PROVIDER": "Other",
        "RCLONE_CONFIG_CLOUD_ENV_AUTH": "true",
        "RCLONE_CONFIG_CLOUD_ENDPOINT": shell.environment["AWS_ENDPOINT_URL"],
        "RCLONE_CONFIG_CLOUD_REGION": "us-east-1",
        "RCLONE_S3_UPLOAD_CUTOFF": "5Mi",
        "RCLONE_S3_CHUNK_SIZE": "5Mi",
        "RCLONE_S3_COPY_CUTOFF": "5Mi",
        "RCLONE_RETRIES": "1",
    }
    return lambda *command, **more: shell.run(tool, *command, **{**remote, **more})
