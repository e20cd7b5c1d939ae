"""The reconciler: one loop that carries every unfinished record forward. Start here to follow a job.

A request handler only writes a row and leaves it due. The loop claims due rows with a lease and gives each, turn after
turn, to its kind's `advance` in a worker thread, until that says there is nothing left to do. What a turn saves is
guarded by the lease (`LeasedRecord.save`), so a server that was paused past its lease cannot overwrite its successor's
work. Jobs are carried by jobs_lifecycle.advance, endpoints by endpoints_lifecycle.advance.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, true, update
from sqlalchemy.exc import DBAPIError

from lowcloud.core.context import Context, ShuttingDownError

LEASE_SECONDS = 15.0
SCAN_SECONDS = 0.5  # how soon rows written by another server's handlers are noticed
RETRY_SECONDS = 5.0  # after a turn that failed for a reason of the machine's
WORKERS = 16

log = logging.getLogger("lowcloud.reconciler")


class LeaseLostError(Exception):
    """Another server carries this record now; whoever sees this must stop touching it."""


@dataclass(frozen=True)
class LeasedRecord:
    """The right to change one record for as long as the lease lasts."""

    context: Context
    table: Table
    name: str
    owner: str

    def save(
        self,
        values: Mapping[str, Any],
        also: Callable[[Connection], object] | None = None,
        where: ColumnElement[bool] | None = None,
    ) -> bool:
        """Change the record, and whatever `also` changes, in one transaction. Raises LeaseLostError.

        False, and nothing is changed, where the record does not meet `where`: a wish has come in between.
        """
        with self.context.database.transaction() as connection:
            meets = true() if where is None else where
            changed = connection.execute(update(self.table).where(*self._is_held(), meets).values(**values))
            if changed.rowcount != 1:
                if where is None or not connection.execute(select(self.table.c.name).where(*self._is_held())).first():
                    raise LeaseLostError(self.name)
                return False
            if also:
                also(connection)
            return True

    def remove(self, also: Callable[[Connection], None]) -> None:
        """Delete the record, and whatever `also` deletes, in one transaction. Raises LeaseLostError."""
        with self.context.database.transaction() as connection:
            if connection.execute(delete(self.table).where(*self._is_held())).rowcount != 1:
                raise LeaseLostError(self.name)
            also(connection)

    def release(
        self,
        due_at: float | None,
        also: Callable[[Connection], object] | None = None,
        where: ColumnElement[bool] | None = None,
    ) -> bool:
        """Let go, with nothing left to do (None) or something for whoever claims it next. Else as `save`."""
        return self.save({"lease_owner": None, "lease_until": 0, "due_at": due_at}, also, where)

    def _is_held(self) -> tuple[ColumnElement[bool], ...]:
        return (self.table.c.name == self.name, self.table.c.lease_owner == self.owner)


# Take a record one turn further. Returns the seconds until its next turn, or None where it was released or removed.
Advance = Callable[[LeasedRecord], float | None]
Kinds = Mapping[Table, Advance]


class Reconciler:
    """Runs the loop in a thread of its own until `stop`."""

    def __init__(self, context: Context, kinds: Kinds):
        self._context = context
        self._kinds = kinds
        self._owner = secrets.token_hex(8)
        self._next_turn: dict[LeasedRecord, float] = {}  # claims waiting for their turn
        self._running: set[LeasedRecord] = set()
        self._woken: set[LeasedRecord] = set()  # those whose turn something was written in
        self._lock = threading.Lock()
        self._scan_at = 0.0
        self._signal = threading.Event()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="reconciler")
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
        context.bell.listen(self.wake)

    def start(self, is_alone: bool) -> None:
        """Begin. A server that is alone on its database takes over at once what its predecessor held."""
        if is_alone:
            self._forget_leases()
        self._context.closing.clear()
        self._thread.start()

    def stop(self) -> None:
        """End after the turns in progress, which move no more bytes; what is unfinished stays due for the next."""
        self._context.bell.forget(self.wake)
        self._context.closing.set()
        self._signal.set()
        self._thread.join()
        self._workers.shutdown(wait=True)
        try:
            for claim in list(self._next_turn):
                with suppress(LeaseLostError):
                    claim.release(self._context.now())
        except DBAPIError:
            log.warning("The database is gone: the leases on unfinished records will run out", exc_info=True)

    def wake(self) -> None:
        """Something was written that should not wait: look now, at new rows and at every claimed record."""
        with self._lock:
            for claim in self._next_turn:
                self._next_turn[claim] = 0
            self._woken |= self._running
            self._scan_at = 0
        self._signal.set()

    def _loop(self) -> None:
        renew_at = 0.0  # here and for turns a clock that nobody sets; leases are for other servers to read, too
        while not self._context.closing.is_set():
            self._signal.clear()
            now = time.monotonic()
            try:
                if now >= renew_at:  # first: a lease may have run out while the machine slept
                    renew_at = now + LEASE_SECONDS / 3
                    self._renew_all()
                if now >= self._scan_at:
                    self._scan_at = now + SCAN_SECONDS
                    self._claim_due()
            except Exception:  # a full disk or a locked database must not end the loop
                log.exception("The reconciler could not read its records; it tries again")
                self._scan_at = now + RETRY_SECONDS
            self._run_due(now)
            with self._lock:
                next_at = min([self._scan_at, *self._next_turn.values()])
            self._signal.wait(min(max(0.0, next_at - time.monotonic()), SCAN_SECONDS))

    def _forget_leases(self) -> None:
        with self._context.database.transaction() as connection:
            for table in self._kinds:
                connection.execute(update(table).values(lease_owner=None, lease_until=0))

    def _claim_due(self) -> None:
        now = self._context.now()
        for table in self._kinds:
            known = self._known(table)  # whose lease may have run out, while a turn of theirs still runs
            is_due = and_(table.c.due_at <= now, table.c.lease_until < now)
            with self._context.database.read() as connection:
                names = connection.scalars(table.select().with_only_columns(table.c.name).where(is_due)).all()
            for name in names:
                if name not in known:
                    self._claim(table, name, now)

    def _claim(self, table: Table, name: str, now: float) -> None:
        with self._context.database.transaction() as connection:
            claimed = connection.execute(
                update(table)
                .where(table.c.name == name, table.c.lease_until < now)
                .values(lease_owner=self._owner, lease_until=now + LEASE_SECONDS)
            )
        if claimed.rowcount == 1:
            with self._lock:
                self._next_turn[LeasedRecord(self._context, table, name, self._owner)] = 0

    def _renew_all(self) -> None:
        """Hold on to all records, in one change for each kind; forget those that another server has taken."""
        for table in self._kinds:
            if known := self._known(table):
                is_held = and_(table.c.lease_owner == self._owner, table.c.name.in_(known))
                renewal = update(table).where(is_held).values(lease_until=self._context.now() + LEASE_SECONDS)
                with self._context.database.transaction() as connection:
                    held = connection.scalars(renewal.returning(table.c.name)).all()
                with self._lock:
                    for name in known.difference(held):
                        self._next_turn.pop(LeasedRecord(self._context, table, name, self._owner), None)

    def _known(self, table: Table) -> set[str]:
        with self._lock:
            return {claim.name for claim in (*self._next_turn, *self._running) if claim.table is table}

    def _run_due(self, now: float) -> None:
        with self._lock:
            due = [claim for claim, at in self._next_turn.items() if at <= now]
            for claim in due:
                del self._next_turn[claim]
                self._running.add(claim)
        for claim in due:
            self._workers.submit(self._turn, claim)

    def _turn(self, claim: LeasedRecord) -> None:
        wait_seconds: float | None = RETRY_SECONDS
        try:
            if self._context.closing.is_set():
                raise ShuttingDownError
            wait_seconds = self._kinds[claim.table](claim)
        except ShuttingDownError:
            wait_seconds = 0.0
        except LeaseLostError:
            log.warning("Another server has taken over %s %s", claim.table.name, claim.name)
            wait_seconds = None
        except Exception:
            log.exception("A turn of %s %s failed; it is tried again", claim.table.name, claim.name)
            wait_seconds = RETRY_SECONDS
        with self._lock:
            self._running.discard(claim)
            if wait_seconds is not None:
                self._next_turn[claim] = 0 if claim in self._woken else time.monotonic() + wait_seconds
            self._woken.discard(claim)
        self._signal.set()
