"""The turns of an endpoint: a request to delete it is never lost, and what another server has leased is left alone."""

import itertools
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord, LeaseLostError, Reconciler
from lowcloud.core.errors import NotFoundError
from lowcloud.core.resource_kind import Registry
from lowcloud.core.serving import endpoint_configurations, endpoint_lifecycle, endpoints, models
from lowcloud.core.serving.endpoint_configurations import Configuration
from lowcloud.core.serving.endpoint_records import EndpointState, Variant
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.core.serving.models import Model
from lowcloud.core.telemetry import logs
from lowcloud.engine.work import LogPage, Phase, ReplicaStatus, Resources, StagingError, Work
from lowcloud.home.settings import EXECUTION_ROLE
from lowcloud.store.db.tables import serving as tables
from tests.support.waiting import wait_for


@pytest.fixture
def endpoint(context: Context) -> str:
    """An endpoint that nothing carries yet, and whose model has no data."""
    models.create(context, Model("hollow", 0.0, "linear-learner:1", EXECUTION_ROLE, "s3://nowhere/model.tar.gz"))
    configuration = Configuration("hollow", 0.0, (Variant("all", "hollow", "ml.m4.xlarge"),))
    endpoint_configurations.create(context, configuration)
    endpoints.create(context, "hollow", "hollow")
    return "hollow"


def hold(context: Context, owner: str = "one") -> LeasedRecord:
    with context.database.transaction() as connection:
        connection.execute(update(tables.endpoints).values(lease_owner=owner))
    return LeasedRecord(context, ENDPOINT, "hollow", owner)


def events_of(context: Context, name: str) -> list[str]:
    with context.database.read() as connection:
        return [event.state for event in events.of(connection, ENDPOINT.subject(name))]


def events_with_messages(context: Context, name: str) -> list[tuple[str, str]]:
    with context.database.read() as connection:
        return [(event.state, event.message) for event in events.of(connection, ENDPOINT.subject(name))]


def is_gone(context: Context, name: str) -> bool:
    with context.database.read() as connection:
        return connection.execute(select(tables.endpoints).where(tables.endpoints.c.name == name)).first() is None


@pytest.mark.parametrize("moment", ["_work", "_remove_work"])
def test_an_endpoint_that_fails_while_it_is_deleted_is_deleted(context, endpoint, monkeypatch, moment):
    meant = getattr(endpoint_lifecycle, moment)
    requests = iter([endpoint])

    def delete_in_between(*arguments):
        for name in requests:
            endpoints.delete(context, name)
        return meant(*arguments)

    monkeypatch.setattr(endpoint_lifecycle, moment, delete_in_between)
    reconciler = Reconciler(replace(context, kinds=Registry((ENDPOINT,))))
    reconciler.start()
    wait_for(lambda: is_gone(context, endpoint), 10)
    reconciler.stop()
    assert events_of(context, endpoint) == []
    with pytest.raises(NotFoundError):
        resources.find(context, ENDPOINT, endpoint)


def test_a_failed_endpoint_stays_until_it_is_deleted(context, endpoint):
    assert endpoint_lifecycle.advance(hold(context)) is None
    failed = resources.find(context, ENDPOINT, endpoint)
    assert failed.state == EndpointState.FAILED
    assert "s3://nowhere/model.tar.gz" in str(failed.failure)


def test_an_endpoint_that_another_server_removes_keeps_its_events_until_then(context, endpoint):
    claim = hold(context)
    endpoints.delete(context, endpoint)
    hold(context, "two")
    with pytest.raises(LeaseLostError):
        endpoint_lifecycle.advance(claim)
    assert events_of(context, endpoint)


def test_a_removal_is_not_a_take_over(context, endpoint, caplog):
    endpoints.delete(context, endpoint)
    reconciler = Reconciler(replace(context, kinds=Registry((ENDPOINT,))))
    reconciler.start()
    wait_for(lambda: is_gone(context, endpoint), 10)
    reconciler.stop()
    assert caplog.messages == []


