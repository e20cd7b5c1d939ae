"""The server is killed with SIGKILL while it serves inputs to a program: the next one continues from there."""

import hashlib
import random
from pathlib import Path

from lowcloud.engine.local.inputs.input_server import LAZY_UNSUPPORTED
from lowcloud.engine.work import Phase
from tests.crash.drivers.driver import killed_driver
from tests.crash.drivers.input_server import BLOCKS, block, slow_fetch
from tests.support.engines import MakeEngine, ended, output

KILLS = 4
FEEDS = "input_server"  # the module of the process that is killed


def test_a_program_that_is_fed_by_one_killed_server_after_another_reads_every_byte_once(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    root, delays = tmp_path / "work", random.Random(3)
    for _ in range(KILLS):
        killed_driver(FEEDS, root, after_seconds=delays.uniform(0, 0.3))
    engine = make_engine(slow_fetch, root=root)
    engine.warm_up()
    engine.wait_until_ready(60)
    assert [(status.phase, status.exit_code) for status in ended(engine)] == [(Phase.EXITED, 0)], output(engine)
    printed = sorted(line for line in output(engine) if LAZY_UNSUPPORTED not in line)
    digest = hashlib.sha256(b"".join(map(block, range(BLOCKS)))).hexdigest()
    assert printed == [f"lazy/file {digest}", f"stream_0 {digest}"]


def test_a_program_that_waits_for_a_server_can_be_stopped(make_engine: MakeEngine, tmp_path: Path) -> None:
    root = tmp_path / "work"
    killed_driver(FEEDS, root, after_seconds=0.2)
    engine = make_engine(slow_fetch, root=root)  # which does not serve inputs
    engine.stop("w", 0.3)
    assert [status.phase for status in ended(engine)] == [Phase.EXITED]
