"""Leases: one server advances a record at a time, and changes saved without the lease are refused."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord, LeaseLostError, Reconciler
from lowcloud.core.jobs import creation
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.resource_kind import Registry, ResourceKind
from lowcloud.core.serving import models
from lowcloud.core.serving.models import Model
from lowcloud.core.storage.buckets import buckets
from lowcloud.home.settings import EXECUTION_ROLE
from lowcloud.store.db.tables.jobs import training_jobs
from tests.core.jobs.test_outputs import BUCKET, SPECIFICATION
from tests.support.waiting import wait_for


def add_row(context: Context, name: str = "job") -> None:
    row = {
        "state": "pending",
        "created_at": 0.0,
        "modified_at": 0.0,
        "specification": {},
        "progress": {},
        "due_at": 0.0,
    }
    with context.database.transaction() as connection:
        connection.execute(training_jobs.insert().values(name=name, **row))


def release_lease(record: LeasedRecord) -> None:
    record.release(None)


def reconciler_of(context: Context, advance: Callable[[LeasedRecord], float | None]) -> Reconciler:
    """A reconciler whose only kind are jobs that `advance` advances."""
    kind = ResourceKind("training job", "training-job", training_jobs, lambda row: row, advance=advance)
    return Reconciler(replace(context, kinds=Registry((kind,))))


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Counter[Reconciler]:
    """How many times each reconciler has looked for due records."""
    counted: Counter[Reconciler] = Counter()
    lease_due = Reconciler._lease_due

    def lease_due_and_count(reconciler: Reconciler) -> None:
        lease_due(reconciler)
        counted[reconciler] += 1

    monkeypatch.setattr(Reconciler, "_lease_due", lease_due_and_count)
    return counted


def wake_up(context: Context, *reconcilers: Reconciler, scans: Counter[Reconciler]) -> None:
    """Notify, and wait until all reconcilers have looked for due records."""
    before = scans.copy()
    context.wake.notify()
    wait_for(lambda: all(scans[one] > before[one] for one in reconcilers))


def read_row(context: Context, name: str = "job"):
    with context.database.read() as connection:
        return connection.execute(select(training_jobs).where(training_jobs.c.name == name)).one()


def test_a_due_record_is_advanced_until_nothing_is_left_to_do(context):
    turns = []

    def advance(record: LeasedRecord) -> float | None:
        turns.append(record.name)
        return 0.0 if len(turns) < 3 else release_lease(record)

    add_row(context)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: read_row(context).due_at is None)
    reconciler.stop()
    assert turns == ["job"] * 3
    assert read_row(context).lease_owner is None


def test_a_new_record_is_noticed_at_the_wake_signal(context, scans):
    advanced = threading.Event()
    reconciler = reconciler_of(context, lambda record: advanced.set())
    reconciler.start()
    wait_for(lambda: scans[reconciler])  # the next scan is half a second away
    add_row(context)
    start = time.monotonic()
    context.wake.notify()
    assert advanced.wait(10)
    assert time.monotonic() - start < 0.4
    reconciler.stop()


def test_only_one_of_two_servers_advances_a_record(context, scans):
    turns: list[str] = []
    release = threading.Event()

    def advance_as(server: str):
        def advance(record: LeasedRecord) -> float | None:
            turns.append(server)
            release.wait(10)
            return release_lease(record)

        return advance

    servers = [reconciler_of(context, advance_as(name)) for name in ("one", "two")]
    for reconciler in servers:
        reconciler.start()
    add_row(context)
    wait_for(lambda: turns)
    wake_up(context, *servers, scans=scans)
    release.set()
    wait_for(lambda: read_row(context).due_at is None)
    for reconciler in servers:
        reconciler.stop()
    assert len(turns) == 1


def test_a_change_saved_after_the_lease_was_taken_is_refused(context):
    add_row(context)
    record = LeasedRecord(context, TRAINING, "job", "one")
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).values(lease_owner="two"))
    with pytest.raises(LeaseLostError):
        record.save({"state": "completed"})
    assert read_row(context).state == "pending"


def test_a_failing_turn_is_tried_again(context, monkeypatch):
    monkeypatch.setattr("lowcloud.core.control.reconciler.RETRY_SECONDS", 0.01)
    turns = []

    def advance(record: LeasedRecord) -> float | None:
        turns.append(1)
        if len(turns) == 1:
            raise OSError("the disk is not there")
        return release_lease(record)

    add_row(context)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: read_row(context).due_at is None)
    reconciler.stop()
    assert len(turns) == 2


def test_a_record_whose_lease_ran_out_during_its_turn_is_not_begun_a_second_time(context, scans):
    begun: list[str] = []
    release = threading.Event()

    def advance(record: LeasedRecord) -> float | None:
        begun.append(record.name)
        release.wait(10)
        return release_lease(record)

    add_row(context)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: begun)
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).values(lease_until=0))
    wake_up(context, reconciler, scans=scans)
    release.set()
    wait_for(lambda: read_row(context).due_at is None)
    reconciler.stop()
    assert begun == ["job"]


def test_a_change_written_during_a_turn_is_looked_at_right_after_it(context):
    turns = []

    def advance(record: LeasedRecord) -> float | None:
        turns.append(1)
        if len(turns) == 1:
            context.wake.notify()
            return 100.0
        return release_lease(record)

    add_row(context)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: read_row(context).due_at is None, 10)
    reconciler.stop()


def test_a_clock_set_back_stops_nothing(context, monkeypatch):
    turns = []

    def advance(record: LeasedRecord) -> float | None:
        turns.append(1)
        return 0.01

    add_row(context)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: turns)
    monkeypatch.setattr(Context, "now", lambda _: time.time() - 3600)
    seen = len(turns)
    wait_for(lambda: len(turns) > seen + 20, 10)
    add_row(context, "later")
    wait_for(lambda: read_row(context, "later").lease_owner, 10)
    reconciler.stop()


def test_leases_are_held_until_they_are_taken(context, monkeypatch):
    monkeypatch.setattr("lowcloud.core.control.reconciler.LEASE_SECONDS", 0.6)
    turns = []

    def advance(record: LeasedRecord) -> float | None:
        turns.append(record.name)
        return 0.1

    for name in ("kept", "taken"):
        add_row(context, name)
    reconciler = reconciler_of(context, advance)
    reconciler.start()
    wait_for(lambda: {*turns} == {"kept", "taken"})
    with context.database.transaction() as connection:
        theirs = update(training_jobs).where(training_jobs.c.name == "taken")
        connection.execute(theirs.values(lease_owner="another", lease_until=context.now() + 100))
    first = read_row(context, "kept").lease_until
    wait_for(lambda: read_row(context, "kept").lease_until > first + 1, 10)
    seen = len(turns)
    wait_for(lambda: len(turns) > seen + 2)
    assert "taken" not in turns[seen:]
    assert read_row(context, "taken").lease_owner == "another"
    reconciler.stop()


def test_only_what_is_due_wakes_the_reconciler(context):
    calls = []
    context.wake.subscribe(lambda: calls.append(1))
    models.create(context, Model("model", 0.0, "linear-learner:1", EXECUTION_ROLE))
    assert not calls
    buckets.create(context, BUCKET)
    creation.create(context, TRAINING, "job", SPECIFICATION)
    assert calls


def test_a_server_that_stops_leaves_its_records_due_at_once(context):
    add_row(context)
    reconciler = reconciler_of(context, lambda record: 100.0)
    reconciler.start()
    wait_for(lambda: read_row(context).lease_owner)
    reconciler.stop()
    row = read_row(context)
    assert (row.lease_owner, row.lease_until) == (None, 0)
    assert row.due_at is not None
