"""Power failures at chosen moments: unsynced data is lost, but nothing acknowledged."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.core.errors import CloudError
from lowcloud.core.storage.objects import objects
from lowcloud.home import settings
from lowcloud.server.server import open_context
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.blobs.files import BlobMissingError
from tests.crash.drivers.writer import prepare
from tests.crash.ledger import Ledger
from tests.crash.power import Disk, calls_of, record
from tests.support.faults import needs_strace

pytestmark = needs_strace


@pytest.mark.parametrize("seed", [1])
def test_a_power_failure_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    assert list(losses(tmp_path, seed, changes=60, cuts=12, variants=2)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_power_failures_at_many_moments_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    assert list(losses(tmp_path, seed, changes=150, cuts=150, variants=4)) == []


@pytest.mark.parametrize("sync", ["file-sync", "folder-sync", "database-sync"])
def test_a_store_that_omits_a_sync_loses_acknowledged_data(tmp_path: Path, sync: str) -> None:
    assert next(losses(tmp_path, 1, 40, 20, 1, sync), None) is not None


def losses(folder: Path, seed: int, changes: int, cuts: int, variants: int, *without: str) -> Iterator[str]:
    """Return the problems after power failures during a writer's changes, each in several variants."""
    home, before = folder / "home", folder / "before"
    prepare(home)
    shutil.copytree(home, before)
    record(home, folder / "trace", str(seed), str(changes), *without)
    calls = list(calls_of(folder / "trace"))
    chance = random.Random(seed)
    acknowledgements = [number for number, call in enumerate(calls) if "done" in call.reported]
    moments = set(chance.sample(acknowledgements, cuts // 2))
    moments |= set(chance.sample(range(acknowledgements[0], len(calls)), cuts - cuts // 2))
    disk, ledger = Disk(home, before), Ledger()
    for number, call in enumerate(calls):
        disk.follow(call)
        for line in call.reported.splitlines():
            ledger.follow(json.loads(line))
        if number in moments:
            for variant in range(variants):
                left = folder / f"left-{number}-{variant}"
                disk.leave(left, chance if variant else None)
                if wrong := check(left, copy.deepcopy(ledger)):
                    yield f"after call {number}, variant {variant}: {wrong}"
                shutil.rmtree(left)
    assert ledger.acknowledged > changes / 2  # otherwise nothing was tested


def check(home: Path, ledger: Ledger) -> str | None:
    """Return what the remaining store has lost."""
    context = open_context(settings.load(home, {}))
    try:
        objects.sweep(context)
        ledger.check(context)
    except (AssertionError, TamperedError, BlobMissingError, CloudError) as error:
        return repr(error)
    finally:
        context.database.close()
    return None
