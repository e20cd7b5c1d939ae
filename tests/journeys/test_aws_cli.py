"""The aws CLI under `lowcloud run`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.servers.server import Server

AWS = str(Path(sys.executable).parent / "aws")


@pytest.fixture
def aws(server: Server, tmp_path: Path) -> Any:
    def call(*arguments: str) -> Any:
        done = server.cli("run", AWS, *arguments, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    assert shutil.which(AWS)
    return call


def test_a_folder_is_uploaded_and_downloaded_unchanged(aws, tmp_path):
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "small.txt").write_text("hello")
    (tmp_path / "up" / "large.bin").write_bytes(bytes(range(256)) * 80_000)
    aws("s3", "mb", "s3://sagemaker-cli")
    aws("s3", "sync", "up", "s3://sagemaker-cli/folder")
    assert "folder/large.bin" in aws("s3", "ls", "--recursive", "s3://sagemaker-cli")
    aws("s3", "cp", "--recursive", "s3://sagemaker-cli/folder", "down")
    for name in ("small.txt", "large.bin"):
        assert (tmp_path / "down" / name).read_bytes() == (tmp_path / "up" / name).read_bytes()
    aws("s3", "rb", "--force", "s3://sagemaker-cli")
    assert "sagemaker-cli" not in aws("s3", "ls")


def test_a_presigned_url_works_without_credentials(aws, tmp_path):
    (tmp_path / "shared.txt").write_text("for anyone with the link")
    aws("s3", "mb", "s3://sagemaker-presign")
    aws("s3", "cp", "shared.txt", "s3://sagemaker-presign/a folder/shared.txt")
    url = aws("s3", "presign", "s3://sagemaker-presign/a folder/shared.txt").strip()
    with urlopen(url) as answer:
        assert answer.read() == b"for anyone with the link"
    with pytest.raises(HTTPError, match="403"):
        urlopen(url.replace("shared.txt", "other.txt"))
    aws("s3", "rb", "--force", "s3://sagemaker-presign")


def test_the_caller_identity_and_the_jobs(aws):
    assert ":assumed-role/LowcloudExecutionRole/" in aws("sts", "get-caller-identity")["Arn"]
    assert "TrainingJobSummaries" in aws("sagemaker", "list-training-jobs")
    roles = aws("iam", "list-roles")["Roles"]
    assert "LowcloudExecutionRole" in [role["RoleName"] for role in roles]
