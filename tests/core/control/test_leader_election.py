"""One of the servers of a store is the leader; another takes over as soon as it is gone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from lowcloud.core.context import Context
from lowcloud.core.control.leader_election import LeaderElection, leader_of
from lowcloud.core.control.reconciler import LeasedRecord, Reconciler
from lowcloud.core.resource_kind import Registry, ResourceKind
from lowcloud.store.db.tables.jobs import training_jobs
from tests.support.waiting import wait_for


def with_jobs(context: Context, advance: Callable[[LeasedRecord], float | None]) -> Context:
    """The context of a cloud whose only kind are jobs that `advance` advances."""
    kind = ResourceKind("training job", "training-job", training_jobs, lambda row: row, advance=advance)
    return replace(context, kinds=Registry((kind,)))


@pytest.fixture
def two(context):
    idle = with_jobs(context, lambda record: None)
    return LeaderElection(idle), LeaderElection(idle)


def test_the_second_server_leads_when_the_first_has_stopped_and_the_last_is_known(two):
    first, second = two
    first.start()
    second.start()
    assert (first.is_leader, second.is_leader) == (True, False)
    home = second._context.settings.home
    assert leader_of(home / "work") == str(home)
    assert not first.stop()
    first.close()
    wait_for(lambda: second.is_leader)
    assert second.stop()
    second.close()


def test_a_follower_may_be_the_last_server(two):
    first, second = two
    first.start()
    second.start()
    assert not second.stop()
    second.close()
    assert first.stop()
    first.close()


def test_a_server_that_cannot_reach_the_database_when_it_should_lead_tries_again(two, monkeypatch):
    first, second = two
    first.start()
    second.start()
    failures = [OperationalError("update", {}, Exception("the database is locked"))]
    forget_leases = Reconciler._forget_leases

    def fail_once(reconciler: Reconciler) -> None:
        if failures:
            raise failures.pop()
        forget_leases(reconciler)

    monkeypatch.setattr(Reconciler, "_forget_leases", fail_once)
    first.stop()
    first.close()
    wait_for(lambda: second.is_leader)
    assert not failures
    assert second.stop()
    second.close()


def test_a_leader_that_is_killed_is_followed_at_once_and_its_leases_are_void(context):
    name = "claimed"
    with context.database.transaction() as connection:
        far = context.now() + 3600
        row = {"name": name, "state": "pending", "created_at": 0, "modified_at": 0, "specification": {}, "progress": {}}
        lease = {"due_at": 0, "lease_owner": "the one that is killed", "lease_until": far}
        connection.execute(training_jobs.insert().values(**row, **lease))
    program = f"""
import fcntl, sys
lead = open({str(context.settings.work / ".leader")!r}, "w")
fcntl.flock(lead, fcntl.LOCK_EX)
print("leads", flush=True)
sys.stdin.read()
"""
    leader = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert leader.stdout is not None
    assert leader.stdout.readline() == b"leads\n"
    turns: list[LeasedRecord] = []
    following = LeaderElection(with_jobs(context, turns.append))
    following.start()
    assert not following.is_leader
    leader.kill()
    leader.wait()
    wait_for(lambda: turns)
    assert turns[0].name == name
    following.stop()
    following.close()
