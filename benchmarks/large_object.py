"""One very large object: the growth of the server's memory while it is uploaded in parts and read back.

python benchmarks/large_object.py [--gigabytes 10]
"""

import argparse
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from object_store import BUCKET, Store, exchange, lowcloud, make_bucket, signed
from rich.console import Console
from rich.table import Table

PART_BYTES = 64 * 1024**2
SENDERS = 4
LOOK_SECONDS = 0.2


def resident_mb(root: int) -> float:
    """Return the proportional set size of all processes of a server together (Linux)."""
    family, total = [root], 0.0
    while family:
        process = Path(f"/proc/{family.pop()}")
        try:
            rollup = (process / "smaps_rollup").read_text()
            for task in (process / "task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(rollup.split("\nPss:")[1].split()[0]) / 1024
    return total


@contextmanager
def watched(store: Store) -> Iterator[list[float]]:
    """Sample the memory of a server repeatedly."""
    seen, ended = [resident_mb(store.pid)], threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            seen.append(resident_mb(store.pid))

    thread = threading.Thread(target=look)
    thread.start()
    yield seen
    ended.set()
    thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10)
    parts = range(1, int(parser.parse_args().gigabytes * 1024**3 / PART_BYTES) + 1)
    content = os.urandom(PART_BYTES)
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    table = Table("", "MB/s", "memory before, MB", "at most", "growth")
    with tempfile.TemporaryDirectory() as folder, lowcloud(Path(folder)) as store:
        client = make_bucket(store)
        upload = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]

        def send(number: int) -> None:
            exchange(store, signed(store, "PUT", f"large?partNumber={number}&uploadId={upload}", content))

        def put() -> None:
            with ThreadPoolExecutor(SENDERS) as senders:
                list(senders.map(send, parts))
            named = [{"PartNumber": number, "ETag": tag} for number in parts]
            client.complete_multipart_upload(
                Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload={"Parts": named}
            )

        def get() -> None:
            exchange(store, signed(store, "GET", "large"))

        for name, work in (("PUT in parts of 64 MB", put), ("GET, whole", get)):
            began = time.perf_counter()
            with watched(store) as seen:
                work()
            speed = len(parts) * PART_BYTES / 1e6 / (time.perf_counter() - began)
            table.add_row(name, *(f"{value:,.0f}" for value in (speed, seen[0], max(seen), max(seen) - seen[0])))
    Console().print(table)


if __name__ == "__main__":
    main()
