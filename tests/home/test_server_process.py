"""How commands find the server of a home, also while one starts after another was killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from lowcloud.home import server_process


def write_record(home: Path, pid: int) -> None:
    record = {"pid": pid, "endpoint": "http://127.0.0.1:1", "started_at": 0.0, "isolation": "of an earlier version"}
    (home / "server.json").write_text(json.dumps(record))


def test_a_server_is_found_once_it_has_written_its_record(tmp_path: Path) -> None:
    with server_process.lock_home(tmp_path):
        assert server_process.find_running(tmp_path) is None
        write_record(tmp_path, os.getpid())
        found = server_process.find_running(tmp_path)
    assert found is not None and found.pid == os.getpid()
    assert server_process.find_running(tmp_path) is None


def test_the_record_of_a_killed_server_is_not_taken_for_that_of_the_next_one(tmp_path: Path) -> None:
    """The next server holds the lock for an instant before it deletes the record."""
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    write_record(tmp_path, killed.pid)
    with server_process.lock_home(tmp_path):
        assert server_process.find_running(tmp_path) is None


def test_the_process_id_of_a_killed_server_is_forgotten_by_whoever_locks_the_home(tmp_path: Path) -> None:
    """By an upgrade, for example: `lowcloud down` would end another program that has got the process id."""
    write_record(tmp_path, os.getpid())
    with server_process.lock_home(tmp_path):
        assert server_process.find_running(tmp_path) is None
