"""One cloud: its settings, its stores and its engine, passed to every function of core."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from lowcloud.core.staging.output_sync import Synced
from lowcloud.engine.connections import Connections
from lowcloud.engine.work import Engine
from lowcloud.home.settings import Settings
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.blobs.files import BlobStore
from lowcloud.store.blobs.reserve import DiskReserve
from lowcloud.store.db.database import Database

FRESH_SECONDS = 0.5

T = TypeVar("T")


class ShuttingDownError(Exception):
    """The server goes down: what it was about is left as it is, for the next server to carry on."""


class WakeSignal:
    """Rung by whoever leaves a row due, so that the reconciler looks at once rather than at its next round."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called at every ring, in the ringing thread."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call this listener no more."""
        self._listeners.remove(listener)

    def ring(self) -> None:
        """Something is due."""
        for listener in list(self._listeners):
            listener()


class ReadCache:
    """Remembers what was read, until the bell rings here or FRESH_SECONDS are over (another server may change it)."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[float, object]] = {}
        self._rings = 0

    def get(self, key: object, read: Callable[[], T]) -> T:
        """What `read` gave a moment ago, or gives now."""
        now = time.monotonic()
        read_at, value = self._known.get(key, (float("-inf"), None))
        if now - read_at < FRESH_SECONDS:
            return cast(T, value)
        rings = self._rings
        fresh = read()
        if rings == self._rings:  # else it may have been read just before the change
            self._known[key] = (now, fresh)
        return fresh

    def forget(self) -> None:
        """Something has changed."""
        self._rings += 1
        self._known.clear()


@dataclass(frozen=True, eq=False)
class Context:
    """What a request or a reconciler's turn works with."""

    settings: Settings
    database: Database
    keys: KeyRing
    files: BlobStore
    reserve: DiskReserve
    engine: Engine
    connections: Connections = field(default_factory=Connections)
    bell: WakeSignal = field(default_factory=WakeSignal)
    recent: ReadCache = field(default_factory=ReadCache)
    slow_metrics: set[tuple[str, str]] = field(default_factory=set)  # job, metric: looked for no more
    synced: Synced = field(default_factory=Synced)
    endpoint: str = ""  # where programs of this machine reach the gateway
    closing: threading.Event = field(default_factory=threading.Event)  # the reconciler wants its turns to end

    def __post_init__(self) -> None:
        self.bell.listen(self.recent.forget)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()
