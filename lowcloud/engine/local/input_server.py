"""Gives running programs' feeders (runtime/inputs/feeder.py) the bytes of inputs, by range, at a unix socket.

What a feeder may ask for stands in lists that were written when its work was staged. A list lies where no program sees
it and has a name that nobody guesses, so whoever names one may read what it lists. The protocol is in contract.py.
"""

import json
import logging
import re
import secrets
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.local.replica import Owner, ReplicaFolder
from lowcloud.engine.local.sockets import ShortNames
from lowcloud.engine.work import Fetch, Input, InputSource, LazyFolder, Record, Replica, StagingError

BACKLOG = 128
REQUEST_BYTES = 1024
LIST_NAME = re.compile(rf"[^/.][^/]*/\d+/{contract.FEEDS_FOLDER}/[0-9a-f]{{32}}")

NOT_LAZY = "this machine cannot show a program files that come when they are read (it takes /dev/fuse and namespaces)."

# A replica with a lazy file, and what its program does to find out whether there can be such a thing.
_FOLDER = f"{contract.DATA}/trial"
TRIAL = (
    Replica(lazy_folders=(LazyFolder(_FOLDER, (Input(f"{_FOLDER}/file", "", 0),)),)),
    f"open('{contract.DEFAULT_BASE_DIR}/{_FOLDER}/file').read()",
)

log = logging.getLogger("lowcloud.feeding")


def plan(replica: ReplicaFolder, wanted: Replica, owner: Owner, seen_base: str, folder: Path) -> dict[str, Any]:
    """Write the lists of what is to be fed to a replica, and say to its feeder what to do with them.

    `seen_base` is where the program sees its base folder, `folder` where the engine's socket is.
    """

    def listed(lines: Iterable[tuple[str, Record]]) -> str:
        return str(_write_list(replica.path, lines).relative_to(folder.parent))

    return {
        "folder": str(folder),
        "fault": str(replica.path / contract.FEEDS_FOLDER / contract.FEED_FAULT_FILE),
        "uid": owner.uid,
        "gid": owner.gid,
        "pipes": [
            {
                "path": str(replica.base / stream.path),
                "list": listed(("", record) for record in stream.records),
                **{name: getattr(stream, name) for name in ("is_gzip", "is_framed", "seed", "shard", "shards")},
            }
            for stream in wanted.streams
        ],
        "mounts": [
            {
                "target": f"{seen_base}/{lazy.path}",
                "list": listed(_line(lazy.path, one) for one in lazy.files),
            }
            for lazy in wanted.lazy_folders
        ],
    }


def lay_as_files(wanted: Replica, replica: ReplicaFolder, reason: str) -> Replica:
    """The same with its lazy files among those that are laid, which the log says."""
    for folder in wanted.lazy_folders:
        replica.note(f"{folder.path} is laid as files before the program starts: {NOT_LAZY} {reason}")
    files = (file for folder in wanted.lazy_folders for file in folder.files)
    return replace(wanted, inputs=(*wanted.inputs, *files), lazy_folders=())


def _line(folder: str, file: Input) -> tuple[str, Record]:
    return file.path.removeprefix(f"{folder}/"), (InputSource(file.source, file.size_bytes),)


def _write_list(replica: Path, lines: Iterable[tuple[str, Record]]) -> Path:
    """Write what is to be fed to a replica, each with its path; the file, under a name that nobody guesses."""
    folder = replica / contract.FEEDS_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / secrets.token_hex(16)
    with path.open("w") as file:
        for name, record in lines:
            pieces = [[piece.name, piece.size_bytes] if isinstance(piece, InputSource) else piece for piece in record]
            file.write(json.dumps([name, *pieces], separators=(",", ":")) + "\n")
    return path


class Feeding:
    """The server. A feeder whose server has gone waits for the next one, which finds the lists where they were."""

    def __init__(self, root: Path, fetch: Fetch, short_names: ShortNames):
        self.folder = root / ".feeding"
        self._root = root
        self._fetch = fetch
        self._short_names = short_names
        self._guard = threading.Lock()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Serve, in threads of this process, unless it does already."""
        with self._guard:
            if self._listener is not None:
                return
            self.folder.mkdir(mode=0o700, exist_ok=True)
            path = self._short_names.of(self.folder) / contract.FEED_SOCKET
            path.unlink(missing_ok=True)  # that of a server which has gone: one at a time uses a root
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(BACKLOG)
            threading.Thread(target=self._accept, args=(self._listener,), name="feeding", daemon=True).start()

    def close(self) -> None:
        """Accept no more; feeders wait for the next server."""
        with self._guard:
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, which a close would not
                self._listener.close()
                self._listener = None
                self._short_names.forget(self.folder)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), name="feed", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer requests until the other side has no more."""
        try:
            with connection, connection.makefile("rb") as requests:
                while request := requests.readline(REQUEST_BYTES):
                    self._answer(connection, request)
        except OSError:  # the feeder has read enough, or has ended
            return
        except Exception:  # the edge: the feeder asks again
            log.exception("bytes for a running program could not be read")

    def _answer(self, connection: socket.socket, request: bytes) -> None:
        try:
            name, offset, index, start, end = json.loads(request)
            source = self._source(name, offset, index)
            for piece in self._fetch(source, start, end):
                _send(connection, piece)
        except StagingError as error:
            reason = str(error).encode()
            connection.sendall(struct.pack("<II", contract.FEED_FAILED, len(reason)) + reason)
        else:
            connection.sendall(struct.pack("<I", 0))

    def _source(self, name: str, offset: int, index: int) -> str:
        """The name of a source that stands in a list. Raises StagingError."""
        if not LIST_NAME.fullmatch(name):
            raise StagingError(f"{name!r} is no list of inputs.")
        try:
            with (self._root / name).open("rb") as file:
                file.seek(offset)
                return str(json.loads(file.readline())[1 + index][0])
        except FileNotFoundError as error:
            raise StagingError("The job has ended.") from error


def _send(connection: socket.socket, data: bytes) -> None:
    pending = [memoryview(struct.pack("<I", len(data))), memoryview(data)]
    while pending:
        sent = connection.sendmsg(pending)
        while pending and sent >= len(pending[0]):
            sent -= len(pending.pop(0))
        if pending:
            pending[0] = pending[0][sent:]
