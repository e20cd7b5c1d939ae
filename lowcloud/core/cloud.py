"""One cloud: its settings, its stores and its engine, passed to every function of core."""

import time
from dataclasses import dataclass

from lowcloud.engine import Engine
from lowcloud.settings import Settings
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from lowcloud.store.files import Files


@dataclass(frozen=True)
class Cloud:
    """What a request or a reconciler step works with."""

    settings: Settings
    database: Database
    keys: KeyRing
    files: Files
    engine: Engine

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()
