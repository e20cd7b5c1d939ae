"""A process that changes objects and prints each change, before and after, until it is killed or has finished.

python -m tests.crash.drivers.writer HOME SEED [CHANGES] [WITHOUT...]

WITHOUT names what to leave out, to show that a test notices: "file-sync", "folder-sync", "database-sync".
"""

import json
import os
import random
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.lifecycle import sweep
from lowcloud.core.storage.multipart import completions, uploads
from lowcloud.core.storage.objects import copies, deletions, objects
from lowcloud.core.storage.objects.bodies import MAX_INLINE_BYTES
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS
from lowcloud.home import settings
from lowcloud.server.server import open_context
from lowcloud.store.blobs import files
from lowcloud.store.db import sqlite

PLAIN, VERSIONED = "plain", "versioned"
KEYS_PER_THREAD = 3
THREADS = 3
SIZES = [0, 100, 4096, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1, 150_000]
LARGE_SIZES = [files.RECORD_BYTES, 2 * files.RECORD_BYTES + 1]
KINDS = ["put", "put", "put", "join", "copy", "delete", "delete many", "remove", "part", "brief"]
BRIEF = "brief/"  # removed by the lifecycle of its bucket
DAY_SECONDS = 0.2
FEWER_CHECKPOINT_PAGES = 60  # so that a short run has many checkpoints
_reporting = threading.Lock()


class Writer:
    """Changes the keys of one thread."""

    def __init__(self, context: Context, owner: int, chance: random.Random, sizes: list[int]):
        self._context = context
        self._owner = owner
        self._chance = chance
        self._sizes = sizes
        self._versions: dict[str, list[str]] = {}  # of each key, as written by this process

    def change(self) -> None:
        """Make one change of any kind."""
        kind, bucket = self._chance.choice(KINDS), self._chance.choice([PLAIN, VERSIONED])
        key = self._key()
        match kind:
            case "delete":
                self._delete(bucket, [key])
            case "delete many":
                self._delete(bucket, sorted({self._key() for _ in range(3)}))
            case "remove":
                self._remove(key)
            case "brief":
                self._write_briefly(bucket)
            case "part":
                self._leave_a_part(bucket, key)
            case _:
                self._write(kind, bucket, key)

    def _key(self) -> str:
        return f"{self._owner}/{self._chance.randrange(KEYS_PER_THREAD)}"

    def _content(self) -> bytes:
        return self._chance.randbytes(self._chance.choice(self._sizes))

    def _write(self, kind: str, bucket: str, key: str) -> None:
        content = self._content()
        digest = sha256(content).hexdigest()
        source = copies.CopySource(PLAIN, f"{self._owner}/source")
        if kind == "copy":
            report("begin", source.bucket, source.key, digest)
            put = objects.put(self._context, source.bucket, source.key, [content])
            report("done", source.bucket, source.key, digest, put.version)
        report("begin", bucket, key, digest)
        if kind == "put":
            made = objects.put(self._context, bucket, key, [content])
        elif kind == "copy":
            _, made = copies.copy(self._context, source, bucket, key)
        else:
            upload = uploads.create(self._context, bucket, key)
            part = uploads.put_part(self._context, upload, 1, [content])
            uploads.put_part(self._context, upload, 2, [b"left out"])
            made = completions.complete(
                self._context, bucket, key, upload.id, [completions.RequestedPart(1, part.etag)]
            )
        report("done", bucket, key, digest, made.version)
        if bucket == VERSIONED:
            self._versions.setdefault(key, []).append(made.version)

    def _delete(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            report("begin", bucket, key, None)
        deletions.delete_many(self._context, bucket, [(key, None, NO_PRECONDITIONS) for key in keys])
        for key in keys:
            report("done", bucket, key, None, None)

    def _remove(self, key: str) -> None:
        """Remove a version that is not the newest."""
        known = self._versions.get(key, [])
        if len(known) > 1:
            version = known.pop(0)
            report("remove", key, version)
            deletions.delete(self._context, VERSIONED, key, version=version)
            report("removed", key, version)

    def _write_briefly(self, bucket: str) -> None:
        """Write an object that may be removed at any later moment."""
        key, content = f"{BRIEF}{self._key()}", self._content()
        report("brief", bucket, key, sha256(content).hexdigest())
        objects.put(self._context, bucket, key, [content])
        uploads.put_part(self._context, uploads.create(self._context, bucket, key), 1, [b"to be aborted"])

    def _leave_a_part(self, bucket: str, key: str) -> None:
        """Start an upload with one part, and abort half of them."""
        upload = uploads.create(self._context, bucket, key)
        part = uploads.put_part(self._context, upload, 1, [self._content()])
        report("part", bucket, key, upload.id, part.etag)
        if self._chance.random() < 0.5:
            report("abort", upload.id)
            uploads.abort(self._context, bucket, key, upload.id)
            report("aborted", upload.id)


def prepare(home: Path) -> None:
    """Create a home with the two buckets and their lifecycles."""
    context = open_context(settings.load(home, {}))
    for name in (PLAIN, VERSIONED):
        buckets.create(context, name)
    buckets.set_versioning(context, VERSIONED, buckets.ENABLED)
    rule = {"id": "brief", "prefix": BRIEF, "expire_days": 1, "noncurrent_days": 1, "abort_days": 1}
    for name in (PLAIN, VERSIONED):
        configurations.put(context, name, sweep.KIND, {"rules": [rule], "said": []})
    context.database.close()


def leave_out(what: str) -> None:
    """Disable one kind of sync."""
    match what:
        case "file-sync":
            real = files.sync
            files.sync = lambda descriptor: real(descriptor) if Path(f"/proc/self/fd/{descriptor}").is_dir() else None
        case "folder-sync":
            files.sync_folder = lambda folder: None
        case "database-sync":
            really_prepare = sqlite._prepare

            def prepare_carelessly(connection: Any, record: Any) -> None:
                really_prepare(connection, record)
                connection.execute("PRAGMA synchronous=OFF")

            sqlite._prepare = prepare_carelessly
        case _:
            raise ValueError(what)


def expire(context: Context) -> None:
    """Execute lifecycles repeatedly."""
    while True:
        sweep.sweep(context)
        time.sleep(DAY_SECONDS / 4)


def report(*event: str | None) -> None:
    """Write one line, before anything else happens."""
    with _reporting:
        os.write(1, (json.dumps(event) + "\n").encode())


def main(home: str, seed: str, changes: str = "", *without: str) -> None:
    for what in without:
        leave_out(what)
    sqlite.CHECKPOINT_PAGES = FEWER_CHECKPOINT_PAGES
    context = open_context(settings.load(Path(home), {"LOWCLOUD_DAY_SECONDS": str(DAY_SECONDS)}))
    report("ready")
    threading.Thread(target=expire, args=(context,), daemon=True).start()
    left = threading.Semaphore(int(changes or 10**9))
    sizes = SIZES if changes else SIZES + LARGE_SIZES

    def work(number: int) -> None:
        writer = Writer(context, number, random.Random(f"{seed} {number}"), sizes)
        while left.acquire(blocking=False):
            writer.change()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)  # like a power failure: without cleanup


if __name__ == "__main__":
    main(*sys.argv[1:])
