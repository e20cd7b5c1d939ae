"""The files of a lazy folder: their names at once, their bytes when they are read, by way of the engine."""

import errno
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from lowcloud.runtime.inputs.fuse import ROOT, Bytes
from lowcloud.runtime.inputs.input_client import Feed, InputUnreadableError, List

OPEN_STREAMS = 16
FOLDER = (1 << 64) - 1  # stands where a file has its size


class Streams:
    """What is being read ahead: for each, the file and the position where its next bytes belong.

    One who reads on gets the whole rest of the file in one stream, and one who reads here and there only what was asked
    for.
    """

    def __init__(self, feed: Feed):
        self._feed = feed
        self._guard = Lock()
        self._ready: OrderedDict[tuple[int, int], _Stream | None] = OrderedDict()  # None: all was read up to here

    def read(
        self, node: int, place: tuple[str, int, int], offset: int, end: int, file_end: int,
        answer: Callable[[Iterable[Bytes]], None],
    ) -> None:  # fmt: skip
        """Answer with the bytes from `offset` to before `end`. Raises InputUnreadableError."""
        with self._guard:
            goes_on = offset == 0 or (node, offset) in self._ready
            stream = self._ready.pop((node, offset), None)
        if stream is None:
            stream = _Stream(self._feed, place, offset, file_end if goes_on else end)
        answer(stream.take(end - offset))
        if is_spent := stream.end == end:
            stream.finish()
        if end < file_end:
            with self._guard:
                self._ready[node, end] = None if is_spent else stream
                if len(self._ready) > OPEN_STREAMS:
                    self._ready.popitem(last=False)


class _Stream:
    """Bytes of a file that come one after the other."""

    def __init__(self, feed: Feed, place: tuple[str, int, int], start: int, end: int):
        self.end = end
        self._chunks = feed.read(place, start, end)
        self._rest = memoryview(b"")

    def take(self, size: int) -> list[Bytes]:
        """The next `size` bytes, without a copy where they lie in one chunk; valid until the next call."""
        taken: list[Bytes] = []
        while size > len(self._rest):
            taken.append(bytes(self._rest))
            size -= len(self._rest)
            self._rest = next(self._chunks)
        taken.append(self._rest[:size])
        self._rest = self._rest[size:]
        return taken

    def finish(self) -> None:
        """All was taken: let the next one have the connection."""
        for _ in self._chunks:
            raise AssertionError("the server sent more than was asked for")


class LazyFolder:
    """Implements lowcloud.runtime.inputs.fuse.Tree for a list of the engine's."""

    def __init__(self, name: str):
        self._list = List(name)
        self._streams = Streams(Feed())
        self._sizes = array("Q", [0, FOLDER])  # by node; no node has the number 0
        self._offsets = array("Q", [0, 0])
        self._folders: dict[int, dict[bytes, int]] = {ROOT: {}}
        self._listed: tuple[int, list[tuple[bytes, int]]] = (0, [])  # the last folder that was listed
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
        return None if size == FOLDER else size

    def read(self, node: int, offset: int, size: int, answer: Callable[[Iterable[Bytes]], None]) -> None:
        """See Tree.read."""
        file_end = self._sizes[node]
        end = min(offset + size, file_end)
        if offset >= end:
            answer(())
            return
        try:
            place = (self._list.name, self._offsets[node], 0)
            self._streams.read(node, place, offset, end, file_end, answer)
        except InputUnreadableError as error:
            print(f"{self._list.entry(self._offsets[node])[0]} cannot be read: {error}", file=sys.stderr, flush=True)
            raise OSError(errno.EIO, str(error)) from error

    def _add(self, parts: list[bytes], size: int, offset: int) -> None:
        folder = ROOT
        for part in parts[:-1]:
            below = self._folders[folder].get(part)
            if below is None:
                below = self._folders[folder][part] = self._new(FOLDER, 0)
                self._folders[below] = {}
            folder = below
        self._folders[folder][parts[-1]] = self._new(size, offset)

    def _new(self, size: int, offset: int) -> int:
        self._sizes.append(size)
        self._offsets.append(offset)
        return len(self._sizes) - 1
