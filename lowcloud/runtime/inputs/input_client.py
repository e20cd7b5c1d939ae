"""Reads inputs from the engine by range, outside of the jail; the other side is engine/local/input_server.py.

A connection that breaks is no fault: the server is being replaced. It is waited for as long as the program lives, and
asked for what is missing yet.
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

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5
RECEIVE_BYTES = 1 << 20
IDLE_CONNECTIONS = 8
LINE_BYTES = 512  # at a time; few lines are longer


class InputUnreadableError(Exception):
    """The bytes will never be had; the message is for the user."""


class List:
    """What stands in a list of the engine's, a line each: a path, then pieces: a text, or [source, size in bytes]."""

    def __init__(self, name: str):
        self.name = name
        self._file = (Path("..") / name).open("rb")

    def entries(self) -> Iterator[tuple[int, list[Any]]]:
        """Where each line begins, and what stands there."""
        return ((offset, json.loads(line)) for offset, line in self._lines())

    def offsets(self) -> "array[int]":
        """Where each line begins."""
        return array("Q", (offset for offset, _ in self._lines()))

    def entry(self, offset: int) -> list[Any]:
        """What stands where a line begins."""
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


class Feed:
    """The engine's socket, which is in the current folder. Threads may share it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._idle: list[socket.socket] = []

    def read(self, source: tuple[str, int, int], start: int, end: int) -> Iterator[memoryview]:
        """The bytes from `start` to before `end` of (list, offset of its line, index of the piece).

        A chunk is valid until the next one is asked for. Raises InputUnreadableError.
        """
        wait = FIRST_WAIT_SECONDS
        while start < end:
            connection = None
            try:
                connection = self._take()
                connection.sendall(json.dumps([*source, start, end]).encode() + b"\n")
                for chunk in _chunks(connection):
                    start += len(chunk)
                    wait = FIRST_WAIT_SECONDS
                    yield chunk
            except OSError:  # the server is gone; the next one comes
                if connection is not None:
                    connection.close()
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            except BaseException:  # answered with a reason, or nobody wants the rest
                if connection is not None:
                    connection.close()
                raise
            else:
                if start < end:
                    raise InputUnreadableError(f"an input ended {end - start} bytes too early")
                self._give_back(connection)

    def _take(self) -> socket.socket:
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

    def _give_back(self, connection: socket.socket) -> None:
        with self._guard:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()


def _chunks(connection: socket.socket) -> Iterator[memoryview]:
    """The chunks of one answer. Raises InputUnreadableError, and OSError where the connection breaks."""
    buffer = bytearray(RECEIVE_BYTES)
    while length := _number(connection):
        if length == contract.FEED_FAILED:
            reason = bytearray(_number(connection))
            _receive(connection, memoryview(reason))
            raise InputUnreadableError(reason.decode(errors="replace"))
        if length > len(buffer):
            buffer = bytearray(length)
        with memoryview(buffer)[:length] as chunk:
            _receive(connection, chunk)
            yield chunk


def _number(connection: socket.socket) -> int:
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
