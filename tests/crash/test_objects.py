import json
import os
import random
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import BotoCoreError, ClientError

from lowcloud import settings
from lowcloud.core import buckets, objects
from lowcloud.core.cloud import Cloud
from lowcloud.server import open_cloud
from lowcloud.store.tables import parts
from tests.conftest import make_cloud
from tests.crash.writer import BUCKET
from tests.running import RunningCloud, wait_for

LONGEST_LIFE_SECONDS = 0.4


def test_kill_9_loses_no_acknowledged_object(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "home", rounds=12)


def test_kill_9_loses_no_acknowledged_object_whose_row_is_in_postgresql(tmp_path: Path, postgres: Any) -> None:
    make_cloud(tmp_path / "home", postgres.new_database()).database.close()  # the home remembers it
    kill_rounds(tmp_path / "home", rounds=6)


@pytest.mark.slow
def test_200_times_kill_9_lose_no_acknowledged_object(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "home", rounds=200)


def kill_rounds(home: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    cloud = open_cloud(settings.load(home, {}))
    buckets.create(cloud, BUCKET)
    cloud.database.close()
    state: dict[str, set[str | None]] = {}  # what each key may hold now: digests, None for nothing
    changes = 0
    for number in range(rounds):
        told = told_until_killed(home, number, chance.uniform(0, LONGEST_LIFE_SECONDS))
        changes += follow(state, told)
        cloud = open_cloud(settings.load(home, {}))
        objects.sweep(cloud)
        check(cloud, state)
        cloud.database.close()
    assert changes > rounds  # else nothing was tested


def told_until_killed(home: Path, seed: int, life_seconds: float) -> list[list[Any]]:
    """What a writer tells in its life, which begins with its first change."""
    command = [sys.executable, "-m", "tests.crash.writer", str(home), str(seed)]
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


def follow(state: dict[str, set[str | None]], told: list[list[Any]]) -> int:
    """Bring up to date what each key may hold; returns how many changes were acknowledged."""
    for kind, key, digest in told:
        if kind == "begin":
            state.setdefault(key, {None}).add(digest)
        else:
            state[key] = {digest}
    return sum(kind == "done" for kind, _, _ in told)


def check(cloud: Cloud, state: dict[str, set[str | None]]) -> None:
    """Every key holds what it may, every row has its blob and every blob its row."""
    held = {found.key: found for found in objects.walk(cloud, BUCKET)}
    for key, allowed in state.items():
        digest = sha256(b"".join(objects.get(cloud, BUCKET, key)[1])).hexdigest() if key in held else None
        assert digest in allowed, key
        allowed &= {digest}
    for key in held.keys() - state.keys():
        assert key.endswith("/source")
        assert b"".join(objects.get(cloud, BUCKET, key)[1]) is not None
    with cloud.database.read() as connection:
        known = set(connection.execute(sa.select(parts.c.blob)).scalars())
    assert {path.name for path in (cloud.settings.data / "objects").glob("*/*")} == known


def test_a_killed_server_has_every_object_it_acknowledged(tmp_path: Path) -> None:
    cloud = RunningCloud(tmp_path / "home")
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


def put_until_refused(cloud: RunningCloud, thread: int, acknowledged: dict[str, bytes]) -> None:
    s3 = cloud.client("s3")
    s3.meta.events.unregister("needs-retry.s3", unique_id="retry-config-s3")  # a dead server is not asked again
    for number in range(100_000):
        content = os.urandom(random.choice([10, 10_000, 1_500_000]))
        try:
            s3.put_object(Bucket=BUCKET, Key=f"{thread}/{number}", Body=content)
        except (BotoCoreError, ClientError):
            return
        acknowledged[f"{thread}/{number}"] = content
