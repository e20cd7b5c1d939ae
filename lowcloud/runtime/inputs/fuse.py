"""A read-only file system in Linux's FUSE protocol: serves the kernel's requests on /dev/fuse.

https://www.kernel.org/doc/html/latest/filesystems/fuse.html and the structures of <linux/fuse.h>, version 7.31. The
thread that receives requests answers those for names and attributes itself. Reads go to a thread pool: reads of one
file run one after the other, since most are sequential, reads of several files in parallel.
"""

import errno
import os
import stat
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

DEVICE = "/dev/fuse"
ROOT = 1
VERSION, OLDEST_MINOR, MINOR = 7, 23, 31
READ_THREADS = 8
MOUNT_POLL_SECONDS = 0.001
REQUEST_BYTES = 64 * 1024  # no request is larger: names have at most 255 bytes, and nothing is written
LARGEST_READ_BYTES = 1 << 20
CACHE_SECONDS = 1 << 31  # for which the kernel may cache names and attributes: they never change

LOOKUP, FORGET, GETATTR, READ, STATFS, INIT, READDIR = 1, 2, 3, 15, 17, 26, 28
INTERRUPT, DESTROY, BATCH_FORGET, READDIRPLUS = 36, 38, 42, 44

ASYNC_READ, PARALLEL_DIROPS, MAX_PAGES = 1 << 0, 1 << 18, 1 << 22
DO_READDIRPLUS, READDIRPLUS_AUTO, NO_OPEN_SUPPORT, NO_OPENDIR_SUPPORT = 1 << 13, 1 << 14, 1 << 17, 1 << 24
REQUESTED_FLAGS = (
    ASYNC_READ | PARALLEL_DIROPS | MAX_PAGES | DO_READDIRPLUS | READDIRPLUS_AUTO | NO_OPEN_SUPPORT | NO_OPENDIR_SUPPORT
)

_REQUEST = struct.Struct("<IIQQIIII")  # length, operation, id, node, uid, gid, pid, -
_REPLY = struct.Struct("<IiQ")  # length, -errno, id
_INIT = struct.Struct("<IIII")  # major, minor, read-ahead, flags
_INIT_REPLY = struct.Struct("<IIIIHHIIHHI28x")  # the same fields, then limits
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
_VALID = struct.Struct("<QII")  # before attributes
_ENTRY = struct.Struct("<QQQQII")  # before attributes, with the node
_RANGE = struct.Struct("<QQI")  # -, offset, size
_FOLDER_ENTRY = struct.Struct("<QQII")  # node, offset of the next, length of the name, kind
_SPACE = struct.Struct("<QQQQQIIII24x")

Bytes = bytes | memoryview


class Tree(Protocol):
    """The files and folders, each identified by a node number; the root is node 1."""

    def find(self, folder: int, name: bytes) -> int | None:
        """Return the node with this name in a folder, or None."""

    def entries(self, folder: int) -> Sequence[tuple[bytes, int]]:
        """Return the names in a folder and their nodes."""

    def size(self, node: int) -> int | None:
        """Return the size of a file in bytes; None for a folder."""

    def read(self, node: int, offset: int, size: int, reply: Callable[[Iterable[Bytes]], None]) -> None:
        """Call `reply` with the bytes, which must stay valid until it returns. Raises OSError."""


