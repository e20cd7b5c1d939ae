"""Disks that are full, read-only or failing: a clear refusal, reads go on, and writing recovers by itself."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError

from lowcloud import running as servers
from lowcloud.core import buckets, deletions, listings, objects, uploads
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import NO_CONDITIONS
from lowcloud.core.descriptions import Description
from lowcloud.core.errors import StorageFull
from tests.conftest import make_cloud
from tests.crash.faults import failing, needs_root, needs_strace, read_only, small_disk
from tests.running import RunningCloud

BUCKET = "shelf"
LARGE = 300_000  # bytes: lies in a file


@pytest.fixture
def small_cloud(tmp_path: Path) -> Iterator[Cloud]:
    with small_disk(tmp_path / "home", megabytes=12) as home:
        cloud = make_cloud(home)
        buckets.create(cloud, BUCKET)
        yield cloud
        cloud.database.close()


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    return ballast


def put_until_full(cloud: Cloud, name: str, size: int, kept: dict[str, bytes]) -> None:
    for number in range(100_000):
        content = os.urandom(size)
        try:
            objects.put(cloud, BUCKET, f"{name}/{number}", [content], Description({}, {"of": name}))
        except StorageFull:
            return
        kept[f"{name}/{number}"] = content
    raise AssertionError("the disk was to be full")


def check_all(cloud: Cloud, kept: dict[str, bytes]) -> None:
    """Exactly what was acknowledged is there, and the database is whole."""
    assert {found.key for found in listings.walk(cloud, BUCKET)} == kept.keys()
    for key, content in kept.items():
        assert b"".join(objects.get(cloud, BUCKET, key)[1]) == content, key
    with cloud.database.read() as connection:
        assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"


@needs_root
@pytest.mark.parametrize("size", [100, 30_000, LARGE])
def test_a_disk_that_fills_up_loses_nothing_acknowledged(small_cloud: Cloud, size: int) -> None:
    kept: dict[str, bytes] = {}
    names = [str(number) for number in range(3)]
    writers = [threading.Thread(target=put_until_full, args=(small_cloud, name, size, kept)) for name in names]
    ballast = small_cloud.settings.home / "ballast"
    ballast.write_bytes(bytes(8 * 1024**2 if size < 1000 else 2 * 1024**2))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    check_all(small_cloud, kept)
    assert kept
    ballast.unlink()
    objects.put(small_cloud, BUCKET, "after", [b"again" * size])
    check_all(small_cloud, kept | {"after": b"again" * size})


def put_ever_smaller_until_full(cloud: Cloud, sizes: tuple[int, ...], kept: dict[str, bytes]) -> None:
    """Until there is no room for a single byte."""
    for size in (*sizes, 4000, 1):
        put_until_full(cloud, f"of-{size}", size, kept)
    with pytest.raises(StorageFull):
        objects.put(cloud, BUCKET, "one", [b"1"])


@needs_root
@pytest.mark.parametrize("sizes", [(30_000,), (LARGE,), (LARGE, 30_000), (1000,)])
def test_a_full_disk_is_emptied_by_deleting_objects_and_takes_new_ones(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    with small_disk(tmp_path / "home", megabytes=48) as home:
        cloud = make_cloud(home)
        buckets.create(cloud, BUCKET)
        cloud.reserve.fill()
        kept: dict[str, bytes] = {}
        (home / "ballast").write_bytes(bytes(24 * 1024**2))
        for _ in range(2):
            put_ever_smaller_until_full(cloud, sizes, kept)
            doomed = list(kept)[::2]
            for key in doomed[:5]:
                deletions.delete(cloud, BUCKET, key)
            deletions.delete_many(cloud, BUCKET, [(key, None, NO_CONDITIONS) for key in doomed[5:]])
            for key in doomed:
                del kept[key]
            for size in sizes:
                kept[f"after-{size}"] = b"again" * (size // 5)
                objects.put(cloud, BUCKET, f"after-{size}", [kept[f"after-{size}"]])
            check_all(cloud, kept)
        cloud.database.close()


@needs_root
def test_an_upload_that_has_filled_the_disk_can_be_aborted(small_cloud: Cloud) -> None:
    small_cloud.reserve.fill()
    upload = uploads.create(small_cloud, BUCKET, "large")
    with pytest.raises(StorageFull):
        for number in range(1, 1000):
            uploads.put_part(small_cloud, upload, number, [bytes(LARGE)])
    put_ever_smaller_until_full(small_cloud, (), {})
    uploads.abort(small_cloud, BUCKET, "large", upload.id)
    objects.put(small_cloud, BUCKET, "after", [b"again" * LARGE])
    small_cloud.reserve.fill()
    assert not small_cloud.reserve.is_short


@needs_root
def test_a_server_that_starts_on_a_full_disk_reads_what_is_there(small_cloud: Cloud) -> None:
    kept: dict[str, bytes] = {}
    put_until_full(small_cloud, "large", LARGE, kept)
    fill(small_cloud.settings.home)
    home = small_cloud.settings.home
    small_cloud.database.close()
    again = make_cloud(home)
    check_all(again, kept)
    again.database.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    made = RunningCloud(tmp_path_factory.mktemp("faults") / "home")
    start_one_process(made)
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="small", Body=b"s" * 1000)
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"l" * LARGE)
    yield made
    made.down()


def start_one_process(cloud: RunningCloud) -> None:
    """So that the process to fail is known."""
    cloud.cli("up", "--detach", "--port", "0", "--workers", "1")


def impatient(cloud: RunningCloud) -> Any:
    s3 = cloud.client("s3")
    s3.meta.events.unregister("needs-retry.s3", unique_id="retry-config-s3")
    return s3


def check_refused(call: Callable[[], Any], sentence: str = "refuses to read or to write") -> None:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (503, "ServiceUnavailable")
    assert sentence in response["Error"]["Message"]


def check_reads(s3: Any) -> None:
    assert s3.get_object(Bucket=BUCKET, Key="small")["Body"].read() == b"s" * 1000
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"l" * LARGE
    assert {"small", "large"} <= {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}


def check_writes(s3: Any) -> None:
    for size in (10, LARGE):
        s3.put_object(Bucket=BUCKET, Key="after", Body=b"a" * size)
        assert s3.get_object(Bucket=BUCKET, Key="after")["Body"].read() == b"a" * size
    s3.delete_object(Bucket=BUCKET, Key="after")


@needs_root
def test_files_on_a_disk_that_has_become_read_only(cloud: RunningCloud) -> None:
    s3 = impatient(cloud)
    with read_only(cloud.home / "data" / "objects"):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE), "read-only")
        check_reads(s3)
    check_writes(s3)


def pid_of(cloud: RunningCloud) -> int:
    running = servers.find_running(cloud.home)
    assert running is not None
    return running.pid


@needs_root
@needs_strace
@pytest.mark.parametrize(
    ("calls", "error"), [("pwrite64", "EROFS"), ("pwrite64", "EIO"), ("fdatasync,fsync", "EIO"), ("pwrite64", "EACCES")]
)
def test_a_database_that_cannot_be_written(cloud: RunningCloud, calls: str, error: str) -> None:
    s3 = impatient(cloud)
    with failing(pid_of(cloud), calls, error):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"new"))
        check_refused(lambda: s3.delete_object(Bucket=BUCKET, Key="small"))
        check_reads(s3)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=BUCKET, Key="new")
    check_writes(s3)


@needs_root
@needs_strace
def test_a_blob_that_cannot_be_synced_is_not_stored(cloud: RunningCloud) -> None:
    s3 = impatient(cloud)
    blobs = sorted(cloud.home.glob("data/objects/*/*"))
    with failing(pid_of(cloud), "fsync", "EIO"):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE))
        check_reads(s3)
    assert sorted(cloud.home.glob("data/objects/*/*")) == blobs
    check_writes(s3)


@needs_root
@needs_strace
def test_a_blob_stays_where_nobody_knows_whether_its_row_was_committed(cloud: RunningCloud) -> None:
    s3 = impatient(cloud)
    blobs = set(cloud.home.glob("data/objects/*/*"))
    with failing(pid_of(cloud), "fdatasync", "EIO"):  # what SQLite ends a commit with
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE))
    assert len(set(cloud.home.glob("data/objects/*/*")) - blobs) == 1
    cloud.kill()
    start_one_process(cloud)  # which finds the commit in the log: it was written, only its sync has failed
    s3 = impatient(cloud)
    assert s3.get_object(Bucket=BUCKET, Key="new")["Body"].read() == b"n" * LARGE
    check_writes(s3)


@needs_root
@needs_strace
def test_a_file_that_cannot_be_read_is_told_and_the_others_are_served(cloud: RunningCloud) -> None:
    s3 = impatient(cloud)
    with failing(pid_of(cloud), "pread64", "EIO"):
        check_refused(
            lambda: s3.get_object(Bucket=BUCKET, Key="large"), "read"
        )  # it may meet the database's file first
    check_reads(s3)
    check_writes(s3)
