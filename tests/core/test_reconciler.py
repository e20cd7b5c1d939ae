"""Leases: one server carries a record at a time, and what a late one saves is refused."""

import threading
import time

import pytest
from sqlalchemy import select, update

from lowcloud.core.cloud import Cloud
from lowcloud.core.reconciler import Claim, LeaseLost, Reconciler
from lowcloud.store.tables import training_jobs
from tests.running import wait_for


def add_row(cloud: Cloud, name: str = "job") -> None:
    row = {
        "state": "pending",
        "created_at": 0.0,
        "modified_at": 0.0,
        "specification": {},
        "progress": {},
        "due_at": 0.0,
    }
    with cloud.database.transaction() as connection:
        connection.execute(training_jobs.insert().values(name=name, **row))


def read_row(cloud: Cloud, name: str = "job"):
    with cloud.database.read() as connection:
        return connection.execute(select(training_jobs).where(training_jobs.c.name == name)).one()


def test_a_due_record_is_carried_until_nothing_is_left_to_do(cloud):
    turns = []

    def advance(claim: Claim) -> float | None:
        turns.append(claim.name)
        return 0.0 if len(turns) < 3 else claim.release(None)

    add_row(cloud)
    reconciler = Reconciler(cloud, {training_jobs: advance})
    reconciler.start(is_alone=True)
    wait_for(lambda: read_row(cloud).due_at is None)
    reconciler.stop()
    assert turns == ["job"] * 3
    assert read_row(cloud).lease_owner is None


def test_a_new_record_is_noticed_at_the_bell(cloud):
    carried = threading.Event()
    reconciler = Reconciler(cloud, {training_jobs: lambda claim: carried.set()})
    reconciler.start(is_alone=True)
    time.sleep(0.05)  # past the first scan; the next is half a second away
    add_row(cloud)
    start = time.monotonic()
    cloud.bell.ring()
    assert carried.wait(10)
    assert time.monotonic() - start < 0.4
    reconciler.stop()


def test_only_one_of_two_servers_carries_a_record(cloud):
    turns: list[str] = []
    release = threading.Event()

    def advance_as(server: str):
        def advance(claim: Claim) -> float | None:
            turns.append(server)
            release.wait(10)
            return claim.release(None)

        return advance

    add_row(cloud)
    servers = [Reconciler(cloud, {training_jobs: advance_as(name)}) for name in ("one", "two")]
    for reconciler in servers:
        reconciler.start(is_alone=False)
    wait_for(lambda: turns)
    cloud.bell.ring()
    time.sleep(0.2)
    release.set()
    wait_for(lambda: read_row(cloud).due_at is None)
    for reconciler in servers:
        reconciler.stop()
    assert len(turns) == 1


def test_what_is_saved_after_the_lease_was_taken_is_refused(cloud):
    add_row(cloud)
    claim = Claim(cloud, training_jobs, "job", "one")
    with cloud.database.transaction() as connection:
        connection.execute(update(training_jobs).values(lease_owner="two"))
    with pytest.raises(LeaseLost):
        claim.save({"state": "completed"})
    assert read_row(cloud).state == "pending"


def test_a_failing_turn_is_tried_again(cloud, monkeypatch):
    monkeypatch.setattr("lowcloud.core.reconciler.RETRY_SECONDS", 0.01)
    turns = []

    def advance(claim: Claim) -> float | None:
        turns.append(1)
        if len(turns) == 1:
            raise OSError("the disk is not there")
        return claim.release(None)

    add_row(cloud)
    reconciler = Reconciler(cloud, {training_jobs: advance})
    reconciler.start(is_alone=True)
    wait_for(lambda: read_row(cloud).due_at is None)
    reconciler.stop()
    assert len(turns) == 2


def test_a_server_that_stops_leaves_its_records_due_at_once(cloud):
    add_row(cloud)
    reconciler = Reconciler(cloud, {training_jobs: lambda claim: 100.0})
    reconciler.start(is_alone=True)
    wait_for(lambda: read_row(cloud).lease_owner)
    reconciler.stop()
    row = read_row(cloud)
    assert (row.lease_owner, row.lease_until) == (None, 0)
    assert row.due_at is not None
