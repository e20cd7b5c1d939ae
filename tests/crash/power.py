"""Power failures: a writer's disk operations, recorded by strace, and what may remain of them after a cut.

What is promised is what POSIX promises and no more: bytes are on the disk when their file was synced after they were
written, names when their folder was. Every other request may have been performed, in part and in any order.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,fallocate,"
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,mkdir,mkdirat"
)
SECTOR_BYTES = 512

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_FINISHED = re.compile(r"(.*)\) += (-?\d+)(?:<(.*)>)?(?: .*)?")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)<([^>]*)>")


@dataclass(frozen=True)
class Call:
    """A successful system call, with its begin and end: their numbers among all begins and ends."""

    name: str
    arguments: str
    result: int
    began: int
    ended: int

    @property
    def texts(self) -> list[bytes]:
        """Its strings: the paths it names, or the bytes it writes."""
        found = _TEXT.findall(self.arguments)
        assert all(not is_cut for _, is_cut in found)
        return [_decoded(text) for text, _ in found]

    @property
    def reported(self) -> str:
        """Its output to stdout."""
        is_told = self.name == "write" and self.arguments.startswith("1<")
        return self.texts[0][: self.result].decode() if is_told else ""


def record(home: Path, trace: Path, *arguments: str) -> None:
    """Run a writer on the home to its end."""
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "10000000", "-e", "signal=none", "-o", str(trace)]
    writer = [sys.executable, "-m", "tests.crash.drivers.writer", str(home), *arguments]
    subprocess.run([*strace, "-e", f"trace={CALLS}", *writer], check=True, stdout=subprocess.DEVNULL)


def calls_of(trace: Path) -> Iterator[Call]:
    """Return the calls of a trace, in the order in which they ended."""
    begun: dict[str, tuple[str, int]] = {}
    with trace.open() as lines:
        for number, line in enumerate(lines):
            found = _LINE.fullmatch(line.rstrip("\n"))
            if found is None:
                continue  # the end of a process
            thread, resumed, name, rest = found.groups()
            if rest.endswith("<unfinished ...>"):
                begun[thread] = rest.removesuffix("<unfinished ...>"), number
                continue
            before, began = begun.pop(thread) if resumed else ("", number)
            finished = _FINISHED.fullmatch(before + rest)
            assert finished is not None or "= ?" in rest, rest[-200:]
            if finished is not None and int(finished[2]) >= 0:
                yield Call(resumed or name, finished[1], int(finished[2]), began, number)


@dataclass(eq=False)
class _File:
    """The durable content, and later operations: writes (when, offset, bytes) and truncations (when, size)."""

    durable: bytes = b""
    pending: list[tuple[int, int, bytes | None]] = field(default_factory=list)


class Disk:
    """The state of a folder between the calls of a writer."""

    def __init__(self, home: Path, before: Path):
        self._home = home
        self._names: dict[Path, _File | None] = {}  # as processes see them; None: a folder
        for path in before.rglob("*"):
            self._names[path.relative_to(before)] = None if path.is_dir() else _File(path.read_bytes())
        self._durable = dict(self._names)
        self._pending: list[tuple[int, Path, _File | None, bool]] = []  # when, name, what, whether it is there since
        self._offsets: dict[str, int] = {}  # by descriptor

    def follow(self, call: Call) -> None:
        """Apply a call."""
        match call.name:
            case "openat":
                self._open(call)
            case "write":
                self._write(call)
            case "pwrite64":
                if path := self._path_of(call):
                    offset = int(call.arguments.rpartition(", ")[2])
                    self._change(path, call, offset, call.texts[0][: call.result])
            case "ftruncate":
                if path := self._path_of(call):
                    self._change(path, call, int(call.arguments.rpartition(", ")[2]), None)
            case "fsync" | "fdatasync":
                if path := self._path_of(call):
                    self._sync(path, call)
            case "mkdir" | "mkdirat":
                self._name(self._inside(call.texts[0]), None, call)
            case "unlink" | "unlinkat":
                self._unname(self._inside(call.texts[0]), call)
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self._rename(call)
            case _:
                assert self._path_of(call) is None, f"{call.name} is not followed yet"

    def leave(self, folder: Path, chance: random.Random | None = None) -> None:
        """Create what a power failure would leave now: unsynced operations are lost, or some of them by chance."""
        names = dict(self._durable)
        for _, path, what, is_there in self._pending:
            if chance is not None and chance.random() < 0.5:
                if is_there:
                    names[path] = what
                else:
                    names.pop(path, None)
        for path in sorted(names):  # folders before what is in them
            target = folder / path
            found = names[path]
            if found is None:
                target.mkdir(parents=True, exist_ok=True, mode=0o700)
            # which is shared memory, and is created again
            elif target.parent.exists() and not path.name.endswith("-shm"):
                target.write_bytes(_left_of(found, chance))

    def _open(self, call: Call) -> None:
        flags = call.arguments
        if path := self._inside(call.texts[0]):
            self._offsets[str(call.result)] = 0
            assert "O_APPEND" not in flags
            if path not in self._names and "O_CREAT" in flags:
                self._name(path, _File(), call)
            elif "O_TRUNC" in flags:
                self._change(path, call, 0, None)

    def _write(self, call: Call) -> None:
        if path := self._path_of(call):
            descriptor = call.arguments.partition("<")[0]
            self._change(path, call, self._offsets[descriptor], call.texts[0][: call.result])
            self._offsets[descriptor] += call.result

    def _change(self, path: Path, call: Call, offset: int, content: bytes | None) -> None:
        file = self._names.get(path)
        if file is not None:  # otherwise an unlinked file that is still open
            file.pending.append((call.ended, offset, content))

    def _sync(self, path: Path, call: Call) -> None:
        """Make everything durable that was written before the sync began."""
        if self._names.get(path, None) is None:
            done = [one for one in self._pending if one[1].parent == path and one[0] < call.began]
            for one in done:
                self._pending.remove(one)
                if one[3]:
                    self._durable[one[1]] = one[2]
                else:
                    self._durable.pop(one[1], None)
            return
        file = self._names[path]
        assert file is not None
        done_changes = [one for one in file.pending if one[0] < call.began]
        file.pending = file.pending[len(done_changes) :]
        for _, offset, content in done_changes:
            file.durable = _changed(file.durable, offset, content)

    def _name(self, path: Path | None, what: _File | None, call: Call) -> None:
        if path is not None:
            self._names[path] = what
            self._pending.append((call.ended, path, what, True))

    def _unname(self, path: Path | None, call: Call) -> None:
        if path is not None:
            what = self._names.pop(path)
            self._pending.append((call.ended, path, what, False))

    def _rename(self, call: Call) -> None:
        old, new = (self._inside(text) for text in call.texts)
        if old is not None and new is not None:
            self._name(new, self._names[old], call)
            if call.name.startswith("rename"):
                self._unname(old, call)

    def _path_of(self, call: Call) -> Path | None:
        found = _DESCRIPTOR.match(call.arguments)
        return None if found is None else self._inside(_decoded(found[2]))

    def _inside(self, path: bytes) -> Path | None:
        found = Path(os.fsdecode(path))
        return found.relative_to(self._home) if found.is_relative_to(self._home) else None


def _left_of(file: _File, chance: random.Random | None) -> bytes:
    content = file.durable
    if chance is not None:
        for _, offset, change in file.pending:
            if change is None:
                content = _changed(content, offset, None) if chance.random() < 0.5 else content
            elif chance.random() < 0.6:  # complete, torn, or not at all
                is_torn = chance.random() < 0.4
                for start in range(0, len(change), SECTOR_BYTES):
                    if not is_torn or chance.random() < 0.5:
                        content = _changed(content, offset + start, change[start : start + SECTOR_BYTES])
    return bytes(content)


def _changed(content: bytes, offset: int, change: bytes | None) -> bytes:
    """Return the content after a write at an offset, or after a truncation."""
    whole = bytearray(content)
    if len(whole) < offset:
        whole += bytes(offset - len(whole))
    if change is None:
        del whole[offset:]
    else:
        whole[offset : offset + len(change)] = change
    return bytes(whole)


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
