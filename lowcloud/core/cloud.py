"""One cloud: its settings, its stores and its engine, passed to every function of core."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lowcloud.engine import Engine
from lowcloud.engine.connections import Connections
from lowcloud.settings import Settings
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from lowcloud.store.files import Files


class Bell:
    """Rung by whoever leaves a row due, so that the reconciler looks at once rather than at its next round."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called at every ring, in the ringing thread."""
        self._listeners.append(listener)

    def ring(self) -> None:
        """Something is due."""
        for listener in self._listeners:
            listener()


@dataclass(frozen=True)
class Cloud:
    """What a request or a reconciler's turn works with."""

    settings: Settings
    database: Database
    keys: KeyRing
    files: Files
    engine: Engine
    connections: Connections = field(default_factory=Connections)
    bell: Bell = field(default_factory=Bell)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()
