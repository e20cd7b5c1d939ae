"""XGBoost's own communicator, with which the hosts that have rows add histograms over TCP."""

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
TIMEOUT_SECONDS = 300
SORT_BY_TASK = 1  # ranks in the order of task ids


class Communicator:
    """The hosts that train. All must make the same calls in the same order."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over all hosts."""
        if self.size == 1:
            return array
        total = np.ascontiguousarray(array, np.float64).copy()
        pointer = total.ctypes.data_as(ctypes.c_void_p)
        call("XGCommunicatorAllreduce", pointer, ctypes.c_size_t(total.size), FLOAT64, SUM)
        return total


@contextmanager
def join(process_group: ProcessGroup, has_rows: bool, host: str) -> Iterator[Communicator | None]:
    """Join the communicator of the hosts with rows; None on a host without rows. `host` is the name of this host."""
    ranks = [rank for rank, part in enumerate(process_group.gather(b"1" if has_rows else b"")) if part]
    if len(ranks) < 2:
        yield Communicator() if has_rows else None
        return
    tracker = _start_tracker(len(ranks), host) if process_group.rank == 0 else None
    address = json.loads(process_group.broadcast(json.dumps(_address(tracker)).encode()))
    # After an error nothing is finalised, since that would wait for a host that may have ended.
    if has_rows:
        rank = ranks.index(process_group.rank)
        call("XGCommunicatorInit", options(**address, dmlc_task_id=f"{rank:06d}", dmlc_timeout=TIMEOUT_SECONDS))
        yield Communicator(rank, len(ranks))
        call("XGCommunicatorFinalize")
    else:
        yield None
    if tracker is not None:
        call("XGTrackerWaitFor", tracker, options(timeout=TIMEOUT_SECONDS))
        call("XGTrackerFree", tracker)


def _start_tracker(size: int, host: str) -> ctypes.c_void_p:
    """Start the tracker, by which the hosts find each other."""
    tracker = ctypes.c_void_p()
    config = options(
        dmlc_communicator="rabit",
        host=_own_address(host),
        n_workers=size,
        port=0,
        sortby=SORT_BY_TASK,
        timeout=TIMEOUT_SECONDS,
    )
    call("XGTrackerCreate", config, ctypes.byref(tracker))
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
    """Return the address of this host for the others: loopback if they share a machine."""
    if os.environ.get(contract.RENDEZVOUS_VARIABLE):
        return "127.0.0.1"
    try:
        return socket.gethostbyname(host)
    except OSError:
        return "127.0.0.1"
