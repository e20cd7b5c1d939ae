"""Works that run although no server does: those that a server left running, or that outlived its death."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lowcloud import contract
from lowcloud.engine.local.replica import ReplicaFolder, read_text
from lowcloud.engine.local.work_folders import WorkFolders


def find(root: Path) -> list[str]:
    """Return the ids of the works below a root folder whose programs run."""
    works = WorkFolders(root)
    ids = (record["id"] for record in works.records())
    return sorted(work_id for work_id in ids if any(_running(works, work_id)))


def kill(root: Path, work_ids: Iterable[str]) -> None:
    """Kill all processes of works, which the next server finds as lost. Raises RuntimeError if one does not end."""
    works = WorkFolders(root)
    for work_id in work_ids:
        for replica in _running(works, work_id):
            supervisor = read_text(replica.path / contract.LOCK_FILE).strip()
            if supervisor and replica.is_supervised:
                with suppress(ProcessLookupError):
                    os.kill(int(supervisor), signal.SIGKILL)
            replica.wait_until_supervisor_ended()
            replica.status()  # records the loss, and kills what the supervisor has left running


def _running(works: WorkFolders, work_id: str) -> Iterator[ReplicaFolder]:
    return (replica for replica in works.replicas(work_id) if replica.is_supervised)
