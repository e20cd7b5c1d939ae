"""Work, and the Engine protocol that runs it; lowcloud.engine.local runs it as processes of this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lowcloud import contract

LOG_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Resources:
    """The resources allocated to one replica, or available on a machine."""

    cpus: float
    memory_bytes: int
    gpus: int = 0


@dataclass(frozen=True)
class Input:
    """One file to write to a replica's folder before its program starts."""

    path: str  # relative to the replica's base folder, e.g. "input/data/train/part-0.csv"
    source: str  # passed to the engine's Fetch, e.g. "s3://bucket/key?versionId=..."; opaque to the engine
    size_bytes: int


@dataclass(frozen=True, slots=True)
class InputSource:
    """A source of bytes: a name to pass to Fetch, as in Input."""

    name: str
    size_bytes: int


Record = tuple[InputSource | str, ...]  # contents of sources, and texts, to send one after the other


@dataclass(frozen=True)
class LazyFolder:
    """A folder of files that are listed from the start and whose bytes are fetched when they are read.

    An engine that cannot do so stages them as files, and says so in the first line of the replica's log.
    """

    path: str  # relative to the replica's base folder
    files: tuple[Input, ...]  # below the path, with paths relative to the base as everywhere


@dataclass(frozen=True)
class Stream:
    """Records sent to a program through named pipes `path`_0, `path`_1, ...: one per epoch, each with all records."""

    path: str  # relative to the replica's base folder
    records: tuple[Record, ...]
    is_gzip: bool = False  # sources are decompressed before they are sent
    is_framed: bool = False  # each source and text is sent in its own RecordIO frame
    seed: int | None = None  # shuffles the records differently for every epoch
    shard: int = 0  # with `shards`: after shuffling, only every shards-th record is sent, starting with this one
    shards: int = 1


class Fetch(Protocol):
    """Reads a source by its name."""

    def __call__(self, source: str, start: int = 0, end: int | None = None, /) -> Iterator[bytes]:
        """Return bytes `start` to `end` (exclusive), in chunks. Raises StagingError if they can never be read."""


@dataclass(frozen=True)
class Replica:
    """The environment variables and files specific to one replica of a work."""

    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # small text files by path, e.g. configuration JSON
    inputs: tuple[Input, ...] = ()
    lazy_folders: tuple[LazyFolder, ...] = ()
    streams: tuple[Stream, ...] = ()
    folders: tuple[str, ...] = ()  # created empty, in addition to the usual ones, e.g. "processing/output/train"
    archives: tuple[Input, ...] = ()  # tar.gz objects to unpack into the folder `path`, e.g. a model


@dataclass(frozen=True)
class Work:
    """A program to run in one or more replicas: a training host, an endpoint replica, an environment build.

    The caller chooses the id: starting the same id again refers to the same work. A command that begins with
    ("python", "-m", module) and a lowcloud.runtime module runs in a fork of the warm parent, or with the interpreter of
    the work's environment if it has one.
    """

    id: str
    command: tuple[str, ...]
    replicas: tuple[Replica, ...]
    resources: Resources
    # whether the program may reach other machines; isolation() says whether the engine cannot prevent it
    network: bool = False
    serves: bool = False  # the program listens on the socket named by contract.SOCKET_VARIABLE
    # its Python: "" the engine's, "/path" a user's environment, otherwise the key of one built here
    environment: str = ""
    disk_bytes: int = 0  # limit of each replica's folders, inputs included; 0: no limit
    log_bytes: int = LOG_BYTES  # limit of the log; beyond it, only the end of each minute's output is kept
    container: str = ""  # a Docker or Podman image to run instead, with `command` as its arguments
    entrypoint: tuple[str, ...] = ()  # replaces the image's entrypoint
    builds: str = ""  # the key of the environment that this work builds in the folder contract.ENVIRONMENT_VARIABLE


class Phase(StrEnum):
    """The phase of one replica; the last two are final."""

    ABSENT = "absent"  # unknown to this engine
    STAGING = "staging"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"  # it ran and ended without a recorded exit code (machine restart, supervisor killed)

    @property
    def is_end(self) -> bool:
        return self in (Phase.EXITED, Phase.LOST)


@dataclass(frozen=True)
class ReplicaStatus:
    """The observed status of one replica; times are seconds since the epoch."""

    phase: Phase
    exit_code: int | None = None  # negative: ended by that signal
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""  # why the engine ended it: contract.OUT_OF_MEMORY, DISK_FULL or INPUT_LOST

    @property
    def out_of_memory(self) -> bool:
        """Whether it was killed for exceeding its memory limit."""
        return self.reason == contract.OUT_OF_MEMORY


