"""Command-line clients that sync files with buckets: aws, s3cmd, rclone and s5cmd."""

import os
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.programs.shell import content, installed, keys

MIB = 1 << 20
AN_HOUR_AGO = time.time() - 3600


@pytest.fixture
def folder(shell) -> Path:
    """A folder with difficult cases: a file of several parts, an empty one, unusual names, nested folders."""
    up = shell.folder / "up"
    (up / "deep" / "er").mkdir(parents=True)
    (up / "large.bin").write_bytes(os.urandom(11 * MIB + 3))
    (up / "empty").write_bytes(b"")
    (up / "plain.txt").write_text("hello")
    (up / "deep" / "a b+ä&c=(1).txt").write_text("an odd name")
    (up / "deep" / "er" / "100%.csv").write_text("1,2,3\n")
    for path in up.rglob("*"):
        os.utime(path, (AN_HOUR_AGO, AN_HOUR_AGO))  # tools compare it with the time of the upload, in seconds
    return up


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(folder: Path) -> None:
    """Add, remove and change one file each."""
    (folder / "added.txt").write_text("added")
    (folder / "plain.txt").unlink()
    (folder / "empty").write_text("no longer")


def test_aws_syncs_a_folder_there_and_back(aws, shell, s3, folder):
    there = f"s3://{shell.bucket}/data"
    aws("s3", "sync", "up", there)
    assert keys(s3, shell.bucket) == sorted(f"data/{name}" for name in files(folder))
    assert aws("s3", "sync", "up", there) == "", "what is there is not sent again"
    change(folder)
    assert aws("s3", "sync", "--delete", "up", there).count("\n") == 3
    aws("s3", "cp", "--recursive", "--quiet", there, "down")
    assert files(shell.folder / "down") == files(folder)
    (shell.folder / "down" / "stray").write_text("to be removed")
    aws("s3", "sync", "--delete", "--quiet", there, "down")
    assert files(shell.folder / "down") == files(folder)


def test_aws_copies_moves_and_removes(aws, shell, s3, folder):
    bucket = f"s3://{shell.bucket}"
    large = (folder / "large.bin").read_bytes()
    aws("s3", "cp", "-", f"{bucket}/stdin", stdin=large)
    aws("s3", "cp", f"{bucket}/stdin", f"{bucket}/copy")
    assert content(s3, shell.bucket, "copy") == content(s3, shell.bucket, "stdin") == large
    aws("s3", "cp", "up/plain.txt", f"{bucket}/plain", "--content-type", "x/raw", "--metadata", "origin=sensor-7")
    aws("s3", "mv", f"{bucket}/plain", f"{bucket}/deep/moved")
    moved = s3.head_object(Bucket=shell.bucket, Key="deep/moved")
    assert (moved["ContentType"], moved["Metadata"]) == ("x/raw", {"origin": "sensor-7"})
    aws("s3", "cp", "--recursive", "--exclude", "*", "--include", "deep/*", "up", f"{bucket}/some")
    assert aws("s3", "ls", f"{bucket}/").split()[:4] == ["PRE", "deep/", "PRE", "some/"]
    aws("s3", "rm", "--recursive", f"{bucket}/some")
    assert keys(s3, shell.bucket) == ["copy", "deep/moved", "stdin"]
    with urlopen(aws("s3", "presign", f"{bucket}/deep/moved", "--expires-in", "60").strip()) as answer:
        assert answer.read() == b"hello"
    aws("s3", "rb", "--force", bucket)
    assert shell.bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]


def test_s3cmd_puts_syncs_lists_and_deletes(s3cmd, shell, s3, folder):
    own = f"s3://{shell.bucket}-own"
    s3cmd("mb", own)
    s3cmd("put", "--recursive", "up/", f"{own}/data/")
    assert keys(s3, f"{shell.bucket}-own") == sorted(f"data/{name}" for name in files(folder))
    assert s3.head_object(Bucket=f"{shell.bucket}-own", Key="data/large.bin", PartNumber=1)["PartsCount"] == 3
    assert s3cmd("sync", "up/", f"{own}/data/") == "", "what is there is not sent again"
    change(folder)
    s3cmd("sync", "--delete-removed", "up/", f"{own}/data/")
    (shell.folder / "down").mkdir()
    s3cmd("sync", f"{own}/data/", "down/")
    assert files(shell.folder / "down") == files(folder)

    s3cmd("put", "-", f"{own}/stdin", stdin=b"piped")
    s3cmd("cp", f"{own}/stdin", f"{own}/copied")
    s3cmd("mv", f"{own}/copied", f"{own}/moved")
    s3cmd("modify", "--add-header=x-amz-meta-origin: sensor-7", f"{own}/moved")
    assert s3.head_object(Bucket=f"{shell.bucket}-own", Key="moved")["Metadata"]["origin"] == "sensor-7"
    assert s3cmd("get", f"{own}/moved", "-") == "piped"
    assert "x-amz-meta-origin: sensor-7" in s3cmd("info", f"{own}/moved")
    assert s3cmd("du", own).split()[1] == str(len(files(folder)) + 2)
    assert [line.split()[-1] for line in s3cmd("ls", f"{own}/").splitlines()] == [
        f"{own}/data/",
        f"{own}/moved",
        f"{own}/stdin",
    ]
    s3cmd("del", f"{own}/moved")
    s3cmd("del", "--recursive", "--force", own)
    s3cmd("rb", own)
    assert f"{own}\n" not in s3cmd("ls")


