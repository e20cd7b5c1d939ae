"""LocalEngine: runs work as processes of this machine, each replica under a supervisor that outlives the server.

Everything it knows lies in files below `root`, so that a new engine on the same folder finds running work again (and
in `home`/environments, see environments.py):

    ids                           how many user ids were given out
    <work>/work.json              which work this is, its replicas and their user ids, the environment that it builds
    <work>/rendezvous/            shared by the replicas of the work
    <work>/<replica>/...          see replica.py and, for the supervisor's files, lowcloud.contract
"""

import hashlib
import os
import re
import secrets
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from lowcloud import contract
from lowcloud.engine.local import containers, gpus, hosts, input_server, isolation, launch_spec, output_reader, staging
from lowcloud.engine.local.environments import Environments, PythonEnvironment
from lowcloud.engine.local.input_server import Feeding
from lowcloud.engine.local.isolation import Walls
from lowcloud.engine.local.launcher import Launcher
from lowcloud.engine.local.replica import Owner, ReplicaFolder, StoppedError, delete, read_record, write_record
from lowcloud.engine.local.sockets import ShortNames
from lowcloud.engine.work import Fetch, FileEntry, LogPage, Replica, ReplicaStatus, Resources, StagingError, Work

TRIAL_SECONDS = 60.0  # for an interpreter to start and end on a machine under load
TRASH = "-trash"  # ends the names of folders that a dead engine may have left to delete


