"""Listings of several pages by every client, each with its own paging, delimiters and decoding."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.programs.shell import keys

FOLDERS = 1_100  # more than one page
NAMES = [*(f"{number:04}/ä+{number % 3} &.txt" for number in range(FOLDERS)), "plain", "with space", "x%y"]


@pytest.fixture
def full(s3: Any, bucket: str) -> str:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: s3.put_object(Bucket=bucket, Key=name, Body=b"x"), NAMES))
    return bucket


def test_every_client_lists_the_same_keys(full, aws, s3cmd, rclone, node: Callable[[str], str], shell, s3):
    assert keys(s3, full) == sorted(NAMES, key=str.encode)
    top = {*(f"{number:04}/" for number in range(FOLDERS)), "plain", "with space", "x%y"}
    assert {line[31:] for line in aws("s3", "ls", "--recursive", f"s3://{full}").splitlines()} == set(NAMES)
    assert {line[31:] for line in aws("s3", "ls", f"s3://{full}").splitlines()} == top
    prefix = f"s3://{full}/"
    listed = [line.partition(prefix)[2] for line in s3cmd("ls", "--recursive", prefix).splitlines()]
    assert sorted(listed) == sorted(NAMES)
    assert {line.partition(prefix)[2] for line in s3cmd("ls", prefix).splitlines()} == top
    assert set(rclone("lsf", "--files-only", "-R", f"cloud:{full}").splitlines()) == set(NAMES)
    assert set(rclone("lsf", f"cloud:{full}").splitlines()) == top
    by_program = json.loads(shell.python("listings.py"))
    assert set(by_program) == {"s3fs", "pyarrow", "obstore", "minio"}
    for client, found in by_program.items():
        assert found == {"all": sorted(NAMES), "top": sorted(name.rstrip("/") for name in top)}, client
    assert sorted(json.loads(node("listing.mjs"))) == sorted(NAMES)
    rclone("delete", f"cloud:{full}", "--include", "0[0-4]*/**")
    aws("s3", "rm", "--recursive", "--quiet", f"s3://{full}")
    assert keys(s3, full) == []