class DyingEngine:
    """An engine whose replicas run for a second, as the clock of the test has it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.starts: list[float] = []
        self.lives: dict[str, float] = {}
        self.waits_for = ""

    def start(self, work: Work) -> None:
        if work.id not in self.lives:
            self.starts.append(self.now)
            self.lives[work.id] = self.now

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        if work_id not in self.lives:
            return ()
        born = self.lives[work_id]
        if self.now < born + 1:
            return (ReplicaStatus(Phase.RUNNING, None, born),)
        return (ReplicaStatus(Phase.EXITED, 1, born, born + 1),)

    def remove(self, work_id: str) -> None:
        self.lives.pop(work_id, None)

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        return LogPage((), offset)

    def address(self, work_id: str, replica: int) -> str | None:
        return None

    def readiness(self) -> str:
        return self.waits_for

    def capacity(self) -> Resources:
        return Resources(1, 1 << 30)


def test_the_reason_why_a_replica_cannot_be_started_again_is_logged_once_until_it_runs(context, monkeypatch, caplog):
    engine = DyingEngine()
    dying = replace(context, engine=engine)
    models.create(dying, Model("bare", 0.0, "linear-learner:1", EXECUTION_ROLE))
    endpoint_configurations.create(dying, Configuration("hollow", 0.0, (Variant("all", "bare", "ml.m4.xlarge"),)))
    endpoints.create(dying, "hollow", "hollow")
    claim = hold(dying)
    endpoint_lifecycle.advance(claim)
    claim.save({"state": EndpointState.IN_SERVICE})
    engine.lives.clear()
    start = engine.start

    def refuse(_work: Work) -> None:
        raise StagingError("s3://gone does not exist.")

    monkeypatch.setattr(engine, "start", refuse)
    for _ in range(3):
        assert endpoint_lifecycle.advance(claim) == endpoint_lifecycle.FAILURE_INTERVAL_SECONDS
    reason = "A replica of endpoint hollow cannot be started again: s3://gone does not exist."
    found = resources.find(dying, ENDPOINT, "hollow")
    assert (found.state, found.failure) == (EndpointState.IN_SERVICE, reason)
    assert [event.message for event in logs.filter_events(dying, found.log_group, 10)] == [reason]
    assert caplog.messages.count(reason) == 1
    monkeypatch.setattr(engine, "start", start)
    monkeypatch.setattr(engine, "address", lambda *_: "unix:here")
    endpoint_lifecycle.advance(claim)
    assert resources.find(dying, ENDPOINT, "hollow").failure is None


def test_a_replica_that_dies_young_again_and_again_is_started_ever_later(context, monkeypatch):
    engine = DyingEngine()
    dying = replace(context, engine=engine)
    monkeypatch.setattr(Context, "now", lambda _: engine.now)
    models.create(dying, Model("bare", 0.0, "linear-learner:1", EXECUTION_ROLE))
    endpoint_configurations.create(dying, Configuration("hollow", 0.0, (Variant("all", "bare", "ml.m4.xlarge"),)))
    endpoints.create(dying, "hollow", "hollow")
    claim = hold(dying)
    claim.save({"state": EndpointState.IN_SERVICE})
    while engine.now < 2000:
        endpoint_lifecycle.advance(claim)
        engine.now += 1
    waits = [later - earlier for earlier, later in itertools.pairwise(engine.starts)]
    assert waits[:4] == [1, 3, 5, 9], "a second of life, then none, two, four and eight of waiting"
    assert max(waits) == 301


def test_the_time_to_start_begins_when_the_environments_are_there(context, monkeypatch):
    engine = DyingEngine()
    waiting = replace(context, engine=engine)
    monkeypatch.setattr(engine, "status", lambda _: ())
    monkeypatch.setattr(Context, "now", lambda _: engine.now)
    ready = {"is": False}
    monkeypatch.setattr(endpoint_lifecycle.builds, "is_ready", lambda *_: ready["is"])
    monkeypatch.setattr(endpoint_lifecycle.builds, "build", lambda *_: ready["is"])
    models.create(waiting, Model("bare", 0.0, "linear-learner:1", EXECUTION_ROLE))
    endpoint_configurations.create(waiting, Configuration("hollow", 0.0, (Variant("all", "bare", "ml.m4.xlarge"),)))
    endpoints.create(waiting, "hollow", "hollow")
    claim = hold(waiting)
    engine.waits_for = "The disk is full."
    for _ in range(2):
        endpoint_lifecycle.advance(claim)
    assert events_with_messages(waiting, "hollow")[1:] == [("creating", "The disk is full.")]
    engine.waits_for = ""
    limit = endpoint_lifecycle.STARTUP_TIMEOUT_SECONDS
    for seconds in (0, 2 * limit):
        engine.now += seconds
        endpoint_lifecycle.advance(claim)
        assert resources.find(waiting, ENDPOINT, "hollow").state == EndpointState.CREATING
    ready["is"] = True
    for seconds, state in ((0, EndpointState.CREATING), (limit - 1, EndpointState.CREATING), (2, EndpointState.FAILED)):
        engine.now += seconds
        endpoint_lifecycle.advance(claim)
        assert resources.find(waiting, ENDPOINT, "hollow").state == state
