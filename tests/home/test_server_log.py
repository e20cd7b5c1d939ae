"""The log of a server in the background: limited in size, complete, and without a line for each request."""

import os
import subprocess
import sys
from pathlib import Path

from lowcloud.home import server_log
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

PROGRAM = """
import logging, os, sys
from pathlib import Path
from lowcloud.home import server_log

server_log.MAX_BYTES = 20_000
server_log.configure(Path(sys.argv[1]), server_log.LogLevel.INFO)
children = [os.fork() for _ in range(1)]
name = "child" if not children[0] else "parent"
for number in range(400):
    logging.getLogger("lowcloud.test").info("%s %d %s", name, number, "x" * 40)
print(name, "has ended", flush=True)
if children[0]:
    os.waitpid(children[0], 0)
"""


def run(home: Path) -> None:
    log = server_log.open_file(home)
    subprocess.run([sys.executable, "-c", PROGRAM, str(home)], stdout=log, stderr=log, check=True)
    os.close(log)


def test_a_log_that_has_become_large_is_continued_in_another_file_by_all_processes(tmp_path: Path) -> None:
    run(tmp_path)
    files = [tmp_path / "server.log", *sorted(tmp_path.glob("server.log.*"))]
    assert [file.name for file in files] == ["server.log", *(f"server.log.{number + 1}" for number in range(3))]
    assert all(file.stat().st_size < 21_000 for file in files)
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    lines = [line for file in reversed(files) for line in file.read_text().splitlines()]
    for name in ("parent", "child"):
        numbers = [int(line.split()[5]) for line in lines if f" {name} " in line and "x" * 40 in line]
        assert numbers == list(range(400 - len(numbers), 400)), "the newest lines are complete and in order"
        assert f"{name} has ended" in lines, "what is printed is in the log too"


def test_requests_are_logged_at_the_level_debug_alone(tmp_path: Path) -> None:
    cloud = Server(tmp_path / "home")
    log = cloud.home / server_log.FILE
    for level, is_logged in ((), False), (("--log-level", "debug"), True):
        cloud.up(*level)
        cloud.client("sts").get_caller_identity()
        if is_logged:
            wait_for(lambda: "lowcloud.access" in log.read_text() and " sts GetCallerIdentity 200 " in log.read_text())
        cloud.down()
        assert ("GetCallerIdentity" in log.read_text()) == is_logged
