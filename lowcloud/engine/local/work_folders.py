"""The folders of the works of one engine, and the user ids and GPUs allocated to them.

ids                           how many user ids were allocated
<work>/work.json              the work's id, replicas, first user id, GPUs, and Python environments
<work>/rendezvous/            shared by the replicas of the work
<work>/<replica>/...          see replica.py and, for the supervisor's files, lowcloud.contract
"""

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lowcloud.engine.local import gpus
from lowcloud.engine.local.replica import ReplicaFolder, delete_tree, read_record, write_record
from lowcloud.engine.work import Work

RECORD = "work.json"
ID_COUNT = "ids"
TRASH = "-trash"  # suffix of folders to delete, which a killed engine may leave behind


class WorkFolders:
    """The works below one root folder, which one server uses at a time."""

    def __init__(self, root: Path):
        self.root = root
        self._guard = threading.Lock()
        self._own_trash: set[Path] = set()
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()  # entries last while in use
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def lock(self, work_id: str) -> Iterator[None]:
        """Allow one start or remove of a work at a time. A lock of this process is enough: one server uses a root."""
        with self._guard:
            lock = self._locks.get(work_id) or threading.Lock()
            self._locks[work_id] = lock
        with lock:
            yield

    def create(self, work: Work) -> None:
        """Create the folder and record of a work where they are missing. Raises StagingError if it lacks GPUs.

        A record torn by a power failure is written again: the replicas know whether they ever ran.
        """
        folder = self.folder(work.id)
        folder.mkdir(mode=0o700, exist_ok=True)
        record = read_record(folder / RECORD)
        if record and "gpus" in record:
            return
        fields = {"id": work.id, "replicas": len(work.replicas), "first_id": self.allocate_ids(len(work.replicas))}
        fields |= {"builds": work.builds, "environment": work.environment}
        with self._guard:  # GPUs are allocated once this is written
            allocated = gpus.allocate(self._gpus_in_use(), work.resources.gpus, len(work.replicas))
            write_record(folder / RECORD, {**fields, "gpus": allocated})

    def record(self, work_id: str) -> dict[str, Any] | None:
        """Return the record of a work; None if there is none, and empty if a power failure has torn it."""
        return read_record(self.folder(work_id) / RECORD)

    def records(self, pattern: str = "[!.]*") -> Iterator[dict[str, Any]]:
        """Return the readable records of all works."""
        return filter(None, map(read_record, self.root.glob(f"{pattern}/{RECORD}")))

    def replica(self, work_id: str, number: int) -> ReplicaFolder:
        """Return the folder of one replica, which need not exist."""
        return ReplicaFolder(self.folder(work_id) / str(number))

    def replicas(self, work_id: str) -> list[ReplicaFolder]:
        """Return the folders of a work's replicas; empty if the work is unknown."""
        record = self.record(work_id)
        count = record["replicas"] if record else len(list(self.folder(work_id).glob("[0-9]*")))
        return [self.replica(work_id, number) for number in range(count)]

    def folder(self, work_id: str) -> Path:
        """Return the folder of a work, which need not exist."""
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", work_id)[:80]
        return self.root / f"{hashlib.sha256(work_id.encode()).hexdigest()[:20]}-{readable}"

    def delete(self, work_id: str) -> None:
        """Delete the folder of a work."""
        folder = self.folder(work_id)
        if folder.exists():
            trash = self.new_trash_path()
            folder.rename(trash)
            delete_tree(trash)
            self._own_trash.discard(trash)

    def new_trash_path(self) -> Path:
        """Return an unused path for a folder that is deleted sooner or later, whatever happens to this process."""
        path = self.root / f".{secrets.token_hex(8)}{TRASH}"
        self._own_trash.add(path)
        return path

    def delete_trash(self) -> None:
        """Delete the folders that killed engines left behind; this engine deletes its own when it has used them."""
        for trash in set(self.root.glob(f".*{TRASH}")) - self._own_trash:
            delete_tree(trash)

    def allocate_ids(self, count: int) -> int:
        """Allocate `count` user ids and return the number of ids allocated before them; no two works share an id."""
        with self._guard:
            record = read_record(self.root / ID_COUNT)
            allocated: int = record["taken"] if record else self._count_ids_in_use()
            write_record(self.root / ID_COUNT, {"taken": allocated + count})
        return allocated

    def _count_ids_in_use(self) -> int:
        """Return the least number of ids that can have been allocated, from the records of existing works."""
        return max((work["first_id"] + work["replicas"] for work in self.records("*")), default=0)

    def _gpus_in_use(self) -> Iterator[int]:
        for path in self.root.glob(f"[!.]*/{RECORD}"):
            for number, allocated in enumerate((read_record(path) or {}).get("gpus", ())):
                if not ReplicaFolder(path.parent / str(number)).has_ended:
                    yield from allocated
