"""A process that changes objects and tells each change, before and after, until it is killed.

python -m tests.crash.writer HOME SEED
"""

import json
import os
import random
import sys
import threading
from hashlib import sha256
from pathlib import Path

from lowcloud import settings
from lowcloud.core import completions, copies, deletions, objects, uploads
from lowcloud.core.cloud import Cloud
from lowcloud.server import open_cloud
from lowcloud.store.files import RECORD_BYTES

BUCKET = "shelf"
KEYS_PER_THREAD = 3
THREADS = 3
_telling = threading.Lock()


def change_objects(cloud: Cloud, owner: int, chance: random.Random) -> None:
    """Put, replace, join, copy and delete the keys that belong to one thread, for ever."""
    while True:
        key = f"{owner}/{chance.randrange(KEYS_PER_THREAD)}"
        content = chance.randbytes(chance.choice([0, 100, 4096, RECORD_BYTES, 2 * RECORD_BYTES + 1]))
        kind = chance.choice(["put", "put", "put", "join", "copy", "delete"])
        if kind == "delete":
            tell("begin", key, None)
            deletions.delete(cloud, BUCKET, key)
            tell("done", key, None)
            continue
        digest = sha256(content).hexdigest()
        tell("begin", key, digest)
        if kind == "put":
            objects.put(cloud, BUCKET, key, [content])
        elif kind == "copy":
            objects.put(cloud, BUCKET, f"{owner}/source", [content])
            copies.copy(cloud, copies.Source(BUCKET, f"{owner}/source"), BUCKET, key)
        else:
            upload = uploads.create(cloud, BUCKET, key)
            part = uploads.put_part(cloud, upload, 1, [content])
            completions.complete(cloud, BUCKET, key, upload.id, [completions.Wanted(1, part.etag)])
        tell("done", key, digest)


def tell(*event: str | None) -> None:
    """One line, out of the process before anything else happens."""
    with _telling:
        os.write(1, (json.dumps(event) + "\n").encode())


if __name__ == "__main__":
    home, seed = sys.argv[1:]
    cloud = open_cloud(settings.load(Path(home), {}))
    tell("ready")
    for number in range(THREADS):
        threading.Thread(target=change_objects, args=(cloud, number, random.Random(f"{seed} {number}"))).start()
