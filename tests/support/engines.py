"""Local engines on folders of a test, and the results of their works."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation, isolation_record
from lowcloud.engine.local.replica import read_record
from lowcloud.engine.work import Engine, EngineNotReadyError, LogLine, Phase, Replica, ReplicaStatus, Resources, Work
from tests.support.waiting import wait_for

IS_LINUX_ROOT = sys.platform == "linux" and os.geteuid() == 0
STRONGEST = "strongest"  # of what the machine allows
MODES = (STRONGEST, "namespaces", "landlock", "none") if sys.platform == "linux" else ("none",)
HOME = Path("home")
ROOT = HOME / "work"  # of an engine, in the folder of its test

SMALL = Resources(cpus=1, memory_bytes=512 * 1024 * 1024)

MakeEngine = Callable[..., LocalEngine]


def no_input(_source: str, _start: int = 0, _end: int | None = None, /) -> Iterator[bytes]:
    """Fetch nothing, for works without inputs."""
    return iter(())


class Engines:
    """Makes engines, and removes their works when the test ends."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._made: list[tuple[LocalEngine, Path]] = []

    def make(
        self, fetch: Callable[..., Iterator[bytes]] = no_input, root: Path = ROOT, mode: str = STRONGEST, **choices: Any
    ) -> LocalEngine:
        """Return an engine on `root`, which may be relative to the test's folder.

        It isolates as `mode` says; the test is skipped where the machine does not allow that.
        """
        engine = LocalEngine(self._folder / root, fetch, **choices)
        if mode != STRONGEST:
            isolation_record.choose(choices.get("home", (self._folder / root).parent), mode)
        self._made.append((engine, self._folder / root))
        try:
            assert mode == STRONGEST or engine.isolation() == isolation.level_named(mode).sentence
        except EngineNotReadyError as error:
            pytest.skip(f"the isolation level {mode!r} does not work here: {error}")
        return engine

    def close(self) -> None:
        """Remove all works, which ends their programs, and close the engines."""
        for engine, root in self._made:
            for work_id in _works(root):
                engine.remove(work_id)
            engine.close()


def work(*command: str, replicas: tuple[Replica, ...] = (Replica(),), work_id: str = "w") -> Work:
    """Return a small work that runs a command."""
    return Work(work_id, command, replicas, SMALL)


def python(text: str, replicas: tuple[Replica, ...] = (Replica(),)) -> Work:
    """Return a small work that runs a program."""
    return work("python", "-c", text, replicas=replicas)


def ended(engine: Engine, work_id: str = "w") -> tuple[ReplicaStatus, ...]:
    """Wait until all replicas have ended, and return how."""
    wait_for(lambda: all(status.phase in (Phase.EXITED, Phase.LOST) for status in engine.status(work_id)))
    return engine.status(work_id)


def log_lines(engine: Engine, work_id: str = "w", replica: int = 0) -> list[LogLine]:
    """Return the log of a replica, all pages of it."""
    found: list[LogLine] = []
    offset = 0
    while (page := engine.logs(work_id, replica, offset)).lines:
        found += page.lines
        offset = page.next_offset
    return found


def output(engine: Engine, work_id: str = "w", replica: int = 0) -> list[str]:
    """Return the lines that a replica has printed."""
    return [line.text for line in log_lines(engine, work_id, replica)]


def processes(words: str) -> list[int]:
    """Return the ids of living processes whose command line contains these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            is_zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words.encode() in command and not is_zombie:
            found.append(int(folder.name))
    return found


def works_left(home: Path) -> set[str]:
    """Return the folders of works in a home that still exist, or whose files a process has open, as supervisors do."""
    found = {path.parent.name for path in (home / "work").glob("*/work.json")}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            opened = re.match(f"{re.escape(str(home))}/work/([0-9a-f]{{20}}-[^/]*)", str(descriptor.readlink()))
        except OSError:  # the process has ended meanwhile
            continue
        if opened:
            found.add(opened[1])
    return found


def _works(root: Path) -> Iterator[str]:
    for path in root.glob("[!.]*/work.json"):
        record = read_record(path)
        yield record["id"] if record else path.parent.name.partition("-")[2]  # the record of a work may be torn
