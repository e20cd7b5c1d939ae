"""The process group of one training job's hosts, with the few collectives that data-parallel training needs.

Rank 0 is the hub of a star. It adds in the order of ranks and sends the sum back as bytes, so that all ranks get
identical bits. Hosts on one machine connect to a unix socket in $LOWCLOUD_RENDEZVOUS, others to TCP port 52700 of the
first host.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lowcloud import contract

PORT = 52700
JOIN_TIMEOUT_SECONDS = 120.0
SOCKET_PATH_BYTES = 104  # macOS; Linux takes 108
SOCKET_NAME = "group.sock"
HEADER = struct.Struct("<Q")


class ProcessGroup(Protocol):
    """The collectives of a group of hosts. Every rank must make the same calls in the same order."""

    rank: int
    size: int

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over all ranks, bitwise identical on each. Shapes must agree."""

    def broadcast(self, content: bytes) -> bytes:
        """Return rank 0's bytes on every rank."""

    def gather(self, content: bytes) -> list[bytes]:
        """Return the bytes of all ranks, by rank, on every rank."""

    def barrier(self) -> None:
        """Return once all ranks have called this."""


class CollectiveError(Exception):
    """Another host of the group has ended, or never joined."""


class SingleProcessGroup:
    """The group of a single host."""

    rank = 0
    size = 1

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        return array

    def broadcast(self, content: bytes) -> bytes:
        return content

    def gather(self, content: bytes) -> list[bytes]:
        return [content]

    def barrier(self) -> None:
        return None


class SocketProcessGroup:
    """A group of several hosts: rank 0 has a connection to each other rank, which have one to rank 0."""

    def __init__(self, rank: int, peers: Sequence[socket.socket]):
        self.rank = rank
        self.size = len(peers) + 1 if rank == 0 else 0  # the others receive it below
        self._peers = peers
        self.size = HEADER.unpack(self.broadcast(HEADER.pack(self.size)))[0]

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.rank:
            _send(self._peers[0], array.tobytes())
            return np.frombuffer(_receive(self._peers[0])).reshape(array.shape)
        total = array.astype(np.float64, copy=True)
        for peer in self._peers:
            total += np.frombuffer(_receive(peer)).reshape(array.shape)
        self.broadcast(total.tobytes())
        return total

    def broadcast(self, content: bytes) -> bytes:
        if self.rank:
            return _receive(self._peers[0])
        for peer in self._peers:
            _send(peer, content)
        return content

    def gather(self, content: bytes) -> list[bytes]:
        if self.rank:
            _send(self._peers[0], content)
            return [_receive(self._peers[0]) for _ in range(self.size)]
        parts = [content, *(_receive(peer) for peer in self._peers)]
        for part in parts:
            self.broadcast(part)
        return parts

    def barrier(self) -> None:
        self.gather(b"")


@contextmanager
def join(hosts: Sequence[str], current: str) -> Iterator[ProcessGroup]:
    """Join the group of hosts. Raises CollectiveError if not all join within JOIN_TIMEOUT_SECONDS."""
    if len(hosts) < 2:
        yield SingleProcessGroup()
        return
    ordered = sorted(hosts, key=_host_order)
    rank, size = ordered.index(current), len(hosts)
    sockets: list[socket.socket] = []
    try:
        sockets = _accept(size, ordered) if rank == 0 else [_connect(rank, ordered[0])]
        process_group = SocketProcessGroup(rank, sockets)
        yield process_group
        process_group.barrier()  # no host closes its connections while another still waits for bytes
    finally:
        for connection in sockets:
            connection.close()


def _host_order(name: str) -> tuple[int, str]:
    """Return the sort key of a host, which puts algo-2 before algo-10."""
    number = name.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, name)


@contextmanager
def _address(first_host: str) -> Iterator[tuple[Any, Any]]:
    """Return the family and address of rank 0's socket."""
    folder = os.environ.get(contract.RENDEZVOUS_VARIABLE)
    if not folder:
        yield socket.AF_INET, (first_host, PORT)
        return
    path = str(Path(folder) / SOCKET_NAME)
    if len(path.encode()) < SOCKET_PATH_BYTES or not Path("/proc/self/fd").is_dir():
        yield socket.AF_UNIX, path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # a short path to the folder
    try:
        yield socket.AF_UNIX, f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _accept(size: int, ordered: Sequence[str]) -> list[socket.socket]:
    peers: dict[int, socket.socket] = {}
    with _address(ordered[0]) as (family, address), socket.socket(family) as listener:
        if family == socket.AF_UNIX:
            Path(address).unlink(missing_ok=True)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(size)
        listener.settimeout(JOIN_TIMEOUT_SECONDS)
        while len(peers) < size - 1:
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                missing = [ordered[rank] for rank in range(1, size) if rank not in peers]
                raise CollectiveError(
                    f"Hosts {', '.join(missing)} did not join within {JOIN_TIMEOUT_SECONDS:g} s."
                ) from None
            peers[HEADER.unpack(_receive(peer))[0]] = peer
    return [peers[rank] for rank in sorted(peers)]


def _connect(rank: int, first_host: str) -> socket.socket:
    deadline = time.monotonic() + JOIN_TIMEOUT_SECONDS
    with _address(first_host) as (family, address):
        while True:
            connection = socket.socket(family)
            try:
                connection.connect(address)
                _send(connection, HEADER.pack(rank))
                return connection
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise CollectiveError(f"Host {first_host} cannot be reached: {error}.") from error
                time.sleep(0.01)


def _send(connection: socket.socket, content: bytes) -> None:
    try:
        connection.sendall(HEADER.pack(len(content)) + content)
    except OSError as error:
        raise CollectiveError(f"The connection to another host failed: {error}. See that host's log.") from error


def _receive(connection: socket.socket) -> bytes:
    return _receive_exactly(connection, HEADER.unpack(_receive_exactly(connection, HEADER.size))[0])


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        try:
            count = connection.recv_into(view)
        except OSError as error:
            raise CollectiveError(f"The connection to another host failed: {error}. See that host's log.") from error
        if not count:
            raise CollectiveError("Another host of the job has ended. See its log for the reason.")
        view = view[count:]
    return bytes(buffer)
