"""The clients that the journeys run: where they are installed, and a shell in which they use the running cloud."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

JOURNEYS = Path(__file__).parent
ENVIRONMENT = JOURNEYS.parents[1] / ".venv-clients"
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Shell:
    """A folder, the environment of `lowcloud run`, and a bucket."""

    folder: Path
    environment: Mapping[str, str]
    bucket: str

    def run(self, *command: str, stdin: bytes | None = None, check: bool = True, **variables: str) -> str:
        """Run a command and return its output; with stderr if it may fail."""
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

    def python(self, program: str, **variables: str) -> str:
        """Run one of `programs/` with the bucket as its argument, and return its output."""
        return self.run(
            installed("python"),
            "-W",
            "error::ResourceWarning",
            str(JOURNEYS / "programs" / program),
            self.bucket,
            **variables,
        )


def installed(tool: str) -> str:
    """Return the path of a client. The test is skipped if the environment of the clients is not installed."""
    found = ENVIRONMENT / "bin" / tool
    if not found.exists():
        pytest.skip(f"{tool} is not in {ENVIRONMENT.name}; run scripts/install --tests")
    return str(found)


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """Return the keys of a bucket, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def content(s3: Any, bucket: str, key: str) -> bytes:
    """Return the content of an object."""
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
