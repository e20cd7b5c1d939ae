"""Runs users' programs with an SDK by `lowcloud run`, and reads the results that they print."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.clients import JOURNEYS
from tests.running import RunningCloud

ROOT = JOURNEYS.parents[1]


def environment(name: str) -> Path:
    """Return a virtual environment of the tests. The test is skipped if it is not installed."""
    folder = ROOT / f".venv-{name}"
    if not (folder / "bin" / "python").exists():
        pytest.skip(f"{folder.name} is not installed; run scripts/install --tests")
    return folder


def python(version: str) -> str:
    """Return the interpreter of an SDK's environment: "" for 2.x, "-1" and "-3" for the others."""
    return str(environment(f"sagemaker{version}") / "bin" / "python")


def run(cloud: RunningCloud, folder: Path, interpreter: str, program: str, *arguments: str) -> str:
    """Run a program in the user's folder, and return its output."""
    # A user's real AWS credentials, which must not be used and must not interfere.
    keys = {"AWS_ACCESS_KEY_ID": "AKIAREALKEY000000000", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "production"}
    done = cloud.cli("run", interpreter, "-W", "ignore", program, *arguments, cwd=folder, check=False, **keys)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def journey(printed: str) -> dict[str, Any]:
    """Return the results that a program prints at its end."""
    found: dict[str, Any] = json.loads(printed.rsplit("JOURNEY ", 1)[1])
    return found
