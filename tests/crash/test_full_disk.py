"""A disk that fills up: clear errors, nothing acknowledged is lost, and no restart is needed to recover."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lowcloud.home import server_process
from tests.support.data.patients import BUCKET, request, with_training_data
from tests.support.faults import small_disk
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

DISK_MEGABYTES = 16

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(home)], check=True)
    made = Server(home)
    made.up()
    yield with_training_data(made)
    made.cli("down")
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_writes_on_a_full_disk_are_refused_and_existing_data_stays(cloud):
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    kept = s3.get_object(Bucket=BUCKET, Key="good/train.csv")["Body"].read()
    ballast = cloud.home / "data" / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(65536))
    for call in (
        lambda: s3.put_object(Bucket=BUCKET, Key="too-much", Body=bytes(1_000_000)),
        lambda: [sagemaker.create_training_job(**request(cloud)) for _ in range(50)],
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (503, 507)
        assert "disk is full" in caught.value.response["Error"]["Message"]
    assert s3.get_object(Bucket=BUCKET, Key="good/train.csv")["Body"].read() == kept
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=BUCKET, Key="too-much")

    ballast.unlink()
    requested = request(cloud)
    sagemaker.create_training_job(**requested)
    name = requested["TrainingJobName"]
    ended = lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]  # noqa: E731
    wait_for(lambda: ended() == "Completed")
    assert s3.put_object(Bucket=BUCKET, Key="too-much", Body=bytes(1_000_000))["ETag"]


def test_clients_of_several_processes_empty_a_full_disk(tmp_path):
    home = tmp_path / "home"
    with small_disk(home, DISK_MEGABYTES):
        cloud = Server(home)
        cloud.cli("up", "--detach", "--port", "0", "--workers", "2")
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="shelf")
        reserve = home / "data" / "reserve"
        wait_for(lambda: reserve.exists() and reserve.stat().st_size > 0)
        keys = []
        for size in (200_000, 10_000, 1):
            with pytest.raises(ClientError, match="InsufficientStorage"):
                while True:
                    s3.put_object(Bucket="shelf", Key=f"{size}/{len(keys)}", Body=os.urandom(size))
                    keys.append(f"{size}/{len(keys)}")
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda key: s3.delete_object(Bucket="shelf", Key=key), keys))
        assert "Contents" not in s3.list_objects_v2(Bucket="shelf")
        for number in range(20):
            s3.put_object(Bucket="shelf", Key=str(number), Body=os.urandom(200_000))
        assert s3.list_objects_v2(Bucket="shelf")["KeyCount"] == 20
        assert reserve.stat().st_size > 0
        cloud.cli("down")


def test_a_server_starts_on_a_full_disk_says_what_to_do_replaces_workers_and_recovers(tmp_path):
    home = tmp_path / "home"
    with small_disk(home, DISK_MEGABYTES):
        cloud = Server(home)
        cloud.up("--workers", "2")
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="shelf")
        s3.put_object(Bucket="shelf", Key="kept", Body=b"kept")
        reserve = home / "data" / "reserve"
        wait_for(lambda: reserve.exists() and reserve.stat().st_size > 0)
        cloud.down()
        ballast = home / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))

        said = cloud.cli("up", "--detach", "--port", "0", "--workers", "2").stdout
        assert "Not ready      The disk is full" in said
        assert "Free some space on the disk" in said
        wait_for(lambda: reserve.stat().st_size > 0)  # each worker borrows the reserve for its start
        running = server_process.find_running(home)
        assert running is not None
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        workers = wait_for(lambda: len(found := children.read_text().split()) == 2 and found)
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)

        def reads() -> bool:
            try:
                return cloud.client("s3").get_object(Bucket="shelf", Key="kept")["Body"].read() == b"kept"
            except (BotoCoreError, AssertionError):  # the workers are being replaced
                return False

        wait_for(lambda: len(found := children.read_text().split()) == 2 and not set(found) & set(workers))
        wait_for(reads)
        ballast.unlink()
        with_training_data(cloud)
        requested = request(cloud)
        cloud.client("sagemaker").create_training_job(**requested)
        describe = cloud.client("sagemaker").describe_training_job
        name = requested["TrainingJobName"]
        wait_for(lambda: describe(TrainingJobName=name)["TrainingJobStatus"] == "Completed")
        assert "Not ready" not in cloud.cli("status").stdout
        cloud.down()
