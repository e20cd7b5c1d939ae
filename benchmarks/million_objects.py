"""A bucket of a million objects: pages, deletions, a lifecycle, and the latency of other requests in the meantime.

    python benchmarks/million_objects.py [--objects 1000000]

Objects are written directly into the store, and requested from the server with signed requests on one connection. CPU
is the server's. Another client gets one small object repeatedly, and its latency is measured while the bucket is
emptied.
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import sqlalchemy as sa
from botocore.config import Config
from load import cpu_seconds
from object_store import KEY, lowcloud
from rich.console import Console
from rich.table import Table

from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.home import settings
from lowcloud.server.server import open_context

PAGE = 1000
FOLDER = 1000  # objects in each
IN_A_TRANSACTION = 5000
PAGES = 20
DAY_SECONDS = 20.0


@dataclass(frozen=True)
class Within:
    """Replaces the database by one open transaction, so that a million puts share a few hundred commits."""

    connection: sa.Connection

    def apply(self, change: Callable[[sa.Connection], Any]) -> Any:
        return change(self.connection)


def fill(home: Path, count: int) -> float:
    """Create the buckets "million" (half of it under expire/) and "thousand". Returns objects per second."""
    environment = {"LOWCLOUD_ROOT_ACCESS_KEY_ID": KEY.access_key, "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": KEY.secret_key}
    context = open_context(settings.load(home, environment))
    began = time.perf_counter()
    for bucket, size in (("thousand", 1000), ("million", count)):
        buckets.create(context, bucket)
        for start in range(0, size, IN_A_TRANSACTION):
            with context.database.transaction() as connection:
                within: Any = replace(context, database=Within(connection))  # type: ignore[arg-type]
                for number in range(start, min(start + IN_A_TRANSACTION, size)):
                    objects.put(within, bucket, key_of(number, size), [b"x" * 100])
    context.database.close()
    return count / (time.perf_counter() - began)


def key_of(number: int, count: int) -> str:
    return f"{'expire' if number < count // 2 else 'keep'}/{number // FOLDER:06}/{number:09}"


class Asker:
    """Lists and deletes, and measures the server's CPU."""

    def __init__(self, address: str, pid: int):
        self.pid = pid
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            region_name="us-east-1",
            aws_access_key_id=KEY.access_key,
            aws_secret_access_key=KEY.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def cpu_ms(self, work: Callable[[], Any], times: int) -> float:
        """Return the milliseconds of server CPU per call."""
        before = cpu_seconds(self.pid)
        for _ in range(times):
            work()
        return (cpu_seconds(self.pid) - before) / times * 1e3

    def page(self, bucket: str, after: str = "", delimiter: str = "") -> list[str]:
        answer = self.client.list_objects_v2(Bucket=bucket, StartAfter=after, Delimiter=delimiter, MaxKeys=PAGE)
        return [item["Key"] for item in answer.get("Contents", [])]

    def delete(self, bucket: str, keys: list[str]) -> None:
        document = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        assert "Errors" not in self.client.delete_objects(Bucket=bucket, Delete=document)


def measure_pages(asker: Asker, count: int) -> dict[str, float]:
    """Return the milliseconds of CPU for pages of 1,000 keys."""
    chance = random.Random(1)
    anywhere = lambda: asker.page("million", key_of(chance.randrange(count - PAGE), count))  # noqa: E731
    asker.page("million")
    return {
        "page of 1,000 keys, bucket of 1,000": asker.cpu_ms(lambda: asker.page("thousand"), PAGES),
        "page of 1,000 keys, the first": asker.cpu_ms(lambda: asker.page("million"), PAGES),
        "page of 1,000 keys, anywhere": asker.cpu_ms(anywhere, PAGES),
        "page of the two common prefixes": asker.cpu_ms(lambda: asker.page("million", delimiter="/"), PAGES),
    }


@contextmanager
def bystander(asker: Asker, address: str) -> Iterator[list[float]]:
    """Get one object repeatedly, and return the milliseconds of each request."""
    other = Asker(address, asker.pid)
    times: list[float] = []
    ended = threading.Event()

    def get() -> None:
        while not ended.wait(0.01):
            began = time.perf_counter()
            other.client.get_object(Bucket="thousand", Key=key_of(0, 1000))["Body"].read()
            times.append((time.perf_counter() - began) * 1e3)

    thread = threading.Thread(target=get)
    thread.start()
    yield times
    ended.set()
    thread.join()


def measure_deletions(asker: Asker, address: str) -> dict[str, float]:
    """Delete keep/ page by page; the first and the last tenth show whether the speed is constant."""
    rates = []
    with bystander(asker, address) as times:
        after = "keep/"
        while keys := asker.page("million", after):
            began = time.perf_counter()
            asker.delete("million", keys)
            rates.append(len(keys) / (time.perf_counter() - began))
            after = keys[-1]
    tenth = max(1, len(rates) // 10)
    return {
        "deletions per second, first tenth": median(rates[:tenth]),
        "deletions per second, last tenth": median(rates[-tenth:]),
        **waited("while deleting", times),
    }


def measure_lifecycle(asker: Asker, address: str, count: int) -> dict[str, float]:
    """Let a lifecycle rule expire expire/."""
    rule = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": "expire/"}, "Expiration": {"Days": 1}}
    asker.client.put_bucket_lifecycle_configuration(
        Bucket="million", LifecycleConfiguration={"Rules": [rule]}, ChecksumAlgorithm="CRC32"
    )
    whole = asker.client.list_objects_v2(Bucket="million", MaxKeys=1)["Contents"][0]["Key"]
    with bystander(asker, address) as times:
        while asker.client.list_objects_v2(Bucket="million", MaxKeys=1)["Contents"][0]["Key"] == whole:
            time.sleep(0.2)
        began, cpu = time.perf_counter(), cpu_seconds(asker.pid)
        while asker.page("million"):
            time.sleep(0.2)
        took, cpu = time.perf_counter() - began, cpu_seconds(asker.pid) - cpu
    return {
        "lifecycle: expirations per second": count / 2 / took,
        "lifecycle: server CPU us per expiration": cpu / (count / 2) * 1e6,
        **waited("while sweeping", times),
    }


def waited(when: str, times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"bystander's GET {when}, median ms": median(ordered), f"p99 ms {when}": ordered[int(len(ordered) * 0.99)]}


def resident_mb(pid: int) -> float:
    """Return the memory of the largest of the server's processes."""
    family, largest = [pid], 0.0
    while family:
        process = Path(f"/proc/{family.pop()}")
        status = (process / "status").read_text()
        largest = max(largest, int(status.split("VmHWM:")[1].split()[0]) / 1024)
        for task in (process / "task").iterdir():
            family += [int(child) for child in (task / "children").read_text().split()]
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    chosen = parser.parse_args()
    os.environ["LOWCLOUD_DAY_SECONDS"] = str(DAY_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        figures = {"objects written a second": fill(Path(folder) / "home", chosen.objects)}
        with lowcloud(Path(folder)) as store:
            asker = Asker(store.address, store.pid)
            figures |= measure_pages(asker, chosen.objects)
            figures |= measure_deletions(asker, store.address)
            figures |= measure_lifecycle(asker, store.address, chosen.objects)
            figures["largest process, MB"] = resident_mb(store.pid)
    table = Table("", "Lowcloud")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.1f}" if value < 1000 else f"{value:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
