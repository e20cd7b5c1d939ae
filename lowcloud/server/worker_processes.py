"""Several processes that serve one home: forked from one parent, which starts another where one ends.

The parent does nothing else: it has no threads and no database, so it may fork at any time, and what it has loaded is
shared by all. The first of the crew also carries jobs forward; whoever of the others writes something that should not
wait rings its bell through a pipe.
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

SHORTEST_LIFE_SECONDS = 1.0  # who ends sooner is replaced only then, lest a fault keeps the machine busy
GOODBYE_SECONDS = 20  # for those who were asked to end
ENDS = (signal.SIGTERM, signal.SIGINT)
AWAITED = (*ENDS, signal.SIGCHLD, signal.SIGALRM)


@dataclass(frozen=True)
class WorkerProcess:
    """One process of the crew, and its links to the others."""

    is_first: bool
    readiness: int | None  # where the first tells the parent that it is ready: the others start then
    bell: tuple[int, int]

    def tell_ready(self) -> None:
        """The others may start."""
        if self.readiness is not None:
            os.write(self.readiness, b"!")

    def ring(self) -> None:
        """Ring the bell of the first."""
        with suppress(BlockingIOError):  # a full pipe is heard as well
            os.write(self.bell[1], b"!")

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when another rings, in a thread of its own."""

        def hear() -> None:
            while os.read(self.bell[0], 4096):
                listener()

        threading.Thread(target=hear, name="bell", daemon=True).start()


def run(count: int, work: Callable[[WorkerProcess], None]) -> None:
    """Keep `count` processes at `work` until SIGTERM or SIGINT.

    The parent and each of the others return from here. Raises SystemExit in the parent where the first cannot start;
    it has then said why.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)  # what is ignored may not be awaited
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    gc.collect()
    gc.freeze()  # the collector would write to, and so unshare, what all have in common
    member = _Parent(count).keep()
    if member is not None:
        work(member)


class _Parent:
    def __init__(self, count: int):
        self._count = count
        self._born: dict[int, tuple[int, float]] = {}  # by process: its place in the crew, and when it began
        self._life = os.pipe()  # its end to write to is the parent's alone: when the parent dies, the others see it
        self._bell = os.pipe()
        os.set_blocking(self._bell[1], False)
        self._is_ending = False

    def keep(self) -> WorkerProcess | None:
        """Keep the crew complete. Returns in each new process, as its member; None at the end of all."""
        readiness = os.pipe()
        if self._is_child(0):
            return self._join(0, readiness[1])
        os.close(readiness[1])
        if not os.read(readiness[0], 1):
            _, status = os.wait()
            raise SystemExit(os.waitstatus_to_exitcode(status))
        for other in range(1, self._count):
            if self._is_child(other):
                return self._join(other, None)
        while self._born:
            heard = signal.sigwait(AWAITED)
            if heard in ENDS:
                self._end()
            elif heard == signal.SIGALRM:
                self._tell_all(signal.SIGKILL)  # nothing acknowledged is lost
            while (place := self._reap()) is not None:
                if self._is_child(place):
                    return self._join(place, None)
        return None

    def _is_child(self, place: int) -> bool:
        process = os.fork()
        if process:
            self._born[process] = place, time.monotonic()
        return not process

    def _join(self, place: int, readiness: int | None) -> WorkerProcess:
        """What a new process does first."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
        os.close(self._life[1])
        threading.Thread(target=self._outlive_nobody, name="life", daemon=True).start()
        return WorkerProcess(place == 0, readiness, self._bell)

    def _outlive_nobody(self) -> None:
        os.read(self._life[0], 1)
        os._exit(1)

    def _end(self) -> None:
        self._is_ending = True
        self._tell_all(signal.SIGTERM)
        signal.alarm(GOODBYE_SECONDS)

    def _tell_all(self, number: signal.Signals) -> None:
        for process in self._born:
            os.kill(process, number)

    def _reap(self) -> int | None:
        """The place of one that has ended and is to be replaced, or None where there is none."""
        while self._born:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return None
            place, born = self._born.pop(process)
            if not self._is_ending:
                print(f"Process {process} of the server has ended ({status}); another begins.", file=sys.stderr)
                time.sleep(max(0.0, born + SHORTEST_LIFE_SECONDS - time.monotonic()))
                return place
        return None