class FileSystem:
    """Serves one tree, whose files belong to `uid` and `gid`."""

    def __init__(self, device: int, tree: Tree, uid: int, gid: int):
        self._device = device
        self._tree = tree
        self._owner = (uid, gid)
        self._readers = ThreadPoolExecutor(READ_THREADS, "reader")
        self._guard = Lock()
        self._waiting: dict[int, deque[tuple[int, int, int]]] = {}  # reads of each file that is being read

    def serve(self) -> None:
        """Serve requests until the file system is unmounted."""
        buffer = bytearray(REQUEST_BYTES)
        while True:
            try:
                length = os.readv(self._device, [buffer])
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno == errno.EPERM:  # not mounted yet
                    time.sleep(MOUNT_POLL_SECONDS)
                # ENOENT: the request was interrupted
                elif error.errno not in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    raise
            else:
                self._handle(memoryview(buffer)[:length])

    def _handle(self, request: memoryview) -> None:
        _, operation, number, node, *_ = _REQUEST.unpack_from(request)
        body = request[_REQUEST.size :]
        if operation == READ:
            _, offset, size = _RANGE.unpack_from(body)
            self._queue(node, number, offset, size)
        elif operation not in (FORGET, BATCH_FORGET, INTERRUPT, DESTROY):  # which have no reply
            try:
                self._reply(number, 0, self._perform(operation, node, body))
            except OSError as error:
                self._reply(number, error.errno or errno.EIO)

    def _perform(self, operation: int, node: int, body: memoryview) -> Bytes:
        """Return the reply to a request that needs no I/O. Raises OSError."""
        if operation == LOOKUP:
            child = self._tree.find(node, bytes(body).rstrip(b"\0"))
            if child is None:
                raise OSError(errno.ENOENT, "")
            return self._entry(child)
        if operation == GETATTR:
            return _VALID.pack(CACHE_SECONDS, 0, 0) + self._attributes(node)
        if operation in (READDIR, READDIRPLUS):
            _, offset, size = _RANGE.unpack_from(body)
            return self._list(node, offset, size, has_attributes=operation == READDIRPLUS)
        if operation == STATFS:
            return _SPACE.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        if operation == INIT:
            return self._initialize(body)
        raise OSError(errno.ENOSYS, "")  # also for OPEN: the kernel then opens files itself, and caches their content

    def _initialize(self, body: memoryview) -> bytes:
        major, minor, ahead, flags = _INIT.unpack_from(body)
        if major < VERSION or (major == VERSION and minor < OLDEST_MINOR):
            raise OSError(errno.EPROTO, "")
        if major > VERSION:  # the kernel then repeats the request in our version
            return _INIT_REPLY.pack(VERSION, MINOR, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        pages = LARGEST_READ_BYTES // 4096
        limits = (max(ahead, LARGEST_READ_BYTES), flags & REQUESTED_FLAGS, 64, 48, 4096, 1, pages, 0, 0)
        return _INIT_REPLY.pack(VERSION, MINOR, *limits)

    def _queue(self, node: int, number: int, offset: int, size: int) -> None:
        """Queue a read after those of the same file."""
        with self._guard:
            if (waiting := self._waiting.get(node)) is not None:
                waiting.append((number, offset, size))
                return
            self._waiting[node] = deque([(number, offset, size)])
        self._readers.submit(self._read_all, node)

    def _read_all(self, node: int) -> None:
        """Perform the queued reads of a file until none is left."""
        while True:
            with self._guard:
                if not self._waiting[node]:
                    del self._waiting[node]
                    return
                number, offset, size = self._waiting[node].popleft()
            self._read(node, number, offset, size)

    def _read(self, node: int, number: int, offset: int, size: int) -> None:
        try:
            self._tree.read(node, offset, size, lambda data: self._reply(number, 0, *data))
        except OSError as error:
            self._reply(number, error.errno or errno.EIO)

    def _reply(self, number: int, error: int, *data: Bytes) -> None:
        length = _REPLY.size + sum(map(len, data))
        try:
            os.writev(self._device, [_REPLY.pack(length, -error, number), *data])
        except OSError as failure:
            # the request was interrupted, or the file system unmounted
            if failure.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def _list(self, folder: int, offset: int, size: int, *, has_attributes: bool) -> bytes:
        """Return entries of a folder from index `offset` on, as many as fit in `size` bytes."""
        reply = bytearray()
        entries = self._tree.entries(folder)
        for index in range(offset, len(entries)):
            name, node = entries[index]
            kind = (stat.S_IFREG if self._tree.size(node) is not None else stat.S_IFDIR) >> 12
            entry = _FOLDER_ENTRY.pack(node, index + 1, len(name), kind) + name + b"\0" * (-len(name) % 8)
            if has_attributes:
                entry = self._entry(node) + entry
            if len(reply) + len(entry) > size:
                break
            reply += entry
        return bytes(reply)

    def _entry(self, node: int) -> bytes:
        return _ENTRY.pack(node, 0, CACHE_SECONDS, CACHE_SECONDS, 0, 0) + self._attributes(node)

    def _attributes(self, node: int) -> bytes:
        size = self._tree.size(node)
        mode = stat.S_IFDIR | 0o555 if size is None else stat.S_IFREG | 0o444
        size, links = (0, 2) if size is None else (size, 1)
        return _ATTRIBUTES.pack(node, size, -(-size // 512), 0, 0, 0, 0, 0, 0, mode, links, *self._owner, 0, 4096, 0)
