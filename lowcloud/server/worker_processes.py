"""Several worker processes that serve one home, forked from a parent that replaces each one that ends.

The parent has no threads and no database connection, so it can fork at any time, and the workers share the memory of
what it has loaded. The first worker also runs the reconciler; the others notify it through a pipe when they write
something that it should process immediately.
"""

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

MINIMUM_LIFETIME_SECONDS = 1.0  # a worker that ends sooner is replaced only then, so that a crash loop stays slow
SHUTDOWN_GRACE_SECONDS = 20  # between SIGTERM and SIGKILL
log = logging.getLogger("lowcloud.workers")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
AWAITED_SIGNALS = (*STOP_SIGNALS, signal.SIGCHLD, signal.SIGALRM)


@dataclass(frozen=True)
class WorkerProcess:
    """One worker process, and the pipes that connect it to the parent and the other workers."""

    is_first: bool
    readiness: int | None  # where the first worker reports to the parent that it is ready
    notifications: tuple[int, int]  # the two ends of a pipe that all workers share

    def report_ready(self) -> None:
        """Let the parent start the other workers."""
        if self.readiness is not None:
            os.write(self.readiness, b"!")

    def notify_first(self) -> None:
        """Wake the reconciler of the first worker."""
        with suppress(BlockingIOError):  # the pipe is full, so the first worker is about to wake anyway
            os.write(self.notifications[1], b"!")

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in a thread of its own, whenever another worker notifies the first."""

        def read_notifications() -> None:
            while os.read(self.notifications[0], 4096):
                listener()

        threading.Thread(target=read_notifications, name="notifications", daemon=True).start()


def run(count: int, work: Callable[[WorkerProcess], None]) -> None:
    """Keep `count` processes running `work` until SIGTERM or SIGINT.

    The parent and every worker return from this function. Raises SystemExit in the parent if the first worker cannot
    start; that worker has then printed the reason.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # sigwait does not receive an ignored signal
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED_SIGNALS)
    gc.collect()
    gc.freeze()  # the collector would write to shared pages, and each worker would get a copy of them
    worker = _Parent(count).supervise()
    if worker is not None:
        work(worker)


class _Parent:
    def __init__(self, count: int):
        self._count = count
        self._workers: dict[int, tuple[int, float]] = {}  # by process id: the number of the worker, and its start time
        self._lifeline = os.pipe()  # only the parent keeps the write end, so the workers see its death as end of file
        self._notifications = os.pipe()
        os.set_blocking(self._notifications[1], False)
        self._is_stopping = False

    def supervise(self) -> WorkerProcess | None:
        """Start the workers and replace those that end. Returns the worker in each new process; None in the parent."""
        readiness = os.pipe()
        if self._fork(0):
            return self._enter_worker(0, readiness[1])
        os.close(readiness[1])
        if not os.read(readiness[0], 1):
            _, status = os.wait()
            raise SystemExit(os.waitstatus_to_exitcode(status))
        for number in range(1, self._count):
            if self._fork(number):
                return self._enter_worker(number, None)
        while self._workers:
            received = signal.sigwait(AWAITED_SIGNALS)
            if received in STOP_SIGNALS:
                self._stop()
            elif received == signal.SIGALRM:
                self._signal_all(signal.SIGKILL)  # safe: what has been acknowledged is durable
            while (ended := self._reap()) is not None:
                if self._fork(ended):
                    return self._enter_worker(ended, None)
        return None

    def _fork(self, number: int) -> bool:
        """Fork a worker. Returns whether this is the new process."""
        process = os.fork()
        if process:
            self._workers[process] = number, time.monotonic()
        return not process

    def _enter_worker(self, number: int, readiness: int | None) -> WorkerProcess:
        """Set up a new worker process."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED_SIGNALS)
        os.close(self._lifeline[1])
        threading.Thread(target=self._exit_with_parent, name="lifeline", daemon=True).start()
        return WorkerProcess(number == 0, readiness, self._notifications)

    def _exit_with_parent(self) -> None:
        os.read(self._lifeline[0], 1)
        os._exit(1)

    def _stop(self) -> None:
        self._is_stopping = True
        self._signal_all(signal.SIGTERM)
        signal.alarm(SHUTDOWN_GRACE_SECONDS)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._workers:
            os.kill(process, number)

    def _reap(self) -> int | None:
        """Return the number of a worker that has ended and must be replaced, or None."""
        while self._workers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return None
            number, started_at = self._workers.pop(process)
            if not self._is_stopping:
                code = os.waitstatus_to_exitcode(status)
                log.error("worker process %d ended with exit code %d; starting another", process, code)
                time.sleep(max(0.0, started_at + MINIMUM_LIFETIME_SECONDS - time.monotonic()))
                return number
        return None
