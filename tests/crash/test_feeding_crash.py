"""kill -9 of the server while it feeds a program: the next one goes on from where it stood."""

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase

sys.path.insert(0, str(Path(__file__).parent))
from feeding_driver import BLOCKS, block, slow_fetch

KILLS = 4


def killed_driver(root: Path, after_seconds: float) -> None:
    command = [sys.executable, str(Path(__file__).with_name("feeding_driver.py")), str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "started\n"
        time.sleep(after_seconds)
        driver.kill()


def test_a_program_that_is_fed_by_one_killed_server_after_another_reads_every_byte_once(tmp_path: Path) -> None:
    root, delays = tmp_path / "work", random.Random(3)
    for _ in range(KILLS):
        killed_driver(root, delays.uniform(0, 0.3))
    engine = LocalEngine(root, slow_fetch)
    engine.warm_up()
    try:
        deadline = time.monotonic() + 30
        while any(status.phase != Phase.EXITED for status in engine.status("w")):
            assert time.monotonic() < deadline, engine.logs("w", 0, 0)
            time.sleep(0.01)
        said = sorted(line.text for line in engine.logs("w", 0, 0).lines if " is staged as " not in line.text)
        digest = hashlib.sha256(b"".join(map(block, range(BLOCKS)))).hexdigest()
        assert said == [f"lazy/file {digest}", f"stream_0 {digest}"]
        assert [status.exit_code for status in engine.status("w")] == [0]
    finally:
        engine.remove("w")
        engine.close()


def test_a_program_that_waits_for_a_server_can_be_stopped(tmp_path: Path) -> None:
    root = tmp_path / "work"
    killed_driver(root, 0.2)
    engine = LocalEngine(root, slow_fetch)  # which does not feed
    try:
        engine.stop("w", 0.3)
        deadline = time.monotonic() + 20
        while any(status.phase != Phase.EXITED for status in engine.status("w")):
            assert time.monotonic() < deadline, engine.status("w")
            time.sleep(0.01)
    finally:
        engine.remove("w")
        engine.close()
