"""Fixtures: a cloud in a temporary home, and a live server on a free port of the loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
import uvicorn
from botocore.config import Config

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from lowcloud.home import settings
from lowcloud.server.server import open_context
from tests.postgres import PostgresServer, start_server
from tests.running import RunningCloud

# The machines that run these tests are busy: a slow example is no fault.
hypothesis.settings.register_profile("lowcloud", deadline=None)
hypothesis.settings.load_profile("lowcloud")

STARTUP_SECONDS = 20
ROOMS_ON_EACH_DATABASE = {"store", "core", "contracts"}
ACCOUNT = "123456789012"
ROOT_KEY = "AKIATESTROOTKEY00000"
ROOT_SECRET = "a-secret-for-tests-only"
ENVIRONMENT = {
    "LOWCLOUD_ACCOUNT_ID": ACCOUNT,
    "LOWCLOUD_ROOT_ACCESS_KEY_ID": ROOT_KEY,
    "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET,
}


@dataclass(frozen=True)
class Server:
    """A live server and clients for it."""

    url: str

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client signed by root that leaves all checks to the server; options override."""
        config = Config(
            **{"retries": {"total_max_attempts": 1}, "parameter_validation": False, **options.pop("config", {})}
        )
        defaults = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": ROOT_KEY,
            "aws_secret_access_key": ROOT_SECRET,
            "config": config,
        }
        return boto3.client(service, **{**defaults, **options})

    @property
    def environment(self) -> dict[str, str]:
        """For programs that read their AWS configuration from the environment."""
        return {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # what version 1 of the aws CLI reads
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def make_context(home: Path, database: str | None = None) -> Context:
    """The cloud of a new home; nothing carries its jobs forward."""
    chosen = settings.load(home, ENVIRONMENT, database=database)
    context = open_context(chosen)
    settings.save_account(chosen)  # as a server does, for commands whose environment does not say so
    return context


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "where the servers of fixtures keep their rows"
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help=what)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What rests on the database alone is tested on each: tests/store, tests/core and tests/contracts."""
    if "database" in metafunc.fixturenames:
        is_close = ROOMS_ON_EACH_DATABASE.intersection(metafunc.definition.path.parts)
        kinds = ["sqlite", "postgresql"] if is_close else [metafunc.config.getoption("--database")]
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for tests that leave it as it was."""
    made = start_server()
    yield made
    made.remove()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database, or None for a file of the home."""
    return request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else None


@pytest.fixture
def context(tmp_path: Path, database: str | None) -> Iterator[Context]:
    made = make_context(tmp_path / "home", database)
    yield made
    made.database.close()


@pytest.fixture
def gateway(context: Context) -> Iterator[Gateway]:
    made = Gateway(context)
    yield made
    made.close()


def options_of(request: pytest.FixtureRequest) -> list[str]:
    """What to tell `lowcloud up` of the database."""
    if request.config.getoption("--database") == "sqlite":
        return []
    return ["--database", request.getfixturevalue("postgres").new_database()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real server process on a free port, for the tests of a module."""
    home = tmp_path_factory.mktemp("server") / "home"
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--home", str(home), "--port", "0", *options_of(request)]
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
    try:
        yield Server(_wait_until_ready(home, process))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STARTUP_SECONDS)


@contextmanager
def serving(app: Callable[..., Any]) -> Iterator[Server]:
    """Serve an ASGI application of this process on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False, server_header=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_for(lambda: running.started)
    try:
        yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        running.should_exit = True
        thread.join(STARTUP_SECONDS)
        listener.close()


def wait_for(condition: Callable[[], Any], seconds: float = STARTUP_SECONDS) -> Any:
    """What the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return found


def _wait_until_ready(home: Path, process: subprocess.Popen[bytes]) -> str:
    def endpoint() -> str | None:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            return str(json.loads((home / "server.json").read_text())["endpoint"])
        except FileNotFoundError:
            return None

    return str(wait_for(endpoint))


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningCloud]:
    """One whole cloud, started by the command line, for all tests that need jobs and endpoints."""
    context = RunningCloud(tmp_path_factory.mktemp("cloud") / "home")
    context.up(*options_of(request))
    yield context
    context.down()
