"""Disks that are full, read-only or failing: a clear refusal, reads continue, and writing recovers automatically."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError

from lowcloud.core.context import Context
from lowcloud.core.errors import StorageFullError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import deletions, listings, objects
from lowcloud.core.storage.objects.metadata import ObjectMetadata
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS
from lowcloud.home import server_process
from tests.support.faults import failing, needs_root, needs_strace, read_only, small_disk
from tests.support.servers.gateways import make_context
from tests.support.servers.server import Server

BUCKET = "shelf"
LARGE = 300_000  # bytes: lies in a file


@pytest.fixture
def small_cloud(tmp_path: Path) -> Iterator[Context]:
    with small_disk(tmp_path / "home", megabytes=12) as home:
        context = make_context(home)
        buckets.create(context, BUCKET)
        yield context
        context.database.close()


def fill(folder: Path) -> Path:
    """Write a file that takes all free space."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    return ballast


def put_until_full(context: Context, name: str, size: int, kept: dict[str, bytes]) -> None:
    for number in range(100_000):
        content = os.urandom(size)
        try:
            objects.put(context, BUCKET, f"{name}/{number}", [content], ObjectMetadata({}, {"of": name}))
        except StorageFullError:
            return
        kept[f"{name}/{number}"] = content
    raise AssertionError("the disk was to be full")


def check_all(context: Context, kept: dict[str, bytes]) -> None:
    """Exactly what was acknowledged is there, and the database is whole."""
    assert {found.key for found in listings.walk(context, BUCKET)} == kept.keys()
    for key, content in kept.items():
        assert b"".join(objects.get(context, BUCKET, key)[1]) == content, key
    with context.database.read() as connection:
        assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"


@needs_root
@pytest.mark.parametrize("size", [100, 30_000, LARGE])
def test_a_disk_that_fills_up_loses_nothing_acknowledged(small_cloud: Context, size: int) -> None:
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


def put_ever_smaller_until_full(context: Context, sizes: tuple[int, ...], kept: dict[str, bytes]) -> None:
    """Write smaller and smaller objects until the disk is full."""
    for size in (*sizes, 4000, 1):
        put_until_full(context, f"of-{size}", size, kept)
    put_until_full(context, "one", 1, kept)  # whose keys are on other pages of the index, which may have had space


@needs_root
@pytest.mark.parametrize("sizes", [(30_000,), (LARGE,), (LARGE, 30_000), (1000,)])
def test_a_full_disk_is_emptied_by_deleting_objects_and_takes_new_ones(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    with small_disk(tmp_path / "home", megabytes=48) as home:
        context = make_context(home)
        buckets.create(context, BUCKET)
        context.reserve.fill()
        kept: dict[str, bytes] = {}
        (home / "ballast").write_bytes(bytes(24 * 1024**2))
        for _ in range(2):
            put_ever_smaller_until_full(context, sizes, kept)
            doomed = list(kept)[::2]
            for key in doomed[:5]:
                deletions.delete(context, BUCKET, key)
            deletions.delete_many(context, BUCKET, [(key, None, NO_PRECONDITIONS) for key in doomed[5:]])
            for key in doomed:
                del kept[key]
            for size in sizes:
                kept[f"after-{size}"] = b"again" * (size // 5)
                objects.put(context, BUCKET, f"after-{size}", [kept[f"after-{size}"]])
            check_all(context, kept)
        context.database.close()


@needs_root
def test_an_upload_that_has_filled_the_disk_can_be_aborted(small_cloud: Context) -> None:
    small_cloud.reserve.fill()
    upload = uploads.create(small_cloud, BUCKET, "large")
    with pytest.raises(StorageFullError):
        for number in range(1, 1000):
            uploads.put_part(small_cloud, upload, number, [bytes(LARGE)])
    put_ever_smaller_until_full(small_cloud, (), {})
    uploads.abort(small_cloud, BUCKET, "large", upload.id)
    objects.put(small_cloud, BUCKET, "after", [b"again" * LARGE])
    small_cloud.reserve.fill()
    assert not small_cloud.reserve.is_short


@needs_root
def test_a_server_that_starts_on_a_full_disk_reads_existing_objects(small_cloud: Context) -> None:
    kept: dict[str, bytes] = {}
    put_until_full(small_cloud, "large", LARGE, kept)
    fill(small_cloud.settings.home)
    home = small_cloud.settings.home
    small_cloud.database.close()
    again = make_context(home)
    check_all(again, kept)
    again.database.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("faults") / "home")
    start_one_process(made)
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="small", Body=b"s" * 1000)
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"l" * LARGE)
    yield made
    made.down()


def start_one_process(context: Server) -> None:
    """So that the process to fail is known."""
    context.cli("up", "--detach", "--port", "0", "--workers", "1")


def impatient(context: Server) -> Any:
    s3 = context.client("s3")
    s3.meta.events.unregister("needs-retry.s3", unique_id="retry-config-s3")
    return s3


def check_refused(call: Callable[[], Any], sentence: str = "fails to read or write") -> None:
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
def test_files_on_a_disk_that_has_become_read_only(context: Server) -> None:
    s3 = impatient(context)
    with read_only(context.home / "data" / "objects"):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE), "read-only")
        check_reads(s3)
    check_writes(s3)


def pid_of(context: Server) -> int:
    running = server_process.find_running(context.home)
    assert running is not None
    return running.pid


@needs_root
@needs_strace
@pytest.mark.parametrize(
    ("calls", "error"), [("pwrite64", "EROFS"), ("pwrite64", "EIO"), ("fdatasync,fsync", "EIO"), ("pwrite64", "EACCES")]
)
def test_a_database_that_cannot_be_written(context: Server, calls: str, error: str) -> None:
    s3 = impatient(context)
    with failing(pid_of(context), calls, error):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"new"))
        check_refused(lambda: s3.delete_object(Bucket=BUCKET, Key="small"))
        check_reads(s3)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=BUCKET, Key="new")
    check_writes(s3)


@needs_root
@needs_strace
def test_a_blob_that_cannot_be_synced_is_not_stored(context: Server) -> None:
    s3 = impatient(context)
    blobs = sorted(context.home.glob("data/objects/*/*"))
    with failing(pid_of(context), "fsync", "EIO"):
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE))
        check_reads(s3)
    assert sorted(context.home.glob("data/objects/*/*")) == blobs
    check_writes(s3)


@needs_root
@needs_strace
def test_a_blob_is_kept_while_it_is_unknown_whether_its_row_was_committed(context: Server) -> None:
    s3 = impatient(context)
    blobs = set(context.home.glob("data/objects/*/*"))
    with failing(pid_of(context), "fdatasync", "EIO"):  # what SQLite ends a commit with
        check_refused(lambda: s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * LARGE))
    assert len(set(context.home.glob("data/objects/*/*")) - blobs) == 1
    context.kill()
    start_one_process(context)  # which finds the commit in the log: it was written, only its sync has failed
    s3 = impatient(context)
    assert s3.get_object(Bucket=BUCKET, Key="new")["Body"].read() == b"n" * LARGE
    check_writes(s3)


@needs_root
@needs_strace
def test_an_unreadable_file_is_reported_and_the_others_are_served(context: Server) -> None:
    s3 = impatient(context)
    with failing(pid_of(context), "pread64", "EIO"):
        check_refused(
            lambda: s3.get_object(Bucket=BUCKET, Key="large"), "read"
        )  # it may meet the database's file first
    check_reads(s3)
    check_writes(s3)
