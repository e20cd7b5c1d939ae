"""Fixtures of the journeys: a bucket of one's own, and a shell in which every client finds this cloud."""

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
from tests.support.data.tables import csv_of
from tests.support.programs.shell import JOURNEYS, Shell, installed
from tests.support.servers.server import Server

AWS = str(Path(sys.executable).parent / "aws")
Tool = Callable[..., str]


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    """A client of root, to see what the clients under test have done."""
    return server.client("s3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: the programs, and their data."""
    made = tmp_path / "work"
    shutil.copytree(JOURNEYS / "programs", made)
    patients = load_breast_cancer()
    (made / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    return made


@pytest.fixture
def bucket(s3: Any) -> str:
    """An empty bucket of this test's own."""
    name = f"sagemaker-journey-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def client_variables(server: Server) -> Mapping[str, str]:
    """The variables that `lowcloud run` gives a program."""
    return aws_clients.client_environment_of(settings.load(server.home, os.environ), server.url, os.environ)


@pytest.fixture
def shell(client_variables: Mapping[str, str], tmp_path: Path, bucket: str) -> Shell:
    """A user's shell."""
    return Shell(tmp_path, client_variables, bucket)


@pytest.fixture
def node(shell: Shell) -> Callable[[str], str]:
    """Runs one of the programs in `node/` with the bucket as its argument."""
    if not (JOURNEYS / "node" / "node_modules").exists():
        pytest.skip("the packages of node are missing; run scripts/install --tests")
    return lambda program: shell.run(installed("node"), str(JOURNEYS / "node" / program), shell.bucket)


@pytest.fixture(scope="module")
def session(client_variables: Mapping[str, str]) -> boto3.Session:
    """A program's session."""
    return boto3.Session(
        client_variables["AWS_ACCESS_KEY_ID"],
        client_variables["AWS_SECRET_ACCESS_KEY"],
        client_variables["AWS_SESSION_TOKEN"],
        client_variables["AWS_REGION"],
    )


@pytest.fixture(scope="module")
def boto(session: boto3.Session, client_variables: Mapping[str, str]) -> Any:
    """A client as a program has it: retries, validation, checksums and all."""
    return session.client(
        "s3", endpoint_url=client_variables["AWS_ENDPOINT_URL"], config=Config(signature_version="s3v4")
    )


@pytest.fixture
def aws(shell: Shell) -> Tool:
    """The aws command line, which goes by parts from 6 MB on."""
    (shell.folder / "config").write_text(
        "[default]\ns3 =\n  signature_version = s3v4\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n"
    )
    return lambda *command, **more: shell.run(AWS, *command, AWS_CONFIG_FILE=str(shell.folder / "config"), **more)


@pytest.fixture
def s3cmd(shell: Shell) -> Tool:
    """s3cmd with the configuration that a Lowcloud needs."""
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
