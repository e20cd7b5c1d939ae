"""Fixtures of the journeys: a bucket of one's own, and a shell in which every client finds this cloud."""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lowcloud import client, settings
from tests.journeys.clients import JOURNEYS, Shell
from tests.running import RunningCloud

OLDEST_NODE = 20  # of the packages in node/package-lock.json


@pytest.fixture
def s3(running_cloud: RunningCloud) -> Any:
    """A client of root, to see what the clients under test have done."""
    return running_cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    """An empty bucket of this test's own."""
    name = f"journey-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def wiring(running_cloud: RunningCloud) -> Mapping[str, str]:
    """The variables that `lowcloud run` gives a program."""
    return client.environment(settings.load(running_cloud.home, os.environ), running_cloud.endpoint, os.environ)


@pytest.fixture
def shell(wiring: Mapping[str, str], tmp_path: Path, bucket: str) -> Shell:
    """A user's shell."""
    return Shell(tmp_path, wiring, bucket)


@pytest.fixture
def node(shell: Shell) -> Callable[[str], str]:
    """Runs one of the programs in `node/` with the bucket as its argument."""
    if shutil.which("node") is None or not (JOURNEYS / "node" / "node_modules").exists():
        pytest.skip("node or its packages are missing; run scripts/install --tests")
    version = shell.run("node", "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the SDK for JavaScript needs node {OLDEST_NODE}, here is {version}")
    return lambda program: shell.run("node", str(JOURNEYS / "node" / program), shell.bucket)
