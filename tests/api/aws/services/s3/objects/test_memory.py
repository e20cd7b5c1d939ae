"""Memory of the server while large objects are transferred."""

import os
import re
import sys
from pathlib import Path

import pytest

from lowcloud.home import server_process
from tests.support.servers.server import Server

MIB = 1024**2
SIZE = 300 * MIB
ALLOWANCE = 60 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_300_megabytes_stream_through_constant_memory(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as large:
        large.write(os.urandom(MIB))
        large.truncate(SIZE)
    cloud = Server(tmp_path / "home")
    cloud.up()
    try:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="shelf")
        s3.put_object(Bucket="shelf", Key="small", Body=b"x" * 2 * MIB)
        s3.get_object(Bucket="shelf", Key="small")["Body"].read()
        before = peak_memory(cloud)
        with file.open("rb") as body:
            s3.put_object(Bucket="shelf", Key="large", Body=body)
        received = sum(len(chunk) for chunk in s3.get_object(Bucket="shelf", Key="large")["Body"].iter_chunks(MIB))
        assert received == SIZE
        assert peak_memory(cloud) - before < ALLOWANCE
    finally:
        cloud.down()


def peak_memory(cloud: Server) -> int:
    running = server_process.find_running(cloud.home)
    assert running is not None
    status = Path(f"/proc/{running.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
