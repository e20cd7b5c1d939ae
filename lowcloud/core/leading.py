"""Which of several servers on one database carries jobs forward: one leads, and when it is gone another does."""

import logging
import threading

from lowcloud.core.cloud import Cloud
from lowcloud.core.reconciler import Kinds, Reconciler

POLL_SECONDS = 1.0

log = logging.getLogger("lowcloud.leading")


class Leading:
    """Runs a reconciler for as long as this server leads. All others serve requests, and write rows for the leader."""

    def __init__(self, cloud: Cloud, kinds: Kinds):
        self._cloud = cloud
        self._kinds = kinds
        self._leadership = cloud.database.lead()
        self._reconciler: Reconciler | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leading", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this server carries jobs forward."""
        return self._reconciler is not None

    def start(self) -> None:
        """Take the lead where nobody has it, and go on standing for it."""
        if self._leadership.hold():
            # Where another server is there it may not have noticed yet that it no longer leads: its leases run out.
            self._begin(is_alone=self._leadership.is_last())
        self._thread.start()

    def stop(self) -> bool:
        """End the turns in progress and give up the lead. Whether no other server is there to carry on."""
        self._ended.set()
        self._thread.join()
        self._end()
        is_last = self._leadership.is_last()
        self._leadership.close()
        return is_last

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            leads = self._leadership.hold()
            if leads and self._reconciler is None:
                log.info("this server carries jobs forward from here on")
                self._begin(is_alone=False)
                self._cloud.engine.warm_up()
            elif not leads and self._reconciler is not None:
                log.warning("this server has lost the lead: another carries jobs forward, or the database is gone")
                self._end()

    def _begin(self, is_alone: bool) -> None:
        self._reconciler = Reconciler(self._cloud, self._kinds)
        self._reconciler.start(is_alone)

    def _end(self) -> None:
        if self._reconciler is not None:
            self._reconciler.stop()
            self._reconciler = None
