"""The writer: a thread of each process that appends waiting records in batches, one transaction each."""

import logging
import threading
from collections import deque
from concurrent.futures import Future
from functools import partial

from lowcloud.core.audit import log as audit_log
from lowcloud.core.audit.records import Entry, Record, to_entry
from lowcloud.core.context import Context

DELAY_SECONDS = 0.2  # that records which nobody waits for are collected
BATCH = 500
WAITING_LIMIT = 10_000  # records in memory while the database cannot be written
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.5, 60.0
CLOSE_SECONDS = 5.0
log = logging.getLogger("lowcloud.audit")


class Writer:
    """The records of this process that are not in the database yet."""

    def __init__(self) -> None:
        self._waiting: deque[Entry] = deque()
        self._awaited: list[Future[None]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._lost = 0
        self._retry_seconds = 0.0  # until the next attempt; 0: the last one succeeded

    def add(self, context: Context, record: Record) -> None:
        """Have a record written soon."""
        self._add(context, record, None)

    def add_awaited(self, context: Context, record: Record) -> Future[None]:
        """Have a record written now. The future is done when it is durable, or when the database cannot be written."""
        durable: Future[None] = Future()
        self._add(context, record, durable)
        return durable

    def close(self) -> None:
        """Write what waits, and end the thread; another record starts one again."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._is_closing = True
            self._changed.notify()
        if thread is not None:
            thread.join(CLOSE_SECONDS)
        self._is_closing = False

    def _add(self, context: Context, record: Record, durable: Future[None] | None) -> None:
        entry = to_entry(record)
        with self._changed:
            if len(self._waiting) >= WAITING_LIMIT:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(entry)
            if durable is not None and self._retry_seconds:
                durable.set_result(None)
            elif durable is not None:
                self._awaited.append(durable)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(context,), name="audit", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self, context: Context) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                self._changed.wait_for(self._is_due, DELAY_SECONDS)
                if not self._waiting:
                    return
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                awaited = [] if self._waiting else self._awaited  # those of a longer queue wait for its last batch
                self._awaited = self._awaited if self._waiting else []
            is_written = self._write(context, batch)
            for one in awaited:
                one.set_result(None)
            if not is_written:
                with self._changed:
                    if self._changed.wait_for(lambda: self._is_closing, self._retry_seconds):
                        return

    def _is_due(self) -> bool:
        return bool(self._awaited) or self._is_closing or len(self._waiting) >= BATCH

    def _write(self, context: Context, batch: list[Entry]) -> bool:
        """Append a batch, which waits again if the database cannot be written; then nobody waits for it."""
        try:
            context.database.apply(partial(audit_log.append, keys=context.keys, entries=batch, now=context.now()))
        except Exception as error:  # noqa: BLE001 (whatever it is: the thread must go on)
            with self._changed:
                self._waiting.extendleft(reversed(batch))
                awaited, self._awaited = self._awaited, []
                waiting = len(self._waiting)
                self._retry_seconds = min(LAST_RETRY_SECONDS, max(FIRST_RETRY_SECONDS, 2 * self._retry_seconds))
            log.error("%d records of the audit log wait until the database can be written again: %s", waiting, error)
            for one in awaited:
                one.set_result(None)
            return False
        with self._changed:
            self._retry_seconds = 0.0
        if self._lost:
            log.error("%d records of the audit log were lost while the database could not be written", self._lost)
            self._lost = 0
        return True


def of(context: Context) -> Writer:
    """Return the writer of this process."""
    return context.memory.get(Writer)
