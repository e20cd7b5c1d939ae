"""A server that runs on a home: how it is found, waited for, and kept to one. Light, for every command imports it."""

import fcntl
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Running:
    """What a running server leaves in its home for others to find."""

    pid: int
    endpoint: str
    started_at: float
    isolation: str
    python: str = ""  # the folder of the Python installation or environment that it runs by


class AlreadyRunningError(Exception):
    """Another server runs on this home."""


class CannotListenError(Exception):
    """The address is taken, or not one of this machine's."""


def find_running(home: Path) -> Running | None:
    """The server of a home that is ready, or None."""
    if not is_held(home):
        return None
    try:
        return Running(**json.loads((home / "server.json").read_text()))
    except FileNotFoundError:
        return None  # it is starting


def can_listen(host: str, port: int) -> bool:
    """Whether the address is free."""
    try:
        listen(host, port).close()
    except CannotListenError:
        return False
    return True


def is_held(home: Path) -> bool:
    """Whether a server runs, starts or ends on this home. Looks do not disturb each other: their lock is shared."""
    try:
        with (home / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def wait_until_gone(home: Path, timeout_seconds: float) -> bool:
    """Whether the server of a home has ended in time."""
    deadline = time.monotonic() + timeout_seconds
    while is_held(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def hold_home(home: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold the home's lock; the kernel lets go of it however the server ends.

    A server waits a little for it: `is_held` takes it for an instant only.
    """
    deadline = time.monotonic() + patience_seconds
    with (home / "server.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise AlreadyRunningError(str(home)) from error
                time.sleep(POLL_SECONDS)
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, which nobody else has. Raises CannotListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    alone = _bind(family, host, port, is_shared=False)
    address = alone.getsockname()
    alone.close()
    return _bind(family, *address[:2], is_shared=True)


def listen_too(listener: socket.socket) -> socket.socket:
    """Another socket at the address of one: the kernel deals connections out among those that listen."""
    return _bind(listener.family, *listener.getsockname()[:2], is_shared=True)


def address_of(listener: socket.socket) -> str:
    """The URL of a listening socket for programs of this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(family: int, host: str, port: int, *, is_shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Inherited by every connection: else a body waits 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListenError(f"Lowcloud cannot listen on {host}:{port}: {error.strerror or error}.") from error
    return listener
