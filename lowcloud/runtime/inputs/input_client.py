"""Input client: reads byte ranges of inputs from the engine's server (engine/local/inputs/input_server.py).

A broken connection is not an error: the server may be restarting. The client reconnects for as long as the program
runs, and requests what is still missing.
"""

import json
import os
import socket
import struct
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowcloud import contract

MIN_WAIT_SECONDS = 0.02
MAX_WAIT_SECONDS = 0.5
RECEIVE_BYTES = 1 << 20
IDLE_CONNECTIONS = 8
LINE_BYTES = 512  # per read; few lines are longer


class InputUnreadableError(Exception):
    """An input can never be read; the message is for the user."""


class InputList:
    """A list file of the engine, whose lines are [path, piece, ...]; a piece is a text or [source, size in bytes]."""

    def __init__(self, name: str):
        self.name = name
        self._file = (Path("..") / name).open("rb")

    def entries(self) -> Iterator[tuple[int, list[Any]]]:
        """Iterate over the offset and the content of each line."""
        return ((offset, json.loads(line)) for offset, line in self._lines())

    def offsets(self) -> "array[int]":
        """Return the offset of each line."""
        return array("Q", (offset for offset, _ in self._lines()))

    def entry(self, offset: int) -> list[Any]:
        """Return the content of the line at an offset."""
        line = bytearray()
        while not (end := line.find(b"\n") + 1):
            line += os.pread(self._file.fileno(), LINE_BYTES, offset + len(line))
        entry: list[Any] = json.loads(line[:end])
        return entry

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        offset = 0
        self._file.seek(0)
        for line in self._file:
            yield offset, line
            offset += len(line)


class InputClient:
    """A client of the engine's socket, which is in the current folder. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._idle: list[socket.socket] = []

    def read(self, source: tuple[str, int, int], start: int, end: int) -> Iterator[memoryview]:
        """Return bytes `start` to `end` (exclusive) of a source (list, offset of its line, index of the piece).

        A chunk is valid until the next one is requested. Raises InputUnreadableError.
        """
        wait = MIN_WAIT_SECONDS
        while start < end:
            connection = None
            try:
                connection = self._acquire()
                connection.sendall(json.dumps([*source, start, end]).encode() + b"\n")
                for chunk in _chunks(connection):
                    start += len(chunk)
                    wait = MIN_WAIT_SECONDS
                    yield chunk
            except OSError:  # the server has ended; wait for the next one
                if connection is not None:
                    connection.close()
                time.sleep(wait)
                wait = min(2 * wait, MAX_WAIT_SECONDS)
            except BaseException:  # the input is unreadable, or the caller needs no more
                if connection is not None:
                    connection.close()
                raise
            else:
                if start < end:
                    raise InputUnreadableError(f"an input is {end - start} bytes shorter than listed")
                self._release(connection)

    def _acquire(self) -> socket.socket:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(contract.FEED_SOCKET)
        except OSError:
            connection.close()
            raise
        return connection

    def _release(self, connection: socket.socket) -> None:
        with self._guard:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()


def _chunks(connection: socket.socket) -> Iterator[memoryview]:
    """Iterate over the chunks of one response. Raises InputUnreadableError, or OSError if the connection breaks."""
    buffer = bytearray(RECEIVE_BYTES)
    while length := _receive_length(connection):
        if length == contract.FEED_FAILED:
            reason = bytearray(_receive_length(connection))
            _receive(connection, memoryview(reason))
            raise InputUnreadableError(reason.decode(errors="replace"))
        if length > len(buffer):
            buffer = bytearray(length)
        with memoryview(buffer)[:length] as chunk:
            _receive(connection, chunk)
            yield chunk


def _receive_length(connection: socket.socket) -> int:
    header = bytearray(4)
    _receive(connection, memoryview(header))
    number: int = struct.unpack("<I", header)[0]
    return number


def _receive(connection: socket.socket, into: memoryview) -> None:
    while into:
        count = connection.recv_into(into)
        if not count:
            raise ConnectionResetError("the server closed the connection")
        into = into[count:]
