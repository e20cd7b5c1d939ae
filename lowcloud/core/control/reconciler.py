"""The reconciler: one loop that advances every unfinished record. Start here to follow a job.

A request handler only writes a row and leaves it due. The loop leases due rows of every registered kind and gives each,
turn after turn, to its kind's `advance` in a worker thread, until that says there is nothing left to do. What a turn
saves is guarded by the lease (`LeasedRecord.save`), so a server that was paused past its lease cannot overwrite what
its successor has done. Jobs are advanced by jobs/lifecycle.py, endpoints by serving/endpoint_lifecycle.py, periodic
tasks by control/periodic_tasks.py.
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

from sqlalchemy import ColumnElement, Connection, and_, delete, select, true, update
from sqlalchemy.exc import DBAPIError

from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.engine.work import EngineNotReadyError

LEASE_SECONDS = 15.0
SCAN_SECONDS = 0.5  # how soon rows that another server wrote are noticed
RETRY_SECONDS = 5.0  # after a turn that failed for a reason of the machine
WORKERS = 16

log = logging.getLogger("lowcloud.reconciler")


class LeaseLostError(Exception):
    """Another server holds the lease of this record, so this server must no longer change it."""


@dataclass(frozen=True)
class LeasedRecord:
    """The right to change one record for as long as the lease lasts."""

    context: Context
    kind: ResourceKind[Any]
    name: str
    owner: str

    def save(
        self,
        values: Mapping[str, Any],
        within_transaction: Callable[[Connection], object] | None = None,
        where: ColumnElement[bool] | None = None,
    ) -> bool:
        """Change the record, and whatever `within_transaction` changes, in one transaction. Raises LeaseLostError.

        Return False, and change nothing, if the record does not meet `where`: a request has come in between.
        """
        table = self.kind.table
        with self.context.database.transaction() as connection:
            meets = true() if where is None else where
            changed = connection.execute(update(table).where(*self._is_held(), meets).values(**values))
            if changed.rowcount != 1:
                if where is None or not connection.execute(select(table.c.name).where(*self._is_held())).first():
                    raise LeaseLostError(self.name)
                return False
            if within_transaction:
                within_transaction(connection)
            return True

    def delete(self, within_transaction: Callable[[Connection], None]) -> None:
        """Delete the record, and whatever `within_transaction` deletes, in one transaction. Raises LeaseLostError."""
        with self.context.database.transaction() as connection:
            if connection.execute(delete(self.kind.table).where(*self._is_held())).rowcount != 1:
                raise LeaseLostError(self.name)
            within_transaction(connection)

    def release(
        self,
        due_at: float | None,
        within_transaction: Callable[[Connection], object] | None = None,
        where: ColumnElement[bool] | None = None,
    ) -> bool:
        """Give up the lease, with nothing left to do (None) or due again at a time. Otherwise as `save`."""
        return self.save({"lease_owner": None, "lease_until": 0, "due_at": due_at}, within_transaction, where)

    def _is_held(self) -> tuple[ColumnElement[bool], ...]:
        return (self.kind.table.c.name == self.name, self.kind.table.c.lease_owner == self.owner)


class Reconciler:
    """Runs the loop in a thread of its own until `stop`."""

    def __init__(self, context: Context):
        self._context = context
        self._kinds = context.kinds.reconciled
        self._owner = secrets.token_hex(8)
        self._next_turn: dict[LeasedRecord, float] = {}  # when each leased record that is not running takes a turn
        self._running: set[LeasedRecord] = set()
        self._woken: set[LeasedRecord] = set()  # records that were woken while their turn was running
        self._lock = threading.Lock()
        self._scan_at = 0.0
        self._signal = threading.Event()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="reconciler")
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)

    def start(self) -> None:
        """Start the loop. Only the leader of a store does, so the leases of its predecessor are void."""
        self._forget_leases()
        self._context.wake.subscribe(self.wake)
        self._context.closing.clear()
        self._thread.start()

    def stop(self) -> None:
        """End after the turns in progress, which abandon their transfers; unfinished records stay due."""
        self._context.wake.unsubscribe(self.wake)
        self._context.closing.set()
        self._signal.set()
        self._thread.join()
        self._workers.shutdown(wait=True)
        try:
            for record in list(self._next_turn):
                with suppress(LeaseLostError):
                    record.release(self._context.now())
        except DBAPIError:
            log.warning("The database is not reachable: leases on unfinished records will expire", exc_info=True)

    def wake(self) -> None:
        """Look at new rows and every leased record now: something was written that must not wait for the next scan."""
        with self._lock:
            for record in self._next_turn:
                self._next_turn[record] = 0
            self._woken |= self._running
            self._scan_at = 0
        self._signal.set()

    def _loop(self) -> None:
        renew_at = 0.0  # a monotonic clock; leases have wall-clock times, since other servers read them
        while not self._context.closing.is_set():
            self._signal.clear()
            now = time.monotonic()
            try:
                if now >= renew_at:  # first: a lease may have expired while the machine slept
                    renew_at = now + LEASE_SECONDS / 3
                    self._renew_all()
                if now >= self._scan_at:
                    self._scan_at = now + SCAN_SECONDS
                    self._lease_due()
            except Exception:  # a full disk or a locked database must not end the loop
                log.exception("The reconciler could not read its records; it will try again")
                self._scan_at = now + RETRY_SECONDS
            self._run_due(now)
            with self._lock:
                next_at = min([self._scan_at, *self._next_turn.values()])
            self._signal.wait(min(max(0.0, next_at - time.monotonic()), SCAN_SECONDS))

    def _forget_leases(self) -> None:
        with self._context.database.transaction() as connection:
            for kind in self._kinds:
                connection.execute(update(kind.table).values(lease_owner=None, lease_until=0))

    def _lease_due(self) -> None:
        now = self._context.now()
        for kind in self._kinds:
            table = kind.table
            known = self._known(kind)  # whose lease may have expired while their turn still runs
            is_due = and_(table.c.due_at <= now, table.c.lease_until < now)
            with self._context.database.read() as connection:
                names = connection.scalars(table.select().with_only_columns(table.c.name).where(is_due)).all()
            for name in names:
                if name not in known:
                    self._lease(kind, name, now)

    def _lease(self, kind: ResourceKind[Any], name: str, now: float) -> None:
        table = kind.table
        with self._context.database.transaction() as connection:
            leased = connection.execute(
                update(table)
                .where(table.c.name == name, table.c.lease_until < now)
                .values(lease_owner=self._owner, lease_until=now + LEASE_SECONDS)
            )
        if leased.rowcount == 1:
            with self._lock:
                self._next_turn[LeasedRecord(self._context, kind, name, self._owner)] = 0

    def _renew_all(self) -> None:
        """Renew all leases, in one statement for each kind; forget records that another server has taken."""
        for kind in self._kinds:
            table = kind.table
            if known := self._known(kind):
                is_held = and_(table.c.lease_owner == self._owner, table.c.name.in_(known))
                renewal = update(table).where(is_held).values(lease_until=self._context.now() + LEASE_SECONDS)
                with self._context.database.transaction() as connection:
                    held = connection.scalars(renewal.returning(table.c.name)).all()
                with self._lock:
                    for name in known.difference(held):
                        self._next_turn.pop(LeasedRecord(self._context, kind, name, self._owner), None)

    def _known(self, kind: ResourceKind[Any]) -> set[str]:
        with self._lock:
            return {record.name for record in (*self._next_turn, *self._running) if record.kind is kind}

    def _run_due(self, now: float) -> None:
        with self._lock:
            due = [record for record, at in self._next_turn.items() if at <= now]
            for record in due:
                del self._next_turn[record]
                self._running.add(record)
        for record in due:
            self._workers.submit(self._turn, record)

    def _turn(self, record: LeasedRecord) -> None:
        wait_seconds: float | None = RETRY_SECONDS
        try:
            if self._context.closing.is_set():
                raise ShuttingDownError
            assert record.kind.advance is not None
            wait_seconds = record.kind.advance(record)
        except ShuttingDownError:
            wait_seconds = 0.0
        except LeaseLostError:
            log.warning("Another server has taken over the %s %s", record.kind.noun, record.name)
            wait_seconds = None
        except EngineNotReadyError as error:
            log.warning("The %s %s waits: %s", record.kind.noun, record.name, error)
        except Exception:
            log.exception("A turn of the %s %s failed; it is tried again", record.kind.noun, record.name)
            wait_seconds = RETRY_SECONDS
        with self._lock:
            self._running.discard(record)
            if wait_seconds is not None:
                self._next_turn[record] = 0 if record in self._woken else time.monotonic() + wait_seconds
            self._woken.discard(record)
        self._signal.set()
