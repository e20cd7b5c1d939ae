"""The hosts of one training job as one world: rank, size, and the few collectives that data-parallel training needs.

Rank 0 is the hub of a star. Sums are taken in the order of ranks and sent back as bytes, so every rank holds the same
bits. Hosts that share a machine meet at a unix socket in $LOWCLOUD_RENDEZVOUS, others at TCP port 52700 of the first.
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
JOIN_SECONDS = 120.0
SOCKET_PATH_BYTES = 104  # macOS; Linux takes 108
HEADER = struct.Struct("<Q")


class World(Protocol):
    """What an algorithm may ask of its fellow hosts. Every rank must make the same calls in the same order."""

    rank: int
    size: int

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over ranks, the same bits on each. Shapes must agree."""

    def broadcast(self, content: bytes) -> bytes:
        """Rank 0's bytes, on every rank."""

    def gather(self, content: bytes) -> list[bytes]:
        """Every rank's bytes by rank, on every rank."""

    def barrier(self) -> None:
        """Return when all ranks have called."""


class CollectiveError(Exception):
    """A fellow host has gone or never came."""


class SingleWorld:
    """One host."""

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


class SocketWorld:
    """Several hosts: rank 0 holds a connection to each other rank, the others one to rank 0."""

    def __init__(self, rank: int, peers: Sequence[socket.socket]):
        self.rank = rank
        self.size = len(peers) + 1 if rank == 0 else 0  # the others are told below
        self._peers = peers
        told = self.broadcast(HEADER.pack(self.size))
        self.size = HEADER.unpack(told)[0]

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
def join(hosts: Sequence[str], current: str) -> Iterator[World]:
    """Meet the fellow hosts. Raises CollectiveError where they do not come in JOIN_SECONDS."""
    if len(hosts) < 2:
        yield SingleWorld()
        return
    ordered = sorted(hosts, key=_host_order)
    rank, size = ordered.index(current), len(hosts)
    sockets: list[socket.socket] = []
    try:
        sockets = _accept(size, ordered) if rank == 0 else [_connect(rank, ordered[0])]
        world = SocketWorld(rank, sockets)
        yield world
        world.barrier()  # nobody leaves while another still waits for its bytes
    finally:
        for connection in sockets:
            connection.close()


def _host_order(name: str) -> tuple[int, str]:
    """algo-2 before algo-10."""
    number = name.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, name)


@contextmanager
def _address(first_host: str) -> Iterator[tuple[Any, Any]]:
    """Family and address of rank 0's socket."""
    folder = os.environ.get(contract.RENDEZVOUS_VARIABLE)
    if not folder:
        yield socket.AF_INET, (first_host, PORT)
        return
    path = str(Path(folder) / "world")
    if len(path.encode()) < SOCKET_PATH_BYTES or not Path("/proc/self/fd").is_dir():
        yield socket.AF_UNIX, path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # a short name for a folder deep down
    try:
        yield socket.AF_UNIX, f"/proc/self/fd/{descriptor}/world"
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
        listener.settimeout(JOIN_SECONDS)
        while len(peers) < size - 1:
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                missing = [ordered[rank] for rank in range(1, size) if rank not in peers]
                raise CollectiveError(f"Hosts {', '.join(missing)} did not join within {JOIN_SECONDS:g} s.") from None
            peers[HEADER.unpack(_receive(peer))[0]] = peer
    return [peers[rank] for rank in sorted(peers)]


def _connect(rank: int, first_host: str) -> socket.socket:
    deadline = time.monotonic() + JOIN_SECONDS
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
        raise CollectiveError(f"A fellow host has gone: {error}.") from error


def _receive(connection: socket.socket) -> bytes:
    return _receive_exactly(connection, HEADER.unpack(_receive_exactly(connection, HEADER.size))[0])


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        try:
            count = connection.recv_into(view)
        except OSError as error:
            raise CollectiveError(f"A fellow host has gone: {error}.") from error
        if not count:
            raise CollectiveError("A fellow host has gone; its own log says why.")
        view = view[count:]
    return bytes(buffer)
