"""kill -9 at random moments: every acknowledged object is there unchanged, and no orphans are left."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lowcloud.core.storage.objects import objects
from lowcloud.home import settings
from lowcloud.server.server import open_context
from tests.crash.drivers.writer import prepare
from tests.crash.ledger import Ledger
from tests.support.servers.gateways import make_context
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "shelf"
LONGEST_LIFE_SECONDS = 0.4


def test_kill_9_loses_no_acknowledged_object(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "home", rounds=10)


def test_kill_9_loses_no_acknowledged_object_whose_row_is_in_postgresql(tmp_path: Path, postgres: Any) -> None:
    make_context(tmp_path / "home", postgres.new_database()).database.close()  # the home saves the URL
    kill_rounds(tmp_path / "home", rounds=6)


@pytest.mark.slow
def test_200_times_kill_9_lose_no_acknowledged_object(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "home", rounds=200)


def kill_rounds(home: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    prepare(home)
    ledger = Ledger()
    for number in range(rounds):
        for event in told_until_killed(home, number, chance.uniform(0, LONGEST_LIFE_SECONDS)):
            ledger.follow(event)
        cloud = open_context(settings.load(home, {}))
        objects.sweep(cloud)
        ledger.check(cloud)
        cloud.database.close()
    assert ledger.acknowledged > rounds  # otherwise nothing was tested


def told_until_killed(home: Path, seed: int, life_seconds: float) -> list[list[Any]]:
    """Return the lines of a writer, which is killed some time after its first change."""
    command = [sys.executable, "-m", "tests.crash.drivers.writer", str(home), str(seed)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]
    reading = threading.Thread(target=lambda: lines.extend(writer.stdout))  # type: ignore[arg-type]
    reading.start()
    time.sleep(life_seconds)
    writer.kill()
    writer.wait()
    reading.join()
    writer.stdout.close()
    assert json.loads(lines[0]) == ["ready"]
    return [json.loads(line) for line in lines[1:] if line.endswith(b"\n")]


def test_a_killed_server_has_every_object_it_acknowledged(tmp_path: Path) -> None:
    cloud = Server(tmp_path / "home")
    cloud.up()
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    acknowledged: dict[str, bytes] = {}
    threads = [threading.Thread(target=put_until_refused, args=(cloud, number, acknowledged)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) > 10)
    cloud.kill()
    cloud.up()
    try:
        for thread in threads:
            thread.join()
        s3 = cloud.client("s3")
        for key, content in acknowledged.items():
            assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content
    finally:
        cloud.down()


def put_until_refused(cloud: Server, thread: int, acknowledged: dict[str, bytes]) -> None:
    s3 = cloud.client("s3")
    s3.meta.events.unregister("needs-retry.s3", unique_id="retry-config-s3")  # no retries to a dead server
    for number in range(100_000):
        content = os.urandom(random.choice([10, 10_000, 1_500_000]))
        try:
            s3.put_object(Bucket=BUCKET, Key=f"{thread}/{number}", Body=content)
        except (BotoCoreError, ClientError):
            return
        acknowledged[f"{thread}/{number}"] = content