class LocalEngine:
    """Implements lowcloud.engine.Engine.

    `root` holds the folders of running work, `home` all that no program may see (the parent of `root` where not given)
    but for the folders `shows`.
    """

    def __init__(self, root: Path, fetch: Fetch, home: Path | None = None, shows: tuple[Path, ...] = ()):
        self._root = root.absolute()
        self._home = (home or self._root.parent).absolute()
        if self._home == Path("/"):
            raise ValueError("The cloud's home cannot be the root of the file system.")
        self._fetch = fetch
        self._shows = shows
        self._launcher = Launcher()
        self._short_names = ShortNames(self._root, self._home)
        self._feeding = Feeding(self._root, fetch, self._short_names)
        self._environments = Environments(self._home / "environments", self._home)
        self._walls: isolation.Walls | None = None
        self._lazy_trial: str | None = None  # None: not tried yet
        self._walls_guard = threading.Lock()
        self._addresses: dict[tuple[str, int], tuple[ReplicaFolder, str]] = {}
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()  # forgotten when nobody holds it
        self._removing: set[str] = set()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def warm_up(self) -> None:
        """Load built-in programs in the background, so that work starts quickly, and delete what was left half deleted.

        Not before: a server that only looks on must touch nothing that another one is about.
        """
        self._launcher.warm_up()
        if any(self._root.glob(f"*/*/{contract.FEEDS_FOLDER}")):
            self._feeding.open()  # programs wait for what an earlier server gave them
        threading.Thread(target=self._clean, name="trash", daemon=True).start()

    def close(self) -> None:
        """Let go of the warm parent. Running work goes on, or waits where it is fed with inputs."""
        self._launcher.close()
        self._feeding.close()
        self._short_names.close()

    def start(self, work: Work) -> None:
        """See Engine.start. A start that was cut short is carried on; a program never runs a second time."""
        with self._locked(work.id):
            folder = self._folder(work.id)
            folder.mkdir(mode=0o700, exist_ok=True)
            record = read_record(folder / "work.json")
            if not record or "gpus" not in record:  # a torn one is written anew: replicas know if they ever ran
                self._record(work, folder)
            if any(replica.streams or replica.lazy_folders for replica in work.replicas):
                self._feeding.open()
            waiting = [replica for replica in self._replicas(work.id) if not replica.was_started]
            for replica in waiting:
                if not replica.is_staged:
                    self._stage(work, replica)
            waiting = [replica for replica in waiting if replica.is_staged]
            for replica in waiting:
                is_ours = not work.container and launch_spec.is_forked(work)
                self._launcher.launch(replica.path, is_ours)
            for replica in waiting:
                replica.wait_until_started()

    def _record(self, work: Work, folder: Path) -> None:
        first_id = self._count_ids(len(work.replicas))
        facts = {"id": work.id, "replicas": len(work.replicas), "first_id": first_id}
        facts |= {"builds": work.builds, "environment": work.environment}
        with self._guard:  # one work at a time is given GPUs, and has them when this is written
            given = gpus.give(self._gpus_in_use(), work.resources.gpus, len(work.replicas))
            write_record(folder / "work.json", {**facts, "gpus": given})

    def _gpus_in_use(self) -> Iterator[int]:
        for path in self._root.glob("[!.]*/work.json"):
            for number, given in enumerate((read_record(path) or {}).get("gpus", ())):
                if not ReplicaFolder(path.parent / str(number)).has_ended:
                    yield from given

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        """See Engine.status. How a work ends that is being removed says nothing about it."""
        if work_id in self._removing:
            return ()
        return tuple(replica.status() for replica in self._replicas(work_id))

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        """See Engine.logs. Offsets are bytes of the log file."""
        return self._replica(work_id, replica).logs(offset)

    def stop(self, work_id: str, grace_seconds: float) -> None:
        """See Engine.stop."""
        for replica in self._replicas(work_id):
            replica.ask_to_end(grace_seconds)

    def read_file(self, work_id: str, replica: int, path: str, limit_bytes: int) -> bytes | None:
        """See Engine.read_file."""
        return output_reader.read_beneath(self._replica(work_id, replica).base, path, limit_bytes)

    def listing(self, work_id: str, replica: int, folder: str) -> tuple[FileEntry, ...]:
        """See Engine.listing."""
        return output_reader.listing(self._replica(work_id, replica).base, folder)

    def read(self, work_id: str, replica: int, path: str) -> Iterator[bytes]:
        """See Engine.read."""
        return output_reader.read(self._replica(work_id, replica).base, path)

    def archive(self, work_id: str, folder: str) -> Iterator[bytes]:
        """See Engine.archive. Raises OSError where the folder is missing or cannot be read."""
        return output_reader.archive([replica.base for replica in self._replicas(work_id)], folder)

    def address(self, work_id: str, replica: int) -> str | None:
        """See Engine.address. After the first answer it costs about 15 microseconds: every request asks for it."""
        known = self._addresses.get((work_id, replica))
        if known is None:
            place = self._replica(work_id, replica)
            address = self._try_socket(place)
            if address is None:
                return None
            known = self._addresses[work_id, replica] = (place, address)
        place, address = known
        return address if place.is_supervised and not place.has_ended else None

    def _try_socket(self, place: ReplicaFolder) -> str | None:
        """The address of a replica's socket once it accepts connections."""
        if not stat.S_ISSOCK(_mode(place.socket / launch_spec.SOCKET)):
            return None
        path = self._short_names.of(place.socket) / launch_spec.SOCKET
        with socket.socket(socket.AF_UNIX) as trial:
            return f"unix:{path}" if trial.connect_ex(os.fsencode(path)) == 0 else None

    def has_environment(self, key: str) -> bool:
        """See Engine.has_environment."""
        return self._environments.has(key)

    def keep_environment(self, work_id: str) -> None:
        """See Engine.keep_environment."""
        with self._locked(work_id):
            record = read_record(self._folder(work_id) / "work.json")
            if not record:  # it was removed, and so kept before
                return
            if not record.get("builds") or any(status.exit_code != 0 for status in self.status(work_id)):
                raise ValueError(f"{work_id!r} has built no environment.")
            self._environments.keep(record["builds"], work_id)

    def environments(self) -> dict[str, float]:
        """See Engine.environments."""
        return self._environments.used()

    def drop_environment(self, key: str, unused_since: float) -> None:
        """See Engine.drop_environment. A work that is there already is seen by its record, a later one by its use."""
        records = filter(None, map(read_record, self._root.glob("[!.]*/work.json")))
        if not any(record.get("environment") == key for record in records):
            self._environments.forget(key, unused_since)

    def remove(self, work_id: str) -> None:
        """See Engine.remove."""
        with self._locked(work_id):
            self._removing.add(work_id)
            try:
                self._remove(work_id)
            finally:
                self._removing.discard(work_id)

    def capacity(self) -> Resources:
        """See Engine.capacity."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Resources(float(os.cpu_count() or 1), memory, len(gpus.present()))

    def isolation(self) -> str:
        """See Engine.isolation."""
        return self._find_walls().level.sentence

    def _remove(self, work_id: str) -> None:
        replicas = self._replicas(work_id)
        for replica in replicas:
            replica.ask_to_end(0.0)
        for replica in replicas:
            replica.wait_until_dead()
            replica.status()  # one whose supervisor was killed may have left something running
            self._addresses.pop((work_id, int(replica.path.name)), None)
            self._forget_names(replica)
        folder = self._folder(work_id)
        record = read_record(folder / "work.json")
        if record and record.get("builds"):
            self._environments.drop(record["builds"], work_id)
        if folder.exists():
            trash = self._root / f".{secrets.token_hex(8)}{TRASH}"
            folder.rename(trash)
            delete(trash)

    def _folder(self, work_id: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", work_id)[:80]
        return self._root / f"{hashlib.sha256(work_id.encode()).hexdigest()[:20]}-{readable}"

    def _replica(self, work_id: str, number: int) -> ReplicaFolder:
        return ReplicaFolder(self._folder(work_id) / str(number))

    def _replicas(self, work_id: str) -> list[ReplicaFolder]:
        folder = self._folder(work_id)
        record = read_record(folder / "work.json")
        count = record["replicas"] if record else len(list(folder.glob("[0-9]*")))
        return [self._replica(work_id, number) for number in range(count)]

    @contextmanager
    def _locked(self, work_id: str) -> Iterator[None]:
        """One start or remove of a work at a time. One server uses a root, so a lock of this process is enough."""
        with self._guard:
            lock = self._locks.get(work_id) or threading.Lock()
            self._locks[work_id] = lock
        with lock:
            yield

    def _count_ids(self, count: int) -> int:
        """How many user ids were given out before these `count`; no work shares one with another."""
        with self._guard:
            record = read_record(self._root / "ids")
            taken: int = record["taken"] if record else self._ids_in_use()
            write_record(self._root / "ids", {"taken": taken + count})
        return taken

    def _ids_in_use(self) -> int:
        """How many were given out at least, as the works that are there tell."""
        works = filter(None, map(read_record, self._root.glob("*/work.json")))
        return max((work["first_id"] + work["replicas"] for work in works), default=0)

    def _stage(self, work: Work, replica: ReplicaFolder) -> None:
        """Lay a replica's folder, from the beginning: what an interrupted staging left is not to be trusted."""
        record = read_record(replica.path.parent / "work.json")
        assert record is not None, "the work's record is written before its replicas"
        number, walls = int(replica.path.name), self._find_walls()
        owner = isolation.owner(walls.level, record["first_id"], number)
        if work.container:
            owner = Owner(os.geteuid(), os.getegid())
        _check_room(work, number)
        try:
            replica.make(owner)
            wanted = self._possible(work, replica)
            staging.lay(wanted, replica.base, self._fetch_for(replica), owner)
            addresses = hosts.addresses(self._root, record["first_id"], len(work.replicas))
            replica.name_hosts(hosts.table(addresses))
            given = record["gpus"][number]
            if work.container:
                plan = containers.make(work, replica, self._short_names, addresses, given, self._shows)
            else:
                environment = self._environment_of(work, owner)
                plan = launch_spec.make(work, replica, walls, owner, self._short_names, addresses, given, environment)
            if wanted.streams or wanted.lazy_folders:
                plan["feeds"] = input_server.plan(replica, wanted, owner, plan["directory"], self._feeding.folder)
            write_record(replica.path / contract.PLAN_FILE, plan)
        except StoppedError:
            replica.record_stop()

    def _possible(self, work: Work, replica: ReplicaFolder) -> Replica:
        """What can be done here of what is wanted."""
        wanted = work.replicas[int(replica.path.name)]
        if not wanted.lazy_folders:
            return wanted
        reason = "The program runs in a container." if work.container else self._why_not_lazy()
        return input_server.lay_as_files(wanted, replica, reason) if reason else wanted

    def _why_not_lazy(self) -> str:
        """Why no file system of ours can be shown to a replica; nothing where it can. Tried once."""
        walls = self._find_walls()
        with self._walls_guard:
            if self._lazy_trial is None:
                has_namespaces = walls.level.has_namespaces
                self._lazy_trial = (
                    self._try(walls, *input_server.TRIAL) if has_namespaces else "There are no namespaces."
                )
            return self._lazy_trial

    def _environment_of(self, work: Work, owner: Owner) -> PythonEnvironment | None:
        if work.builds:
            return self._environments.make(work.builds, work.id, owner)
        return self._environments.find(work.environment)

    def _fetch_for(self, replica: ReplicaFolder) -> Fetch:
        """Fetch, of whole sources, that gives up when the replica is no longer wanted."""

        def fetch(source: str, _start: int = 0, _end: int | None = None, /) -> Iterator[bytes]:
            for chunk in self._fetch(source):
                if replica.is_unwanted:
                    raise StoppedError
                yield chunk

        return fetch

    def _clean(self) -> None:
        """Delete what dead engines have left: half-deleted folders, and half-built environments of no work."""
        built = self._environments.built()  # before the records, so that none of these can belong to a later work
        records = filter(None, map(read_record, self._root.glob("*/work.json")))
        works = {(record["builds"], record["id"]) for record in records if record.get("builds")}
        self._environments.sweep(built, works)
        for trash in self._root.glob(f".*{TRASH}"):
            delete(trash)

    def _find_walls(self) -> Walls:
        """The strongest walls that hold here; tried once, by running a program behind them."""
        with self._walls_guard:
            if self._walls is None:
                *levels, last = isolation.levels()
                failures: list[str] = []
                while levels and (failure := self._try(isolation.walls(levels[0], self._home, self._shows))):
                    failures.append(failure)
                    levels.pop(0)
                level = isolation.after_failures(levels[0] if levels else last, failures)
                self._walls = isolation.walls(level, self._home, self._shows)
            return self._walls

    def _try(self, walls: Walls, wanted: Replica | None = None, code: str = "import lowcloud") -> str:
        """Why no Python program runs behind these walls; nothing where one does."""
        folder = self._root / f".{secrets.token_hex(8)}{TRASH}"
        folder.mkdir(mode=0o700)
        replica = ReplicaFolder(folder / "0")
        try:
            owner = isolation.owner(walls.level, self._count_ids(1), 0)
            replica.make(owner)
            environment = {"PYTHONPATH": ":".join(sys.path)}
            work = Work(folder.name, ("python", "-c", code), (Replica(environment),), self.capacity())
            replica.name_hosts("")
            plan = launch_spec.make(work, replica, walls, owner, self._short_names, {hosts.name(0): "127.0.0.1"}, [])
            if wanted is not None:
                self._feeding.open()
                staging.lay(wanted, replica.base, self._fetch, owner)
                plan["feeds"] = input_server.plan(replica, wanted, owner, plan["directory"], self._feeding.folder)
            write_record(replica.path / contract.PLAN_FILE, plan)
            self._launcher.launch(replica.path, is_built_in=False)
            replica.wait_until_dead(TRIAL_SECONDS)
            return "" if replica.status().exit_code == 0 else replica.last_words()
        finally:
            self._forget_names(replica)
            delete(folder)

    def _forget_names(self, replica: ReplicaFolder) -> None:
        for folder in (replica.socket, replica.rendezvous):
            self._short_names.forget(folder)


def _check_room(work: Work, number: int) -> None:
    needed = sum(item.size_bytes for item in work.replicas[number].inputs)
    if work.disk_bytes and needed > work.disk_bytes:
        raise StagingError(f"The inputs have {needed:,} bytes, and the volume may hold {work.disk_bytes:,}.")


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0