def test_s3cmd_lists_and_aborts_a_multipart_upload(s3cmd, shell, s3):
    upload = s3.create_multipart_upload(Bucket=shell.bucket, Key="k ä")["UploadId"]
    s3.upload_part(Bucket=shell.bucket, Key="k ä", UploadId=upload, PartNumber=1, Body=b"x" * 7)
    assert upload in s3cmd("multipart", f"s3://{shell.bucket}")
    assert s3cmd("listmp", f"s3://{shell.bucket}/k ä", upload).splitlines()[-1].split()[1:2] == ["1"]
    s3cmd("abortmp", f"s3://{shell.bucket}/k ä", upload)
    assert s3.list_multipart_uploads(Bucket=shell.bucket).get("Uploads", []) == []


def test_rclone_copies_syncs_and_checks(rclone, shell, s3, folder):
    there = f"cloud:{shell.bucket}/data"
    rclone("copy", "up", there)
    assert keys(s3, shell.bucket) == sorted(f"data/{name}" for name in files(folder))
    rclone("check", "up", there)
    rclone("check", "--download", "up", there)
    assert set(rclone("lsf", "-R", "--files-only", there).splitlines()) == set(files(folder))
    assert rclone("cat", f"{there}/deep/er/100%.csv") == "1,2,3\n"
    large = (folder / "large.bin").read_bytes()
    rclone("rcat", f"cloud:{shell.bucket}/piped", stdin=large)
    assert content(s3, shell.bucket, "piped") == large
    change(folder)
    rclone("sync", "up", there)
    rclone("check", "up", there)
    rclone("moveto", f"cloud:{shell.bucket}/piped", f"cloud:{shell.bucket}/moved ä")
    assert content(s3, shell.bucket, "moved ä") == large
    with urlopen(rclone("link", "--expire", "1m", f"cloud:{shell.bucket}/moved ä").strip()) as answer:
        assert answer.read() == large
    rclone("copy", there, "down")
    assert files(shell.folder / "down") == files(folder)
    times = {path.name: path.stat().st_mtime for path in (shell.folder / "down").iterdir() if path.is_file()}
    assert times == {path.name: pytest.approx(path.stat().st_mtime) for path in folder.iterdir() if path.is_file()}


def test_rclone_creates_and_purges_a_bucket(rclone, shell, s3, folder):
    own = f"cloud:{shell.bucket}-own"
    rclone("mkdir", own)
    rclone("copy", "up", own)
    assert shell.bucket in rclone("lsd", "cloud:")
    rclone("delete", f"{own}/deep")
    assert set(keys(s3, f"{shell.bucket}-own")) == {"empty", "large.bin", "plain.txt"}
    rclone("purge", own)
    assert f"{shell.bucket}-own" not in rclone("lsd", "cloud:")


def test_s5cmd_copies_syncs_and_removes(shell, s3, folder):
    tool = installed("s5cmd")
    endpoint = {"S3_ENDPOINT_URL": shell.environment["AWS_ENDPOINT_URL"]}

    def s5cmd(*command: str, **more: Any) -> str:
        return shell.run(tool, *command, **endpoint, **more)

    there = f"s3://{shell.bucket}"
    s5cmd("cp", "--part-size", "5", "up/", f"{there}/data/")
    assert keys(s3, shell.bucket) == sorted(f"data/{name}" for name in files(folder))
    assert s3.head_object(Bucket=shell.bucket, Key="data/large.bin", PartNumber=1)["PartsCount"] == 3
    change(folder)
    s5cmd("sync", "--delete", "up/", f"{there}/data/")
    s5cmd("cp", f"{there}/data/*", "down/")
    assert files(shell.folder / "down") == files(folder)
    s5cmd("pipe", f"{there}/piped", stdin=b"piped")
    s5cmd("mv", f"{there}/piped", f"{there}/moved")
    assert s5cmd("cat", f"{there}/moved") == "piped"
    with urlopen(s5cmd("presign", f"{there}/moved").strip()) as answer:
        assert answer.read() == b"piped"
    s5cmd("rm", f"{there}/*")
    s5cmd("rb", there)
    assert there not in s5cmd("ls")
