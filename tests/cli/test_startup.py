"""What commands load before they do anything: those that a person types often must answer at once."""

import os
import subprocess
import sys

import pytest

from tests.support.servers.server import Server

HEAVY = {"alembic", "boto3", "botocore", "cryptography", "numpy", "polars", "sqlalchemy", "uvicorn"}


@pytest.mark.parametrize(
    "command", ["--help", "status", "jobs", "endpoints", "models", "logs nothing", "describe nothing"]
)
def test_a_command_that_only_looks_loads_neither_botocore_nor_numpy(server: Server, command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lowcloud.cli", *command.split()],
        env={**os.environ, "LOWCLOUD_HOME": str(server.home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded, done.stderr
    assert not loaded & HEAVY
