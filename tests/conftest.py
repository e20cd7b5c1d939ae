"""Fixtures: a cloud in a temporary home, and a live server on a free port of the loopback."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
import uvicorn
from botocore.config import Config

from lowcloud import settings
from lowcloud.aws.gateway import Gateway
from lowcloud.aws.operations import OPERATIONS
from lowcloud.core import roles
from lowcloud.core.cloud import Cloud
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from lowcloud.store.files import Files
from tests.running import RunningCloud

STARTUP_SECONDS = 20
ACCOUNT = "123456789012"
ENVIRONMENT = {
    "LOWCLOUD_ACCOUNT_ID": ACCOUNT,
    "LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIATESTROOTKEY00000",
    "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "a-secret-for-tests-only",
}


@dataclass(frozen=True)
class Server:
    """A live server: where it is, its cloud, and clients for it."""

    url: str
    port: int
    cloud: Cloud

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client signed by root; options override."""
        key = self.cloud.settings.root_key
        config = {"retries": {"max_attempts": 1}, **options.pop("config", {})}
        return boto3.client(
            service,  # type: ignore[call-overload]
            **{
                "endpoint_url": self.url,
                "region_name": "us-east-1",
                "aws_access_key_id": key.access_key_id,
                "aws_secret_access_key": key.secret_access_key,
                "config": Config(**config),
                **options,
            },
        )

    @property
    def environment(self) -> dict[str, str]:
        """For programs that read their AWS configuration from the environment."""
        key = self.cloud.settings.root_key
        return {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def make_cloud(home: Path) -> Cloud:
    """A cloud with a database and keys in a home; it has no engine."""
    chosen = settings.load(home, ENVIRONMENT)
    cloud = Cloud(
        settings=chosen,
        database=Database(chosen.database_url),
        keys=KeyRing(chosen.encryption_key),
        files=Files(chosen.data / "objects", KeyRing(chosen.encryption_key)),
        engine=cast(Any, None),
    )
    roles.ensure(cloud, "LowcloudExecutionRole")
    return cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = make_cloud(tmp_path / "home")
    yield made
    made.database.close()


@pytest.fixture
def gateway(cloud: Cloud) -> Iterator[Gateway]:
    made = Gateway(cloud)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module."""
    cloud = make_cloud(tmp_path_factory.mktemp("server") / "home")
    with serving(Gateway(cloud, OPERATIONS)) as port:
        yield Server(f"http://127.0.0.1:{port}", port, cloud)
    cloud.database.close()


class serving:  # noqa: N801 (used as a function)
    """Serve an ASGI application on a free port for the length of a with block."""

    def __init__(self, app: Callable[..., Any]):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_exception: object) -> None:
        self._server.should_exit = True
        self._thread.join(STARTUP_SECONDS)


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """One whole cloud, started by the command line, for all tests that need jobs and endpoints."""
    cloud = RunningCloud(tmp_path_factory.mktemp("cloud") / "home")
    cloud.up()
    yield cloud
    cloud.down()
