"""Streams a channel to a program through named pipes CHANNEL_0, CHANNEL_1, ..., one per epoch, in constant memory.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html. The pipe of the
next epoch always exists already. The program may change the files in its folder at any time, so no link there is
followed, and nothing there is trusted.
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
from lowcloud.runtime.inputs.input_client import InputClient, InputList, InputUnreadableError

PIPE_BYTES = 1 << 20
DECOMPRESSED_BYTES = 1 << 20  # at a time
GZIP = 16 + zlib.MAX_WBITS


class Pipe:
    """The pipes of one channel. Spec: {path, list, is_gzip, is_framed, seed, shard, shards}."""

    def __init__(self, spec: dict[str, Any]):
        path = Path(spec["path"])
        self._spec = spec
        self._name = path.name
        # Opened before the program starts, so that the program cannot replace the folder.
        self.folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        for epoch in (0, 1):
            self._create(epoch)

    def close(self) -> None:
        """Close the folder, in a process that does not write to the pipes."""
        os.close(self.folder)

    def feed(self) -> None:
        """Write epoch after epoch, for as long as the program runs. Raises InputUnreadableError."""
        client, entries = InputClient(), InputList(self._spec["list"])
        offsets = entries.offsets()
        for epoch in count():
            self._create(epoch + 1)
            descriptor = self._open(epoch)
            with contextlib.suppress(BrokenPipeError):  # the program stopped reading this epoch
                for data in self._bytes(client, entries, self._order(offsets, epoch)):
                    _write(descriptor, data)
            os.close(descriptor)  # only if all was written: the program takes the end of the pipe for the end of data
            with contextlib.suppress(FileNotFoundError):  # the program has removed it
                os.unlink(f"{self._name}_{epoch}", dir_fd=self.folder)

    def _create(self, epoch: int) -> None:
        with contextlib.suppress(FileExistsError):  # created by the program; `_open` checks that it is a pipe
            os.mkfifo(f"{self._name}_{epoch}", 0o666, dir_fd=self.folder)

    def _open(self, epoch: int) -> int:
        """Wait for the program to open the pipe. Raises InputUnreadableError if the program has replaced the pipe."""
        name = f"{self._name}_{epoch}"
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=self.folder)
        except OSError as error:
            raise InputUnreadableError(f"the pipe {name} cannot be written to: {error.strerror}") from error
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputUnreadableError(f"{name} is not a pipe any more")
        with contextlib.suppress(OSError):  # the user's limit for pipes may be reached; a smaller pipe is only slower
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return descriptor

    def _order(self, offsets: "array[int]", epoch: int) -> Sequence[int]:
        """Return the lines of this host in this epoch. All hosts shuffle alike, so that each line goes to one host."""
        if self._spec["seed"] is not None:
            offsets = array("Q", offsets)
            random.Random(f"{self._spec['seed']}/{epoch}").shuffle(offsets)
        return offsets[self._spec["shard"] :: self._spec["shards"]]

    def _bytes(self, client: InputClient, entries: InputList, order: Iterable[int]) -> Iterator[bytes | memoryview]:
        for offset in order:
            for index, piece in enumerate(entries.entry(offset)[1:]):
                if isinstance(piece, str):
                    text = piece.encode()
                    yield framing.frame(text) if self._spec["is_framed"] else text
                else:
                    yield from self._source(client, (entries.name, offset, index), piece)

    def _source(
        self, client: InputClient, source: tuple[str, int, int], piece: list[Any]
    ) -> Iterator[bytes | memoryview]:
        def read() -> Iterator[bytes | memoryview]:
            chunks = client.read(source, 0, piece[1])
            return _decompress(chunks, piece[0].partition("?")[0]) if self._spec["is_gzip"] else chunks

        if not self._spec["is_framed"]:
            yield from read()
            return
        # The frame begins with the length, which is known only after decompressing: so compressed data is read twice.
        length = sum(map(len, read())) if self._spec["is_gzip"] else piece[1]
        try:
            yield framing.header(length)
        except ValueError as error:
            raise InputUnreadableError(f"{piece[0].partition('?')[0]}: {error}") from error
        yield from read()
        yield framing.padding(length)


def _decompress(chunks: Iterable[bytes | memoryview], name: str) -> Iterator[bytes]:
    """Decompress one gzip object, which may have several members. Raises InputUnreadableError."""
    member = zlib.decompressobj(GZIP)
    is_empty = True
    try:
        for chunk in chunks:
            rest: bytes | memoryview = chunk
            while rest:
                if member.eof:  # another member follows, or zero padding
                    rest = bytes(rest).lstrip(b"\0")
                    member = zlib.decompressobj(GZIP) if rest else member
                    continue
                is_empty = False
                if data := member.decompress(rest, DECOMPRESSED_BYTES):
                    yield data
                rest = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise InputUnreadableError(f"{name} is not a readable gzip file: {error}") from error
    if not (is_empty or member.eof):
        raise InputUnreadableError(f"{name} is a truncated gzip file. Upload it again.")


def _write(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
