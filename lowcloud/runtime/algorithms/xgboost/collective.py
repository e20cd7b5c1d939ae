"""The hosts that have rows as one ring of XGBoost's own collective, which adds histograms up over TCP."""

import ctypes
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lowcloud import contract
from lowcloud.runtime.algorithms.xgboost.library import call, options
from lowcloud.runtime.collectives import ProcessGroup

FLOAT64, SUM = 2, 2  # in XGBoost's enumerations of types and operations
SECONDS = 300
BY_TASK = 1  # ranks in the order of task ids


class Ring:
    """The hosts that train. Every one must make the same calls in the same order."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over hosts."""
        if self.size == 1:
            return array
        total = np.ascontiguousarray(array, np.float64).copy()
        pointer = total.ctypes.data_as(ctypes.c_void_p)
        call("XGCommunicatorAllreduce", pointer, ctypes.c_size_t(total.size), FLOAT64, SUM)
        return total


@contextmanager
def join(process_group: ProcessGroup, has_rows: bool, host: str) -> Iterator[Ring | None]:
    """The ring of the hosts with rows; None on a host without any. `host` is the name of this one."""
    members = [rank for rank, part in enumerate(process_group.gather(b"1" if has_rows else b"")) if part]
    if len(members) < 2:
        yield Ring() if has_rows else None
        return
    tracker = _track(len(members), host) if process_group.rank == 0 else None
    address = json.loads(process_group.broadcast(json.dumps(_address(tracker)).encode()))
    # Where something goes wrong nobody takes leave: that would wait for a host that may have gone.
    if has_rows:
        rank = members.index(process_group.rank)
        call("XGCommunicatorInit", options(**address, dmlc_task_id=f"{rank:06d}", dmlc_timeout=SECONDS))
        yield Ring(rank, len(members))
        call("XGCommunicatorFinalize")
    else:
        yield None
    if tracker is not None:
        call("XGTrackerWaitFor", tracker, options(timeout=SECONDS))
        call("XGTrackerFree", tracker)


def _track(size: int, host: str) -> ctypes.c_void_p:
    """Start what the hosts find each other by."""
    tracker = ctypes.c_void_p()
    told = options(
        dmlc_communicator="rabit", host=_own_address(host), n_workers=size, port=0, sortby=BY_TASK, timeout=SECONDS
    )
    call("XGTrackerCreate", told, ctypes.byref(tracker))
    call("XGTrackerRun", tracker, options())
    return tracker


def _address(tracker: ctypes.c_void_p | None) -> dict[str, object]:
    if tracker is None:
        return {}
    text = ctypes.c_char_p()
    call("XGTrackerWorkerArgs", tracker, ctypes.byref(text))
    found: dict[str, object] = json.loads(text.value or b"{}")
    return found


def _own_address(host: str) -> str:
    """Where the others reach this host: over loopback on a machine that they share."""
    if os.environ.get(contract.RENDEZVOUS_VARIABLE):
        return "127.0.0.1"
    try:
        return socket.gethostbyname(host)
    except OSError:
        return "127.0.0.1"
