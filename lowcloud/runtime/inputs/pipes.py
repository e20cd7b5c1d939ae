"""Feeds a program through named pipes: CHANNEL_0, CHANNEL_1, ..., each with the whole channel, in constant memory.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html. The pipe of the
epoch after is always there already. What lies in the program's folder may be changed by the program at any time, so
nothing there is followed or trusted.
"""

import contextlib
import fcntl
import os
import random
import stat
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from lowcloud.runtime.formats import framing
from lowcloud.runtime.inputs.input_client import Feed, InputUnreadableError, List

PIPE_BYTES = 1 << 20
UNPACKED_BYTES = 1 << 20  # at a time
GZIP = 16 + zlib.MAX_WBITS


class Pipe:
    """One channel. `plan`: {path, list, is_gzip, is_framed, seed, shard, shards}."""

    def __init__(self, plan: dict[str, Any]):
        path = Path(plan["path"])
        self._plan = plan
        self._name = path.name
        # Opened before the program starts: it cannot put another folder in its place.
        self.folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        for epoch in (0, 1):
            self._make(epoch)

    def close(self) -> None:
        """Let go of it, in a process that does not feed it."""
        os.close(self.folder)

    def feed(self) -> None:
        """Feed epoch after epoch, for as long as the program lives. Raises InputUnreadableError."""
        feed, entries = Feed(), List(self._plan["list"])
        offsets = entries.offsets()
        for epoch in count():
            self._make(epoch + 1)
            descriptor = self._open(epoch)
            with contextlib.suppress(BrokenPipeError):  # the program has read enough of this epoch
                for data in self._bytes(feed, entries, self._order(offsets, epoch)):
                    _write(descriptor, data)
            os.close(descriptor)  # not where bytes are missing: the program would take them for all
            with contextlib.suppress(FileNotFoundError):  # the program has removed it
                os.unlink(f"{self._name}_{epoch}", dir_fd=self.folder)

    def _make(self, epoch: int) -> None:
        with contextlib.suppress(FileExistsError):  # the program's own: if it is no pipe, `_open` says so
            os.mkfifo(f"{self._name}_{epoch}", 0o666, dir_fd=self.folder)

    def _open(self, epoch: int) -> int:
        """Wait for the program to open the pipe. Raises InputUnreadableError where it has put something else there."""
        name = f"{self._name}_{epoch}"
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=self.folder)
        except OSError as error:
            raise InputUnreadableError(f"the pipe {name} cannot be written to: {error.strerror}") from error
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputUnreadableError(f"{name} is no pipe any more")
        with contextlib.suppress(OSError):  # users have a limit for all their pipes; a smaller one is only slower
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return descriptor

    def _order(self, offsets: "array[int]", epoch: int) -> Sequence[int]:
        """The lines of this host in this epoch. All hosts shuffle alike, so that each line is one host's."""
        if self._plan["seed"] is not None:
            offsets = array("Q", offsets)
            random.Random(f"{self._plan['seed']}/{epoch}").shuffle(offsets)
        return offsets[self._plan["shard"] :: self._plan["shards"]]

    def _bytes(self, feed: Feed, entries: List, order: Iterable[int]) -> Iterator[bytes | memoryview]:
        for offset in order:
            for index, piece in enumerate(entries.entry(offset)[1:]):
                if isinstance(piece, str):
                    text = piece.encode()
                    yield framing.frame(text) if self._plan["is_framed"] else text
                else:
                    yield from self._source(feed, (entries.name, offset, index), piece)

    def _source(self, feed: Feed, place: tuple[str, int, int], piece: list[Any]) -> Iterator[bytes | memoryview]:
        def read() -> Iterator[bytes | memoryview]:
            chunks = feed.read(place, 0, piece[1])
            return _unpack(chunks, piece[0].partition("?")[0]) if self._plan["is_gzip"] else chunks

        if not self._plan["is_framed"]:
            yield from read()
            return
        # The length comes first, and what is packed tells its own only at its end: so it is read twice.
        length = sum(map(len, read())) if self._plan["is_gzip"] else piece[1]
        try:
            yield framing.header(length)
        except ValueError as error:
            raise InputUnreadableError(f"{piece[0].partition('?')[0]}: {error}") from error
        yield from read()
        yield framing.padding(length)


def _unpack(chunks: Iterable[bytes | memoryview], name: str) -> Iterator[bytes]:
    """The content of one gzip object, which may have several members. Raises InputUnreadableError."""
    member = zlib.decompressobj(GZIP)
    is_empty = True
    try:
        for chunk in chunks:
            rest: bytes | memoryview = chunk
            while rest:
                if member.eof:  # another member follows, or zeros that only fill a block
                    rest = bytes(rest).lstrip(b"\0")
                    member = zlib.decompressobj(GZIP) if rest else member
                    continue
                is_empty = False
                if data := member.decompress(rest, UNPACKED_BYTES):
                    yield data
                rest = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise InputUnreadableError(f"{name} is not a readable gzip file: {error}") from error
    if not (is_empty or member.eof):
        raise InputUnreadableError(f"{name} is not a whole gzip file. Upload it again.")


def _write(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
