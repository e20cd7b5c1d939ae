"""How fast a job's program gets its data in each input mode, compared with `cp` of the same bytes on the same disk.

python benchmarks/inputs.py [MEGABYTES] [SMALL_OBJECTS]

For each mode, one job with one host reads its channel once and prints the times of the first and the last byte,
measured from the request to start the work. Objects are encrypted in the store, so File mode decrypts what `cp` only
copies.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lowcloud.core.context import Context
from lowcloud.core.staging import input_staging
from lowcloud.core.staging.channels import Channel, Mode
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.engine.work import Phase, Replica, Resources, Work
from lowcloud.home import settings
from lowcloud.server.server import open_context

BLOCK = 1 << 20
LARGE = Resources(cpus=2, memory_bytes=8 << 30)
IDENTITY = {
    "LOWCLOUD_ACCOUNT_ID": "123456789012",
    "LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIABENCHMARK0000000",
    "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "a-secret-for-benchmarks",
}
PROGRAM = """
import glob, json, os, time
data = os.environ["SAGEMAKER_BASE_DIR"] + "/input/data/"
began, first, size = time.time(), None, 0
files = [data + "train_0"] if os.path.exists(data + "train_0") else [
    f"{folder}/{name}" for folder, _, names in os.walk(data + "train") for name in names]
buffer = bytearray(1 << 20)
for name in files:
    with open(name, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            first = first or time.time()
            size += count
print(json.dumps({"began": began, "first": first, "last": time.time(), "size": size, "files": len(files)}), flush=True)
"""


def blocks(megabytes: int) -> Iterator[bytes]:
    with Path("/dev/urandom").open("rb") as random:
        for _ in range(megabytes):
            yield random.read(BLOCK)


def read(context: Context, channel: Channel) -> dict[str, float]:
    """Return the program's measurements, with the time of the request."""
    name = f"{channel.mode}-{channel.prefix}"
    requested_at = time.time()
    (staged,) = input_staging.stage(context, [channel], 1)
    replica = Replica(inputs=staged.inputs, lazy_folders=staged.lazy_folders, streams=staged.streams)
    context.engine.start(Work(name, ("python", "-c", PROGRAM), (replica,), LARGE))
    while context.engine.status(name)[0].phase != Phase.EXITED:
        time.sleep(0.001)
    said = [line.text for line in context.engine.logs(name, 0, 0).lines]
    context.engine.remove(name)
    return {"requested_at": requested_at, **json.loads(said[-1])}


def copy(folder: Path, source: Path) -> float:
    """Return the seconds that cp takes."""
    began = time.perf_counter()
    subprocess.run(["cp", "-r", str(source), str(folder / "copy")], check=True)
    took = time.perf_counter() - began
    shutil.rmtree(folder / "copy") if source.is_dir() else (folder / "copy").unlink()
    return took


def large_table(context: Context, folder: Path, megabytes: int) -> Table:
    plain = folder / "plain"
    with plain.open("wb") as file:
        file.writelines(blocks(megabytes))
    with plain.open("rb") as file:
        objects.put(context, "data", "large/object", iter(lambda: file.read(BLOCK), b""))
    table = Table(f"one object of {megabytes} MB", "first byte, s", "last byte, s", "read, MB/s", "all, MB/s")
    took = copy(folder, plain)
    table.add_row("cp", "", f"{took:.2f}", "", f"{megabytes / took:.0f}")
    plain.unlink()
    for mode in Mode:
        said = read(context, Channel("train", "data", "large/", mode=mode))
        assert said["size"] == megabytes * BLOCK, said
        reading, whole = said["last"] - said["began"], said["last"] - said["requested_at"]
        first = f"{said['first'] - said['requested_at']:.2f}"
        table.add_row(mode, first, f"{whole:.2f}", f"{megabytes / reading:.0f}", f"{megabytes / whole:.0f}")
    return table


def small_table(context: Context, folder: Path, count: int) -> Table:
    plain = folder / "plain"
    plain.mkdir()
    for number in range(count):
        body = f"object {number}\n".encode() * 8
        objects.put(context, "data", f"small/{number:07}", [body])
        (plain / f"{number:07}").write_bytes(body)
    table = Table(f"{count} objects of 100 bytes", "program starts, s", "last byte, s", "objects/s")
    took = copy(folder, plain)
    table.add_row("cp -r", "", f"{took:.2f}", f"{count / took:.0f}")
    for mode in Mode:
        said = read(context, Channel("train", "data", "small/", mode=mode))
        whole = said["last"] - said["requested_at"]
        table.add_row(mode, f"{said['began'] - said['requested_at']:.2f}", f"{whole:.2f}", f"{count / whole:.0f}")
    return table


def main(megabytes: int = 1024, count: int = 20_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chosen = settings.load(Path(folder) / "home", IDENTITY)
        (chosen.home / "client").mkdir(parents=True)  # as `lowcloud up` does
        context = open_context(chosen)
        context.engine.isolation()
        buckets.create(context, "data")
        console = Console()
        try:
            read_once(context)
            console.print(large_table(context, Path(folder), megabytes))
            console.print(small_table(context, Path(folder), count))
        finally:
            context.engine.close()
            context.database.close()


def read_once(context: Context) -> None:
    """Run what the engine does only once per machine, such as its isolation probe."""
    objects.put(context, "data", "warm/object", [b"x"])
    for mode in Mode:
        read(context, Channel("train", "data", "warm/", mode=mode))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
