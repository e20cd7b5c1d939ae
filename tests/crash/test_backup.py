"""Backups during concurrent writes, and backups whose process is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.objects import objects
from lowcloud.home import settings
from lowcloud.server.server import open_context
from lowcloud.store import backup
from lowcloud.store.backup import BackupError
from tests.crash.drivers.writer import PLAIN, prepare
from tests.crash.ledger import Ledger
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

UNCERTAIN = ("begin", "brief", "remove", "abort")  # changes that may or may not be in the backup


def test_a_backup_during_writes_contains_everything_acknowledged_before(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "backup"
    prepare(home)
    reported: list[list[Any]] = []
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.drivers.writer", str(home), "1"],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
    )
    assert writer.stdout is not None
    lines = writer.stdout
    reading = threading.Thread(target=lambda: reported.extend(map(json.loads, lines)))
    reading.start()
    try:
        for number in range(2):  # the first, and one on top of it
            wait_for(lambda: len(reported) > 100 * (number + 1))  # noqa: B023
            before = len(reported)
            Server(home).cli("backup", str(folder), "--with-keys")
            during = len(reported)
            check_backup(folder, tmp_path / f"restored-{number}", reported[:before], reported[before:during])
    finally:
        writer.kill()
        writer.wait()
        reading.join()
        lines.close()
    assert during > before, "nobody has written meanwhile"


def check_backup(folder: Path, home: Path, before: list[list[Any]], during: list[list[Any]]) -> None:
    ledger = Ledger()
    for event in [*before, *(event for event in during if event[0] in UNCERTAIN)]:
        ledger.follow(event)
    backup.restore(folder, home, backup.find(folder))
    cloud = open_context(settings.load(home, {}))
    assert list(scrub.scrub(cloud, scrub.ScrubCounts())) == []
    ledger.check(cloud)
    cloud.database.close()


KILLED = """
import os, signal, sys
from lowcloud.cli import app as cli
from lowcloud.store import backup

left, really_copy = int(sys.argv.pop(1)), backup._copy

def copy_or_die(*paths):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    really_copy(*paths)

backup._copy = copy_or_die
cli.main()
"""


def test_a_killed_backup_is_not_mistaken_for_a_complete_one(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "backup"
    prepare(home)
    command = [sys.executable, "-m", "tests.crash.drivers.writer", str(home), "1", "60"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    cloud = open_context(settings.load(home, {}))
    for number in range(20):  # more files than are copied before the last death
        objects.put(cloud, PLAIN, f"large/{number}", [bytes(100_000)])
    cloud.database.close()
    for copies in (0, 5, 12):
        command = [sys.executable, "-c", KILLED, str(copies), "backup", str(folder), "--home", str(home)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        with pytest.raises(BackupError, match="no complete backup"):
            backup.find(folder)
    Server(home).cli("backup", str(folder), "--with-keys")
    backup.restore(folder, tmp_path / "restored", backup.find(folder))
    cloud = open_context(settings.load(tmp_path / "restored", {}))
    assert list(scrub.scrub(cloud, scrub.ScrubCounts())) == []
    cloud.database.close()
