"""Leader election among the servers of one store: the leader runs the reconciler; when it ends, another takes over.

Leadership is a lock on a file in the folder of running work, since only one server may touch that folder. The
operating system releases it however the leader ends, and not before: a server that holds it knows that no turn of
another server is in progress.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sqlalchemy.exc import SQLAlchemyError

from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import Reconciler
from lowcloud.store.blobs.deletion_lock import try_lock

POLL_SECONDS = 0.5
LEADER = ".leader"  # in the folder of running work: the leader holds a lock on it, and writes its home there
PRESENCE = ".servers"  # in the folder of running work: every server holds a shared lock on this file

log = logging.getLogger("lowcloud.leader_election")


class LeaderElection:
    """Runs a reconciler while this server is the leader. Followers serve requests, and write rows for the leader."""

    def __init__(self, context: Context):
        self._context = context
        self._presence = _open(context.settings.work / PRESENCE)
        self._leadership = _open(context.settings.work / LEADER)
        self._reconciler: Reconciler | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leader election", daemon=True)

    @property
    def is_leader(self) -> bool:
        """Whether this server runs the reconciler."""
        return self._reconciler is not None

    def start(self) -> None:
        """Become the leader if there is none, or else as soon as there is none."""
        fcntl.flock(self._presence, fcntl.LOCK_SH)
        self._try_to_lead()
        if not self.is_leader:
            self._thread.start()

    def stop(self) -> bool:
        """End the turns in progress and resign. Return whether this was the last server of the store."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._reconciler is not None:
            self._reconciler.stop()
            self._reconciler = None
        self._leadership.close()
        fcntl.flock(self._presence, fcntl.LOCK_UN)  # of two that stop at the same time, one will be the last
        return try_lock(self._presence.fileno(), fcntl.LOCK_EX)

    def close(self) -> None:
        """Release the presence lock, for which the next server waits while the last one shuts down."""
        self._presence.close()

    def _watch(self) -> None:
        while not self.is_leader and not self._ended.wait(POLL_SECONDS):
            try:
                self._try_to_lead()
            except SQLAlchemyError:
                log.exception("This server could not become the leader; it will try again")
                continue
            if self.is_leader:
                log.info("This server is now the leader: it advances jobs and endpoints")
                self._context.engine.warm_up()

    def _try_to_lead(self) -> None:
        if not try_lock(self._leadership.fileno(), fcntl.LOCK_EX):
            return
        self._sign()
        reconciler = Reconciler(self._context)
        try:
            reconciler.start()
        except BaseException:
            fcntl.flock(self._leadership, fcntl.LOCK_UN)  # so that another server, or this one later, can lead
            raise
        self._reconciler = reconciler

    def _sign(self) -> None:
        """Write the home of this server, which is the leader, into the file that says so."""
        descriptor = self._leadership.fileno()
        os.ftruncate(descriptor, 0)
        try:
            os.write(descriptor, bytes(self._context.settings.home))
        except OSError as error:  # a full disk; the name is for people only
            log.warning("the home of the leader could not be written: %s", error)


def leader_of(work: Path) -> str | None:
    """Return the home of the leader of a store, "" if the disk is too full for its name; None if there is no leader."""
    try:
        with (work / LEADER).open() as file:
            if try_lock(file.fileno(), fcntl.LOCK_SH):
                return None
            return file.read()
    except FileNotFoundError:
        return None


class ServersRunningError(Exception):
    """A server of the store is running."""


@contextmanager
def no_servers(work: Path) -> Iterator[None]:
    """Prevent servers of the store from starting within the block. Raises ServersRunningError if one is running."""
    with _open(work / PRESENCE) as presence:
        if not try_lock(presence.fileno(), fcntl.LOCK_EX):
            raise ServersRunningError
        yield


def _open(path: Path) -> TextIO:
    return path.open("a")