@dataclass(frozen=True)
class LogLine:
    """One line that a replica printed."""

    timestamp_ms: int
    text: str


@dataclass(frozen=True)
class LogPage:
    """Log lines from an offset on, and the offset of the next page."""

    lines: tuple[LogLine, ...]
    next_offset: int


@dataclass(frozen=True)
class FileEntry:
    """One regular file, as of the time its folder was listed."""

    path: str  # relative to the folder that was listed
    size_bytes: int
    modified_ns: int  # since the epoch


class EngineNotReadyError(Exception):
    """No work can be started now; the message gives the reason, and what to do."""


@dataclass(frozen=True)
class IsolationStatus:
    """How the leader of a store isolates replicas, as far as it has found out."""

    level: str = ""  # "" before a level is found that works
    sentence: str = ""  # describes the level
    waits_for: str = ""  # why no work is started yet


class StagingError(Exception):
    """A replica's folder could not be prepared; the message is for the user."""


class Engine(Protocol):
    """Runs work. Retries, time limits and scaling are the caller's concern. Every method is idempotent."""

    def warm_up(self) -> None:
        """Load, in the background, what makes work start quickly."""

    def close(self) -> None:
        """Release the resources of this process; work continues to run."""

    def start(self, work: Work) -> None:
        """Stage the inputs and start every replica, or do nothing if this id was started already.

        Blocks while inputs are staged. Raises StagingError, and EngineNotReadyError before anything has started.
        """

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        """Return the status of each replica; empty if the id is unknown."""

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        """Return the complete lines printed since `offset` (0 at first), at most about 1 MB of them."""

    def stop(self, work_id: str, grace_seconds: float) -> None:
        """Request that every replica stop (SIGTERM), and kill it after the grace period (SIGKILL); does not wait."""

    def read_file(self, work_id: str, replica: int, path: str, limit_bytes: int) -> bytes | None:
        """Return the first bytes of a file in the replica's base folder, or None."""

    def list_files(self, work_id: str, replica: int, folder: str) -> tuple[FileEntry, ...]:
        """Return the regular files of a folder in the replica's base folder, recursively, also while its program runs.

        Links are not followed, and a missing folder has no files. Raises OSError if it cannot be read.
        """

    def stream_file(self, work_id: str, replica: int, path: str) -> Iterator[bytes]:
        """Return a file in the replica's base folder, in chunks, up to its current size; links are not followed.

        Raises OSError if it is missing (FileNotFoundError) or cannot be read.
        """

    def archive(self, work_id: str, folder: str) -> Iterator[bytes]:
        """Return a tar.gz of one folder of all replicas' base folders, in chunks; links are not followed.

        Of files that have the same name, the first replica's is kept.
        """

    def address(self, work_id: str, replica: int) -> str | None:
        """Return the address of a serving replica, "unix:/path" or "http://host:port"; None before it listens."""

    def has_environment(self, key: str) -> bool:
        """Return whether an environment with this key is published. The check counts as a use."""

    def publish_environment(self, work_id: str) -> None:
        """Publish the environment that a work has built, unless one with its key is published already.

        Raises ValueError if the work has not exited with 0.
        """

    def environments(self) -> Mapping[str, float]:
        """Return when each published environment was last used, in seconds since the epoch, by key."""

    def delete_environment(self, key: str, unused_since: float) -> None:
        """Delete an environment, unless it was used after this time or an existing work runs with it."""

    def remove(self, work_id: str) -> None:
        """Kill the processes of this work and delete its folder."""

    def capacity(self) -> Resources:
        """Return the total resources of the engine."""

    def isolation(self) -> str:
        """Describe, in one sentence, how replicas are isolated from the machine. Raises EngineNotReadyError."""

    def readiness(self) -> str:
        """Return "" if work can be started, otherwise why not. What is missing is tried again, with growing delays."""

    def wait_until_ready(self, timeout_seconds: float) -> None:
        """Wait until what `warm_up` has begun has shown whether work can be started now; see readiness."""

    def isolation_status(self) -> IsolationStatus:
        """Return what the leader's engine, perhaps in another process, knows of the isolation of replicas."""


def status_of(engine: Engine, work_id: str) -> ReplicaStatus:
    """Return the status of the only replica of a work; absent if the id is unknown."""
    return next(iter(engine.status(work_id)), ReplicaStatus(Phase.ABSENT))


def reported_failure(engine: Engine, work_id: str, replica: int, limit_bytes: int) -> str:
    """Return what the program of a replica has written to its failure file; "" if nothing."""
    reported = engine.read_file(work_id, replica, contract.FAILURE, limit_bytes) or b""
    return reported.decode(errors="replace").strip("\0 \t\r\n")
