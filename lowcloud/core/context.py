"""The context of one cloud: its settings, stores, engine and registry, passed to every function of core."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar, cast

from lowcloud.core.resource_kind import Registry
from lowcloud.engine.connections import Connections
from lowcloud.engine.work import Engine
from lowcloud.home.settings import Settings
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.blobs.files import BlobStore
from lowcloud.store.blobs.reserve import DiskReserve
from lowcloud.store.db.database import Database
from lowcloud.store.generation import Generation

CACHE_SECONDS = 0.5
CACHED_VALUES = 10_000  # whatever a caller asks about is cached: access keys that do not exist, too

T = TypeVar("T")


class ShuttingDownError(Exception):
    """The server shuts down: the operation in progress is left as it is, and the next server continues it."""


class WakeSignal:
    """Tells the reconciler that a row is due, so that it looks immediately rather than at its next scan."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Call `subscriber` at every notification, in the notifying thread."""
        self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Callable[[], None]) -> None:
        """Stop calling this subscriber."""
        self._subscribers.remove(subscriber)

    def notify(self) -> None:
        """Call every subscriber: a row has become due."""
        for subscriber in list(self._subscribers):
            subscriber()


class NotCachedError(Exception):
    """The cache does not have a value that is fresh."""


class ReadCache:
    """Caches what was read until the next wake signal, or for CACHE_SECONDS (another server may change it)."""

    def __init__(self) -> None:
        self._cached: dict[object, tuple[float, object]] = {}
        self._generation = 0

    def get(self, key: object, read: Callable[[], T], max_age_seconds: float = CACHE_SECONDS) -> T:
        """Return the cached value of `key` unless it is older, or else what `read` returns."""
        now = time.monotonic()
        read_at, value = self._cached.get(key, (float("-inf"), None))
        if now - read_at < max_age_seconds:
            return cast(T, value)
        generation = self._generation
        fresh = read()
        if len(self._cached) >= CACHED_VALUES:
            self._cached.clear()
        if generation == self._generation:  # otherwise it may have been read just before the change
            self._cached[key] = (now, fresh)
        return fresh

    def clear(self) -> None:
        """Discard all cached values: something has changed."""
        self._generation += 1
        self._cached.clear()


class AccessCache:
    """Caches what decides on access: policies, keys, lists. A change in any process of the store is seen at once.

    Servers of one store on several machines share no memory: they see each other's changes after CACHE_SECONDS.
    """

    def __init__(self, generation: Generation):
        self._generation = generation
        self._cached: dict[object, tuple[bytes, float, object]] = {}

    def get(self, key: object, read: Callable[[], T]) -> T:
        """Return the cached value of `key` unless anything has changed since, or else what `read` returns."""
        with suppress(NotCachedError):
            return self.known(key, read)
        generation, now = self._generation.current(), time.monotonic()  # before reading: a change makes it out of date
        fresh = read()
        if len(self._cached) >= CACHED_VALUES:  # requests may ask for any name
            self._cached.clear()
        self._cached[key] = (generation, now, fresh)
        return fresh

    def known(self, key: object, _read: Callable[[], T]) -> T:
        """Return what `get` does if it needs not read. Raises NotCachedError."""
        generation, read_at, value = self._cached.get(key, (b"", 0.0, None))
        if generation != self._generation.current() or time.monotonic() - read_at >= CACHE_SECONDS:
            raise NotCachedError
        return cast(T, value)

    def invalidate(self) -> None:
        """Discard all cached values of all processes. Called after the transaction that changes what decides."""
        self._generation.advance()


class ProcessState:
    """State that core keeps in the memory of this process: one object of each class, created when first used."""

    def __init__(self) -> None:
        self._objects: dict[type, object] = {}
        self._lock = threading.Lock()

    def get(self, cls: type[T]) -> T:
        """Return this process's object of a class, whose constructor takes no arguments."""
        with self._lock:
            if cls not in self._objects:
                self._objects[cls] = cls()
            return cast(T, self._objects[cls])


@dataclass(frozen=True, eq=False)
class Context:
    """Settings, database, blobs and engine of one cloud, for a request or a turn of the reconciler."""

    settings: Settings
    database: Database
    keys: KeyRing
    files: BlobStore
    reserve: DiskReserve
    engine: Engine
    kinds: Registry
    access: AccessCache
    connections: Connections = field(default_factory=Connections)
    wake: WakeSignal = field(default_factory=WakeSignal)
    cache: ReadCache = field(default_factory=ReadCache)
    memory: ProcessState = field(default_factory=ProcessState)
    endpoint: str = ""  # where programs of this machine reach the gateway
    closing: threading.Event = field(default_factory=threading.Event)  # set when the reconciler shuts down

    def __post_init__(self) -> None:
        self.wake.subscribe(self.cache.clear)

    @property
    def account_id(self) -> str:
        """The account whose resources an operation works on."""
        return self.settings.account_id

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()
