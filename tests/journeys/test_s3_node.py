"""The AWS SDK for JavaScript, with the streamed uploads of lib-storage."""

import shutil

import pytest

from tests.journeys.clients import JOURNEYS, content, keys

NODE = JOURNEYS / "node"
OLDEST_NODE = 20  # of the packages in package-lock.json


@pytest.fixture
def node(shell):
    if shutil.which("node") is None or not (NODE / "node_modules").exists():
        pytest.skip("node or its packages are missing; run scripts/install --tests")
    version = shell.run("node", "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the SDK for JavaScript needs node {OLDEST_NODE}, here is {version}")
    return lambda program: shell.run("node", str(NODE / program), shell.bucket)


def test_streams_go_up_in_parts_and_come_down_the_same(node, shell, s3):
    node("client.mjs")
    assert keys(s3, shell.bucket) == ["copied", "large.bin", "link ä", "streamed.bin"]
    assert content(s3, shell.bucket, "large.bin") == content(s3, shell.bucket, "streamed.bin")
    assert s3.head_object(Bucket=shell.bucket, Key="large.bin", PartNumber=1)["PartsCount"] == 3
    assert s3.list_multipart_uploads(Bucket=shell.bucket).get("Uploads", []) == []
