"""Which of several servers of one store carries jobs forward: one leads, and when it is gone another does.

The lead is a lock on a file in the folder of running work, for that folder is what only one server may touch. The
kernel frees it however the leader ends, and not before: whoever has it knows that no turn of another is under way.
"""

import fcntl
import logging
import threading
from pathlib import Path
from typing import TextIO

from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import Kinds, Reconciler
from lowcloud.store.blobs.deletion_lock import try_lock

POLL_SECONDS = 0.5

log = logging.getLogger("lowcloud.leading")


class Leading:
    """Runs a reconciler once this server leads. All others serve requests, and write rows for the leader to find."""

    def __init__(self, context: Context, kinds: Kinds):
        self._context = context
        self._kinds = kinds
        self._presence = _open(context.settings.work / ".servers")
        self._lead = _open(context.settings.work / ".leader")
        self._reconciler: Reconciler | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leading", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this server carries jobs forward."""
        return self._reconciler is not None

    def start(self) -> None:
        """Take the lead where nobody has it, or else as soon as it is free."""
        fcntl.flock(self._presence, fcntl.LOCK_SH)
        self._try()
        if not self.leads:
            self._thread.start()

    def stop(self) -> bool:
        """End the turns in progress and give up the lead. Whether this was the last server of the store."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._reconciler is not None:
            self._reconciler.stop()
            self._reconciler = None
        self._lead.close()
        fcntl.flock(self._presence, fcntl.LOCK_UN)  # of two that stop at once, one will be the last
        return try_lock(self._presence.fileno(), fcntl.LOCK_EX)

    def close(self) -> None:
        """Let the next server start, which waits while the last one clears up."""
        self._presence.close()

    def _watch(self) -> None:
        while not self.leads and not self._ended.wait(POLL_SECONDS):
            self._try()
            if self.leads:
                log.info("this server carries jobs forward from here on")
                self._context.engine.warm_up()

    def _try(self) -> None:
        if try_lock(self._lead.fileno(), fcntl.LOCK_EX):
            reconciler = Reconciler(self._context, self._kinds)
            reconciler.start(is_alone=True)
            self._reconciler = reconciler


def _open(path: Path) -> TextIO:
    return path.open("w")
