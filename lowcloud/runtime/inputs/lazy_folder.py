"""The tree of a lazy folder: all names are known from the start, bytes are fetched from the engine when read."""

import errno
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from lowcloud.runtime.inputs.fuse import ROOT, Bytes
from lowcloud.runtime.inputs.input_client import InputClient, InputList, InputUnreadableError

OPEN_STREAMS = 16
FOLDER_SIZE = (1 << 64) - 1  # marks a folder in the array of sizes


class Streams:
    """The open streams of files, by the position of their next byte.

    A sequential reader gets the rest of the file in one stream; a random access requests only the bytes it needs.
    """

    def __init__(self, client: InputClient):
        self._client = client
        self._guard = Lock()
        self._ready: OrderedDict[tuple[int, int], _Stream | None] = OrderedDict()  # None: a finished stream ended here

    def read(
        self, node: int, source: tuple[str, int, int], offset: int, end: int, file_end: int,
        reply: Callable[[Iterable[Bytes]], None],
    ) -> None:  # fmt: skip
        """Call `reply` with bytes `offset` to `end` (exclusive). Raises InputUnreadableError."""
        with self._guard:
            is_sequential = offset == 0 or (node, offset) in self._ready
            stream = self._ready.pop((node, offset), None)
        if stream is None:
            stream = _Stream(self._client, source, offset, file_end if is_sequential else end)
        reply(stream.read(end - offset))
        if is_finished := stream.end == end:
            stream.finish()
        if end < file_end:
            with self._guard:
                self._ready[node, end] = None if is_finished else stream
                if len(self._ready) > OPEN_STREAMS:
                    self._ready.popitem(last=False)


class _Stream:
    """Sequential bytes of a file."""

    def __init__(self, client: InputClient, source: tuple[str, int, int], start: int, end: int):
        self.end = end
        self._chunks = client.read(source, start, end)
        self._rest = memoryview(b"")

    def read(self, size: int) -> list[Bytes]:
        """Return the next `size` bytes, without a copy if they are in one chunk; valid until the next call."""
        pieces: list[Bytes] = []
        while size > len(self._rest):
            pieces.append(bytes(self._rest))
            size -= len(self._rest)
            self._rest = next(self._chunks)
        pieces.append(self._rest[:size])
        self._rest = self._rest[size:]
        return pieces

    def finish(self) -> None:
        """Release the connection after all bytes were read."""
        for _ in self._chunks:
            raise AssertionError("the server sent more than was requested")


class LazyTree:
    """Implements lowcloud.runtime.inputs.fuse.Tree for a list file of the engine."""

    def __init__(self, name: str):
        self._list = InputList(name)
        self._streams = Streams(InputClient())
        self._sizes = array("Q", [0, FOLDER_SIZE])  # by node; there is no node 0
        self._offsets = array("Q", [0, 0])
        self._folders: dict[int, dict[bytes, int]] = {ROOT: {}}
        self._listed: tuple[int, list[tuple[bytes, int]]] = (0, [])  # cache of the last listed folder
        for offset, (path, (_, size)) in self._list.entries():
            self._add(path.encode().split(b"/"), size, offset)

    def find(self, folder: int, name: bytes) -> int | None:
        """See Tree.find."""
        return self._folders.get(folder, {}).get(name)

    def entries(self, folder: int) -> Sequence[tuple[bytes, int]]:
        """See Tree.entries."""
        if self._listed[0] != folder:
            self._listed = (folder, [(b".", folder), (b"..", ROOT), *self._folders[folder].items()])
        return self._listed[1]

    def size(self, node: int) -> int | None:
        """See Tree.size."""
        size = self._sizes[node]
        return None if size == FOLDER_SIZE else size

    def read(self, node: int, offset: int, size: int, reply: Callable[[Iterable[Bytes]], None]) -> None:
        """See Tree.read."""
        file_end = self._sizes[node]
        end = min(offset + size, file_end)
        if offset >= end:
            reply(())
            return
        try:
            source = (self._list.name, self._offsets[node], 0)
            self._streams.read(node, source, offset, end, file_end, reply)
        except InputUnreadableError as error:
            print(f"{self._list.entry(self._offsets[node])[0]} cannot be read: {error}", file=sys.stderr, flush=True)
            raise OSError(errno.EIO, str(error)) from error

    def _add(self, parts: list[bytes], size: int, offset: int) -> None:
        folder = ROOT
        for part in parts[:-1]:
            child = self._folders[folder].get(part)
            if child is None:
                child = self._folders[folder][part] = self._new(FOLDER_SIZE, 0)
                self._folders[child] = {}
            folder = child
        self._folders[folder][parts[-1]] = self._new(size, offset)

    def _new(self, size: int, offset: int) -> int:
        self._sizes.append(size)
        self._offsets.append(offset)
        return len(self._sizes) - 1
