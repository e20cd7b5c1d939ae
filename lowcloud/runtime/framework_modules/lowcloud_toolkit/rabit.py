"""Data-parallel XGBoost over the hosts of a job: one tracker on the first host, which those with data join."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

FIRST_PORT = 9099
CONNECT_SECONDS = 15 * 60.0


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    max_connect_attempts: int | None = None,
    connect_retry_timeout: float = 3,
    update_rabit_args: bool = False,
) -> None:
    """Call a function on every host that has data, in XGBoost's group of these hosts.

    With `update_rabit_args` it gets `is_master` too: whether its host is the first of the group. Hosts without data
    leave. Raises OSError if a host does not appear.
    """
    port = first_port or FIRST_PORT
    tracker_port = second_port or port + 1
    first = min(hosts)
    tracker = None
    if current_host == first:
        with _gather(sorted(hosts), current_host, include_in_training, port) as included:
            tracker = _start_tracker(first, len(included), tracker_port)
    else:
        included = _join(first, current_host, include_in_training, port)
    if not included:
        raise RuntimeError("No host has data to train with.")
    if current_host in included:
        arguments = {**args, "is_master": current_host == included[0]} if update_rabit_args else args
        _in_group(exec_fun, arguments, included, current_host, first, tracker_port)
    if tracker is not None:
        tracker.wait_for()
    if current_host not in included:
        logging.warning("The host %s has no data and takes no part in the training.", current_host)
        sys.exit(0)


def _in_group(
    function: Callable[..., Any], arguments: dict[str, Any], included: list[str], host: str, first: str, port: int
) -> None:
    if len(included) == 1:
        function(**arguments)
        return
    from xgboost import collective

    settings = {"dmlc_communicator": "rabit", "dmlc_tracker_uri": socket.gethostbyname(first)}
    rank = f"{included.index(host):06d}"  # ranks have the order of task ids
    with collective.CommunicatorContext(**settings, dmlc_tracker_port=port, dmlc_task_id=rank, dmlc_retry=20):
        function(**arguments)


def _start_tracker(host: str, workers: int, port: int) -> Any:
    if workers < 2:
        return None
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(n_workers=workers, host_ip=socket.gethostbyname(host), port=port, sortby="task")
    tracker.start()
    return tracker


@contextmanager
def _gather(hosts: list[str], own: str, is_included: bool, port: int) -> Iterator[list[str]]:
    """Learn on the first host which hosts have data, and tell the others at the end, when the tracker listens."""
    included = {own: is_included}
    peers = []
    with socket.create_server((socket.gethostbyname(own), port)) as server:
        server.settimeout(CONNECT_SECONDS)
        while len(included) < len(hosts):
            peer, _ = server.accept()
            host, has_data = json.loads(peer.makefile("r").readline())
            included[host] = has_data
            peers.append(peer)
    found = [host for host in hosts if included[host]]
    yield found
    for peer in peers:
        with peer:
            peer.sendall(f"{json.dumps(found)}\n".encode())


def _join(first: str, own: str, is_included: bool, port: int) -> list[str]:
    """Tell the first host whether this one has data, and learn which others have."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with socket.create_connection((socket.gethostbyname(first), port)) as peer:
                peer.sendall(f"{json.dumps([own, is_included])}\n".encode())
                return [str(host) for host in json.loads(peer.makefile("r").readline())]
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
