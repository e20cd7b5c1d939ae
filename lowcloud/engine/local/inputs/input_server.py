"""Serves byte ranges of inputs on a unix socket to the feeder processes of running programs (runtime/inputs/feeder.py).

A feeder may read the inputs in the list files that were written when its work was staged. A list file is where no
program sees it and has an unguessable name, so its name is the permission to read what it lists. The protocol is in
contract.py.
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
from lowcloud.engine.local.sockets import ShortPaths
from lowcloud.engine.work import Fetch, Input, InputSource, LazyFolder, Record, Replica, StagingError

BACKLOG = 128
REQUEST_BYTES = 1024
LIST_NAME = re.compile(rf"[^/.][^/]*/\d+/{contract.FEEDS_FOLDER}/[0-9a-f]{{32}}")

LAZY_UNSUPPORTED = (
    "this machine cannot mount files that are fetched when they are read (this needs /dev/fuse and namespaces)."
)

# A replica with a lazy file, and a program that reads it, to find out whether the machine supports lazy folders.
_FOLDER = f"{contract.DATA}/trial"
LAZY_FOLDER_PROBE = (
    Replica(lazy_folders=(LazyFolder(_FOLDER, (Input(f"{_FOLDER}/file", "", 0),)),)),
    f"open('{contract.DEFAULT_BASE_DIR}/{_FOLDER}/file').read()",
)

log = logging.getLogger("lowcloud.input_server")


def build_feeder_spec(
    replica: ReplicaFolder, content: Replica, owner: Owner, visible_base: str, folder: Path
) -> dict[str, Any]:
    """Write the list files of a replica's streamed and lazy inputs, and return the spec of its feeder process.

    `visible_base` is the path at which the program sees its base folder; `folder` contains the engine's socket.
    """

    def write_list(lines: Iterable[tuple[str, Record]]) -> str:
        return str(_write_list(replica.path, lines).relative_to(folder.parent))

    return {
        "folder": str(folder),
        "error_file": str(replica.path / contract.FEEDS_FOLDER / contract.FEED_ERROR_FILE),
        "uid": owner.uid,
        "gid": owner.gid,
        "pipes": [
            {
                "path": str(replica.base / stream.path),
                "list": write_list(("", record) for record in stream.records),
                **{name: getattr(stream, name) for name in ("is_gzip", "is_framed", "seed", "shard", "shards")},
            }
            for stream in content.streams
        ],
        "mounts": [
            {
                "target": f"{visible_base}/{lazy.path}",
                "list": write_list(_line(lazy.path, one) for one in lazy.files),
            }
            for lazy in content.lazy_folders
        ],
    }


def stage_as_files(content: Replica, replica: ReplicaFolder, reason: str) -> Replica:
    """Return the content with the lazy files as ordinary inputs, and write the reason to the replica's log."""
    for folder in content.lazy_folders:
        replica.log_note(f"{folder.path} is staged as files before the program starts: {LAZY_UNSUPPORTED} {reason}")
    files = (file for folder in content.lazy_folders for file in folder.files)
    return replace(content, inputs=(*content.inputs, *files), lazy_folders=())


def _line(folder: str, file: Input) -> tuple[str, Record]:
    return file.path.removeprefix(f"{folder}/"), (InputSource(file.source, file.size_bytes),)


def _write_list(replica: Path, lines: Iterable[tuple[str, Record]]) -> Path:
    """Write records with their paths to a new list file with an unguessable name, and return the file."""
    folder = replica / contract.FEEDS_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / secrets.token_hex(16)
    with path.open("w") as file:
        for name, record in lines:
            pieces = [[piece.name, piece.size_bytes] if isinstance(piece, InputSource) else piece for piece in record]
            file.write(json.dumps([name, *pieces], separators=(",", ":")) + "\n")
    return path


class InputServer:
    """The server. Feeders wait while none runs; the list files stay valid for the next one."""

    def __init__(self, root: Path, fetch: Fetch, short_paths: ShortPaths):
        self.folder = root / ".feeding"
        self._root = root
        self._fetch = fetch
        self._short_paths = short_paths
        self._guard = threading.Lock()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Start serving in threads of this process, unless it is serving already."""
        with self._guard:
            if self._listener is not None:
                return
            self.folder.mkdir(mode=0o700, exist_ok=True)
            path = self._short_paths.of(self.folder) / contract.FEED_SOCKET
            path.unlink(missing_ok=True)  # left by an earlier server: only one at a time uses a root
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(BACKLOG)
            threading.Thread(target=self._accept, args=(self._listener,), name="input-server", daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections; feeders wait for the next server."""
        with self._guard:
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread, which close() would not
                self._listener.close()
                self._listener = None
                self._short_paths.remove(self.folder)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), name="input-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer requests until the feeder closes the connection."""
        try:
            with connection, connection.makefile("rb") as requests:
                while request := requests.readline(REQUEST_BYTES):
                    self._answer(connection, request)
        except OSError:  # the feeder needs no more, or has ended
            return
        except Exception:  # the edge: the feeder sends the request again
            log.exception("an input of a running program could not be read")

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
        """Return the name of a source in a list file. Raises StagingError."""
        if not LIST_NAME.fullmatch(name):
            raise StagingError(f"{name!r} is not a list of inputs.")
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
