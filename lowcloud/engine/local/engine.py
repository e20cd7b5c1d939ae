"""LocalEngine: runs work as processes of this machine, each replica under a supervisor that outlives the server.

All state is in files below `root` (see work_folders.py) and in `home`/environments (see environments.py), so that a new
engine on the same folders finds running work again.
"""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from lowcloud import contract
from lowcloud.engine.local import gpus, output_reader
from lowcloud.engine.local.environments import Environments
from lowcloud.engine.local.inputs.input_server import InputServer
from lowcloud.engine.local.launch import launch_spec
from lowcloud.engine.local.launch.launcher import Launcher
from lowcloud.engine.local.replica import ReplicaFolder
from lowcloud.engine.local.replica_preparation import ReplicaPreparation
from lowcloud.engine.local.sockets import ShortPaths
from lowcloud.engine.local.work_folders import WorkFolders
from lowcloud.engine.work import (
    EngineNotReadyError,
    Fetch,
    FileEntry,
    IsolationStatus,
    LogPage,
    ReplicaStatus,
    Resources,
    Work,
)


class LocalEngine:
    """Implements lowcloud.engine.work.Engine.

    `root` contains the folders of running work. Programs see nothing of `home` (by default the parent of `root`) except
    for its `readable_folders`.
    """

    def __init__(self, root: Path, fetch: Fetch, home: Path | None = None, readable_folders: tuple[Path, ...] = ()):
        root = root.absolute()
        home = (home or root.parent).absolute()
        if home == Path("/"):
            raise ValueError("The home directory cannot be the root of the file system.")
        self._works = WorkFolders(root)
        self._launcher = Launcher()
        self._short_paths = ShortPaths(root, home)
        self._inputs = InputServer(root, fetch, self._short_paths)
        self._environments = Environments(home / "environments", home)
        self._preparation = ReplicaPreparation(
            self._works,
            fetch,
            self._launcher,
            self._inputs,
            self._environments,
            self._short_paths,
            home,
            readable_folders,
        )
        self._addresses: dict[tuple[str, int], tuple[ReplicaFolder, str]] = {}
        self._removing: set[str] = set()
        self._closing = threading.Event()
        self._tried = threading.Event()

    def warm_up(self) -> None:
        """Find out the isolation level, load built-in programs, and delete what killed engines left, in the background.

        The constructor does not, because a process that only reads must not touch the files of the running server.
        """
        self._preparation.trials.leave_to_thread()
        threading.Thread(target=self._get_ready, name="isolation", daemon=True).start()
        if any(self._works.root.glob(f"*/*/{contract.FEEDS_FOLDER}")):
            self._inputs.open()  # running programs wait for inputs that an earlier server listed for them
        threading.Thread(target=self._clean, name="trash", daemon=True).start()

    def close(self) -> None:
        """End the warm parent. Work continues to run, or waits for the next server where it needs more inputs."""
        self._closing.set()
        self._launcher.close()
        self._inputs.close()
        self._short_paths.close()

    def start(self, work: Work) -> None:
        """See Engine.start. An interrupted start is continued; a program never runs a second time."""
        if not work.container:  # which isolates by itself
            self._preparation.trials.level()  # before anything is created
        with self._works.lock(work.id):
            self._works.create(work)
            if any(replica.streams or replica.lazy_folders for replica in work.replicas):
                self._inputs.open()
            replicas = [replica for replica in self._works.replicas(work.id) if not replica.was_started]
            for replica in replicas:
                if not replica.is_staged:
                    self._preparation.prepare(work, replica)
            staged = [replica for replica in replicas if replica.is_staged]
            is_built_in = not work.container and launch_spec.is_forked(work)
            for replica in staged:
                self._launcher.launch(replica.path, is_built_in)
            for replica in staged:
                replica.wait_until_started()

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        """See Engine.status. A work that is being removed has none, because the removal decides how it ends."""
        if work_id in self._removing:
            return ()
        return tuple(replica.status() for replica in self._works.replicas(work_id))

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        """See Engine.logs. Offsets are bytes of the log file."""
        return self._works.replica(work_id, replica).logs(offset)

    def stop(self, work_id: str, grace_seconds: float) -> None:
        """See Engine.stop."""
        for replica in self._works.replicas(work_id):
            replica.request_stop(grace_seconds)

    def read_file(self, work_id: str, replica: int, path: str, limit_bytes: int) -> bytes | None:
        """See Engine.read_file."""
        return output_reader.read_prefix(self._works.replica(work_id, replica).base, path, limit_bytes)

    def list_files(self, work_id: str, replica: int, folder: str) -> tuple[FileEntry, ...]:
        """See Engine.list_files."""
        return output_reader.list_files(self._works.replica(work_id, replica).base, folder)

    def stream_file(self, work_id: str, replica: int, path: str) -> Iterator[bytes]:
        """See Engine.stream_file."""
        return output_reader.stream_file(self._works.replica(work_id, replica).base, path)

    def archive(self, work_id: str, folder: str) -> Iterator[bytes]:
        """See Engine.archive. Raises OSError if the folder is missing or cannot be read."""
        return output_reader.archive([replica.base for replica in self._works.replicas(work_id)], folder)

    def address(self, work_id: str, replica: int) -> str | None:
        """See Engine.address. Every request calls this: about 15 microseconds once the address is known."""
        known = self._addresses.get((work_id, replica))
        if known is None:
            folder = self._works.replica(work_id, replica)
            address = self._find_address(folder)
            if address is None:
                return None
            known = self._addresses[work_id, replica] = (folder, address)
        folder, address = known
        return address if folder.is_supervised and not folder.has_ended else None

    def _find_address(self, folder: ReplicaFolder) -> str | None:
        """Return the address of a replica's socket once it accepts connections."""
        if not stat.S_ISSOCK(_mode(folder.socket / launch_spec.SOCKET)):
            return None
        path = self._short_paths.of(folder.socket) / launch_spec.SOCKET
        with socket.socket(socket.AF_UNIX) as connection:
            return f"unix:{path}" if connection.connect_ex(os.fsencode(path)) == 0 else None

    def has_environment(self, key: str) -> bool:
        """See Engine.has_environment."""
        return self._environments.has(key)

    def publish_environment(self, work_id: str) -> None:
        """See Engine.publish_environment."""
        with self._works.lock(work_id):
            record = self._works.record(work_id)
            if not record:  # the work was removed, which happens after publishing
                return
            if not record.get("builds") or any(status.exit_code != 0 for status in self.status(work_id)):
                raise ValueError(f"The work {work_id!r} has built no environment.")
            self._environments.publish(record["builds"], work_id)

    def environments(self) -> dict[str, float]:
        """See Engine.environments."""
        return self._environments.last_used()

    def delete_environment(self, key: str, unused_since: float) -> None:
        """See Engine.delete_environment. Work that starts later counts as a use."""
        if not any(record.get("environment") == key for record in self._works.records()):
            self._environments.delete(key, unused_since)

    def remove(self, work_id: str) -> None:
        """See Engine.remove."""
        with self._works.lock(work_id):
            self._removing.add(work_id)
            try:
                self._remove(work_id)
            finally:
                self._removing.discard(work_id)

    def capacity(self) -> Resources:
        """See Engine.capacity."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Resources(float(os.cpu_count() or 1), memory, len(gpus.list_installed()))

    def isolation(self) -> str:
        """See Engine.isolation."""
        return self._preparation.trials.level().sentence

    def readiness(self) -> str:
        """See Engine.readiness."""
        try:
            self._preparation.trials.level()
        except EngineNotReadyError as error:
            return str(error)
        return ""

    def isolation_status(self) -> IsolationStatus:
        """See Engine.isolation_status."""
        return self._preparation.trials.status()

    def wait_until_ready(self, timeout_seconds: float) -> None:
        """See Engine.wait_until_ready."""
        self._tried.wait(timeout_seconds)

    def _get_ready(self) -> None:
        """Try isolation levels until one works; the warm parent loads after the first trial, which it would slow."""
        trials = self._preparation.trials
        is_ready = trials.try_now()
        self._tried.set()
        if not self._closing.is_set():
            self._launcher.warm_up()
        while not is_ready and not self._closing.wait(trials.seconds_to_next()):
            is_ready = trials.try_now()

    def _remove(self, work_id: str) -> None:
        replicas = self._works.replicas(work_id)
        for replica in replicas:
            replica.request_stop(0.0)
        for replica in replicas:
            replica.wait_until_supervisor_ended()
            replica.status()  # kills the processes that a killed supervisor left running
            self._addresses.pop((work_id, int(replica.path.name)), None)
            self._preparation.remove_short_paths(replica)
        record = self._works.record(work_id)
        if record and record.get("builds"):
            self._environments.discard(record["builds"], work_id)
        self._works.delete(work_id)

    def _clean(self) -> None:
        """Delete what killed engines left behind: half-deleted folders, and unfinished environments of no work."""
        built = self._environments.built()  # before the records, so that none of these can belong to a later work
        builders = {(record["builds"], record["id"]) for record in self._works.records("*") if record.get("builds")}
        self._environments.sweep(built, builders)
        self._works.delete_trash()


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0
