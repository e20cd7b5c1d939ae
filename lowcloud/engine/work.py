"""Work, and what an engine does with it; local.py runs it as processes of this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lowcloud import contract

LOG_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Resources:
    """What one replica may use, or what a machine has."""

    cpus: float
    memory_bytes: int
    gpus: int = 0


@dataclass(frozen=True)
class Input:
    """One file to lay into a replica's folder before its program starts."""

    path: str  # relative to the replica's base folder, e.g. "input/data/train/part-0.csv"
    source: str  # what the engine hands to its Fetch, e.g. "s3://bucket/key?versionId=..."; opaque to the engine
    size_bytes: int


@dataclass(frozen=True, slots=True)
class InputSource:
    """What an engine reads bytes from: a name that it hands to its Fetch, as in Input."""

    name: str
    size_bytes: int


Record = tuple[InputSource | str, ...]  # what is sent one after the other: bytes of sources, and texts


@dataclass(frozen=True)
class LazyFolder:
    """A folder of files that are there at once and whose bytes come when they are read.

    An engine that cannot do so lays them as files, and says it in the first line of the replica's log.
    """

    path: str  # relative to the replica's base folder
    files: tuple[Input, ...]  # below the path, with paths relative to the base as everywhere


@dataclass(frozen=True)
class Stream:
    """Records that a program reads from named pipes `path`_0, `path`_1, ...: all of them from each, one an epoch."""

    path: str  # relative to the replica's base folder
    records: tuple[Record, ...]
    is_gzip: bool = False  # sources are unpacked on their way
    is_framed: bool = False  # each source and text goes in a RecordIO frame of its own
    seed: int | None = None  # shuffles the records, anew for every epoch
    shard: int = 0  # with `shards`: after shuffling, only each shards-th record is sent, from this one on
    shards: int = 1


class Fetch(Protocol):
    """Gives the bytes behind the name of a source."""

    def __call__(self, source: str, start: int = 0, end: int | None = None, /) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in chunks. Raises StagingError where they never will be had."""


@dataclass(frozen=True)
class Replica:
    """What one replica of a work gets of its own."""

    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # small texts by path, e.g. configuration JSON
    inputs: tuple[Input, ...] = ()
    lazy_folders: tuple[LazyFolder, ...] = ()
    streams: tuple[Stream, ...] = ()
    folders: tuple[str, ...] = ()  # made empty, beside the usual ones, e.g. "processing/output/train"
    archives: tuple[Input, ...] = ()  # tar.gz objects unpacked safely into the folder `path`, e.g. a model


@dataclass(frozen=True)
class Work:
    """Something to run: a training host, an endpoint replica, any program under the contract.

    The id is the caller's: starting the same id again is the same work. A command whose first words are
    ("python", "-m", module) with a lowcloud.runtime module runs in a fork of the warm parent, or by the interpreter of
    the work's environment where it has one.
    """

    id: str
    command: tuple[str, ...]
    replicas: tuple[Replica, ...]
    resources: Resources
    network: bool = False  # whether the program may reach other machines; an engine that cannot forbid it says so
    serves: bool = False  # the program listens on the socket named by contract.SOCKET_VARIABLE
    environment: str = ""  # the Python it runs with: "" the engine's, "/path" a user's, else the key of one built here
    disk_bytes: int = 0  # what each replica may hold in its folders, inputs included; 0: as much as there is room
    log_bytes: int = LOG_BYTES  # what of its output is kept; from there on, the end of each minute's alone
    container: str = ""  # an image of Docker's or Podman's to run instead, with `command` for its arguments
    entrypoint: tuple[str, ...] = ()  # what an image starts instead of its own
    builds: str = ""  # the key of the environment that it builds, in the folder named by contract.ENVIRONMENT_VARIABLE


class Phase(StrEnum):
    """Where one replica stands."""

    ABSENT = "absent"  # this engine knows nothing of it
    STAGING = "staging"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"  # it ran, and ended without leaving an exit code (machine restart, supervisor killed)


@dataclass(frozen=True)
class ReplicaStatus:
    """The facts of one replica; times are seconds since the epoch."""

    phase: Phase
    exit_code: int | None = None  # negative: ended by that signal
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""  # why the engine ended it: contract.OUT_OF_MEMORY, DISK_FULL or INPUT_LOST

    @property
    def out_of_memory(self) -> bool:
        """Whether it was ended for its memory."""
        return self.reason == contract.OUT_OF_MEMORY


@dataclass(frozen=True)
class LogLine:
    """One line a replica printed."""

    timestamp_ms: int
    text: str


@dataclass(frozen=True)
class LogPage:
    """Lines from an offset on, and the offset to ask with next."""

    lines: tuple[LogLine, ...]
    next_offset: int


@dataclass(frozen=True)
class FileEntry:
    """One regular file, as it was when its folder was listed."""

    path: str  # relative to the folder that was listed
    size_bytes: int
    modified_ns: int  # since the epoch


class StagingError(Exception):
    """An input could not be laid into the replica's folder; the message is for the user."""


class Engine(Protocol):
    """Runs work. Retry, time limits and scaling are above it. Every method is safe to repeat."""

    def warm_up(self) -> None:
        """Make ready, in the background, what lets work start fast."""

    def close(self) -> None:
        """Let go of what this process holds; work goes on."""

    def start(self, work: Work) -> None:
        """Lay the inputs and start every replica, or do nothing where this id was started already.

        Blocks while inputs are laid. Raises StagingError.
        """

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        """The state of each replica; empty where the id is unknown."""

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        """Whole lines printed since `offset` (0 at first), at most about 1 MB of them."""

    def stop(self, work_id: str, grace_seconds: float) -> None:
        """Ask every replica to end (SIGTERM) and end it after the grace (SIGKILL); returns at once."""

    def read_file(self, work_id: str, replica: int, path: str, limit_bytes: int) -> bytes | None:
        """The first bytes of a file under the replica's base folder, or None."""

    def listing(self, work_id: str, replica: int, folder: str) -> tuple[FileEntry, ...]:
        """The regular files anywhere below a folder under the replica's base folder, also while its program runs.

        Links are not followed, and a missing folder has no files. Raises OSError where it cannot be read.
        """

    def read(self, work_id: str, replica: int, path: str) -> Iterator[bytes]:
        """A file under the replica's base folder, in chunks, up to the size that it has now; it follows no link.

        Raises OSError where there is none (FileNotFoundError) or it cannot be read.
        """

    def archive(self, work_id: str, folder: str) -> Iterator[bytes]:
        """A tar.gz of what all replicas have in a folder under their base folders, in chunks; it follows no link.

        Of files that have the same name, that of the first replica is kept.
        """

    def address(self, work_id: str, replica: int) -> str | None:
        """Where a serving replica answers, "unix:/path" or "http://host:port"; None before it listens."""

    def has_environment(self, key: str) -> bool:
        """Whether an environment of this key was built and kept. Who asks is about to use it."""

    def keep_environment(self, work_id: str) -> None:
        """Publish what a work has built, once it has exited with 0. Where its key is published already, that one stays.

        Raises ValueError where the work has not ended well.
        """

    def environments(self) -> Mapping[str, float]:
        """When each environment that is kept was last used, in seconds since the epoch, by its key."""

    def drop_environment(self, key: str, unused_since: float) -> None:
        """Delete an environment, unless it was used after this time or a work that is there runs with it."""

    def remove(self, work_id: str) -> None:
        """End what still runs of this work and delete its folder."""

    def capacity(self) -> Resources:
        """What the engine can give in all."""

    def isolation(self) -> str:
        """One sentence: what separates a replica from the machine at the level in force."""
