"""The shell of a user whose clients are configured by `lowcloud run`, and where those clients are installed."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

JOURNEYS = Path(__file__).parents[2] / "journeys"
ENVIRONMENT = JOURNEYS.parents[1] / ".venv-sagemaker-3"  # the clients are installed next to that SDK
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Shell:
    """A folder, the variables that `lowcloud run` sets, and an empty bucket to work in."""

    folder: Path
    environment: Mapping[str, str]
    bucket: str

    def run(self, *command: str, stdin: bytes | None = None, check: bool = True, **variables: str) -> str:
        """Run a command to its end and return what it printed: both streams together where it may fail."""
        return self._run(command, variables, stdin, check)

    def python(self, program: str, **variables: str) -> str:
        """Run one of the `programs` with the bucket as its argument and return what it printed."""
        path = str(JOURNEYS / "programs" / program)
        return self._run((installed("python"), "-W", "error::ResourceWarning", path, self.bucket), variables)

    def _run(
        self, command: Sequence[str], variables: Mapping[str, str], stdin: bytes | None = None, check: bool = True
    ) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, (done.stdout[-4000:] + done.stderr[-8000:]).decode(errors="replace")
        return (done.stdout if check else done.stdout + done.stderr).decode()


def installed(tool: str) -> str:
    """Return the path of a program in the environment of clients; the test is skipped where it is not installed."""
    found = ENVIRONMENT / "bin" / tool
    if not found.exists():
        pytest.skip(f"{tool} is not in {ENVIRONMENT.name}; run scripts/install --tests")
    return str(found)


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """Return the keys of a bucket, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def content(s3: Any, bucket: str, key: str) -> bytes:
    """Return the bytes of an object."""
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
