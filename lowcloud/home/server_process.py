"""The server process of a home: how commands find it and wait for it, and how a home is limited to one."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

RECORD = "server.json"
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class RunningServer:
    """The contents of server.json, which a running server writes to its home."""

    pid: int
    endpoint: str
    started_at: float
    python: str = ""  # sys.prefix of the Python installation or environment that it runs in
    options: Mapping[str, str] = field(default_factory=dict)  # of `lowcloud up`; an earlier version writes none


class AlreadyRunningError(Exception):
    """Another server runs on this home."""


class CannotListenError(Exception):
    """The address is in use, or does not belong to this machine."""


def find_running(home: Path) -> RunningServer | None:
    """Return the server of a home if it is ready, otherwise None."""
    if not is_locked(home):
        return None
    try:
        found = json.loads((home / RECORD).read_text())
    except FileNotFoundError:
        return None  # it is still starting
    known = {member.name for member in fields(RunningServer)}  # an earlier version writes more
    running = RunningServer(**{name: value for name, value in found.items() if name in known})
    # A server that has just taken the lock has not yet deleted the record of a killed one.
    return running if _is_alive(running.pid) else None


def can_listen(host: str, port: int) -> bool:
    """Return whether the address is free."""
    try:
        listen(host, port).close()
    except CannotListenError:
        return False
    return True


def is_locked(home: Path) -> bool:
    """Return whether a server is running, starting or stopping on this home.

    Concurrent callers do not disturb each other: each takes a shared lock.
    """
    with held_off(home) as is_free:
        return not is_free


@contextmanager
def held_off(home: Path) -> Iterator[bool]:
    """Keep servers from starting on a home within the block, without writing to it.

    Yields False if one is running, starting or stopping, which goes on.
    """
    try:
        lock = (home / "server.lock").open()
    except FileNotFoundError:  # no server was ever started here
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_free = True
        except BlockingIOError:
            is_free = False
        yield is_free


def wait_until_stopped(home: Path, timeout_seconds: float) -> bool:
    """Wait for the server of a home to end, and return whether it did so in time."""
    deadline = time.monotonic() + timeout_seconds
    while is_locked(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


@contextmanager
def lock_home(home: Path, timeout_seconds: float = 0.0) -> Iterator[None]:
    """Hold the home's lock, which the operating system releases however the server ends.

    The timeout covers callers of `is_locked`, who hold the lock for an instant. A record that a killed server has left
    is deleted: its process id may be another program's by now. Raises AlreadyRunningError.
    """
    deadline = time.monotonic() + timeout_seconds
    with (home / "server.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise AlreadyRunningError(str(home)) from error
                time.sleep(POLL_SECONDS)
        (home / RECORD).unlink(missing_ok=True)
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address that no other process uses. Raises CannotListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    exclusive = _bind(family, host, port, is_shared=False)
    address = exclusive.getsockname()
    exclusive.close()
    return _bind(family, *address[:2], is_shared=True)


def listen_again(listener: socket.socket) -> socket.socket:
    """Return another socket on the same address: the kernel distributes connections among them."""
    return _bind(listener.family, *listener.getsockname()[:2], is_shared=True)


def address_of(listener: socket.socket) -> str:
    """Return the URL at which programs of this machine reach a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(family: int, host: str, port: int, *, is_shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Connections inherit it. Without it a response body waits 40 ms for the acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListenError(f"Lowcloud cannot listen on {host}:{port}: {error.strerror or error}.") from error
    return listener
