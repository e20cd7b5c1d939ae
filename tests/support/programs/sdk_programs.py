"""Programs of users, run with an SDK by `lowcloud run`, and what they print about themselves at their end."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.shell import JOURNEYS
from tests.support.servers.server import Server

ROOT = JOURNEYS.parents[1]


def environment(name: str) -> Path:
    """A virtual environment of the tests; the test is skipped where it is not there."""
    folder = ROOT / f".venv-{name}"
    if not (folder / "bin" / "python").exists():
        pytest.skip(f"{folder.name} is not installed; run scripts/install --tests")
    return folder


def python(version: str) -> str:
    """The interpreter of an SDK's environment: "" is that of 2.x, "-1" and "-3" are those of the others."""
    return str(environment(f"sagemaker{version}") / "bin" / "python")


def run(cloud: Server, folder: Path, interpreter: str, program: str, *arguments: str) -> str:
    """Run a program of the user's folder; what it printed."""
    # A user's own keys, which must neither be used nor interfere.
    keys = {"AWS_ACCESS_KEY_ID": "AKIAREALKEY000000000", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "production"}
    done = cloud.cli("run", interpreter, "-W", "ignore", program, *arguments, cwd=folder, check=False, **keys)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def journey(printed: str) -> dict[str, Any]:
    """Return what a program prints about itself at its end."""
    found: dict[str, Any] = json.loads(printed.rsplit("JOURNEY ", 1)[1])
    return found
