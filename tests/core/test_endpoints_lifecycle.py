"""The turns of an endpoint: a wish to delete it is never lost, and what another server carries is left alone."""

import itertools
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from lowcloud.core import endpoints, endpoints_lifecycle, events, models
from lowcloud.core.cloud import Cloud
from lowcloud.core.endpoints import Configuration, State, Variant
from lowcloud.core.errors import NotFound
from lowcloud.core.models import Model
from lowcloud.core.reconciler import Claim, LeaseLost, Reconciler
from lowcloud.engine import LogPage, Phase, ReplicaStatus, Resources, Work
from lowcloud.store import tables
from tests.running import wait_for


@pytest.fixture
def endpoint(cloud: Cloud) -> str:
    """An endpoint that nothing carries yet, and whose model has no data."""
    models.create(cloud, Model("hollow", 0.0, "linear-learner:1", "role", "s3://nowhere/model.tar.gz"))
    configuration = Configuration("hollow", 0.0, (Variant("all", "hollow", "ml.m4.xlarge"),))
    endpoints.configure(cloud, configuration)
    endpoints.create(cloud, "hollow", "hollow")
    return "hollow"


def hold(cloud: Cloud, owner: str = "one") -> Claim:
    with cloud.database.transaction() as connection:
        connection.execute(update(tables.endpoints).values(lease_owner=owner))
    return Claim(cloud, tables.endpoints, "hollow", owner)


def events_of(cloud: Cloud, name: str) -> list[str]:
    with cloud.database.read() as connection:
        return [event.state for event in events.of(connection, endpoints.subject(name))]


def is_gone(cloud: Cloud, name: str) -> bool:
    with cloud.database.read() as connection:
        return connection.execute(select(tables.endpoints).where(tables.endpoints.c.name == name)).first() is None


@pytest.mark.parametrize("moment", ["_ensure_running", "_remove_work"])
def test_an_endpoint_that_fails_while_it_is_deleted_is_deleted(cloud, endpoint, monkeypatch, moment):
    meant = getattr(endpoints_lifecycle, moment)
    wishes = iter([endpoint])

    def delete_in_between(*arguments):
        for name in wishes:
            endpoints.request_removal(cloud, name)
        return meant(*arguments)

    monkeypatch.setattr(endpoints_lifecycle, moment, delete_in_between)
    reconciler = Reconciler(cloud, {tables.endpoints: endpoints_lifecycle.advance})
    reconciler.start(is_alone=True)
    wait_for(lambda: is_gone(cloud, endpoint), 10)
    reconciler.stop()
    assert events_of(cloud, endpoint) == []
    with pytest.raises(NotFound):
        endpoints.find(cloud, endpoint)


def test_a_failed_endpoint_stays_until_it_is_deleted(cloud, endpoint):
    assert endpoints_lifecycle.advance(hold(cloud)) is None
    failed = endpoints.find(cloud, endpoint)
    assert failed.state == State.FAILED
    assert "s3://nowhere/model.tar.gz" in str(failed.failure)


def test_an_endpoint_that_another_server_removes_keeps_its_events_until_then(cloud, endpoint):
    claim = hold(cloud)
    endpoints.request_removal(cloud, endpoint)
    hold(cloud, "two")
    with pytest.raises(LeaseLost):
        endpoints_lifecycle.advance(claim)
    assert events_of(cloud, endpoint)


def test_a_removal_is_no_take_over(cloud, endpoint, caplog):
    endpoints.request_removal(cloud, endpoint)
    reconciler = Reconciler(cloud, {tables.endpoints: endpoints_lifecycle.advance})
    reconciler.start(is_alone=True)
    wait_for(lambda: is_gone(cloud, endpoint), 10)
    reconciler.stop()
    assert caplog.messages == []


class DyingEngine:
    """An engine whose replicas run for a second, as the clock of the test has it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.starts: list[float] = []
        self.lives: dict[str, float] = {}

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

    def capacity(self) -> Resources:
        return Resources(1, 1 << 30)


def test_a_replica_that_dies_young_again_and_again_is_started_ever_later(cloud, monkeypatch):
    engine = DyingEngine()
    dying = replace(cloud, engine=engine)
    monkeypatch.setattr(Cloud, "now", lambda _: engine.now)
    models.create(dying, Model("bare", 0.0, "linear-learner:1", "role"))
    endpoints.configure(dying, Configuration("hollow", 0.0, (Variant("all", "bare", "ml.m4.xlarge"),)))
    endpoints.create(dying, "hollow", "hollow")
    claim = hold(dying)
    claim.save({"state": State.IN_SERVICE})
    while engine.now < 2000:
        endpoints_lifecycle.advance(claim)
        engine.now += 1
    waits = [later - earlier for earlier, later in itertools.pairwise(engine.starts)]
    assert waits[:4] == [1, 3, 5, 9], "a second of life, then none, two, four and eight of waiting"
    assert max(waits) == 301


def test_the_time_to_start_begins_when_the_environments_are_there(cloud, monkeypatch):
    engine = DyingEngine()
    waiting = replace(cloud, engine=engine)
    monkeypatch.setattr(engine, "status", lambda _: ())
    monkeypatch.setattr(Cloud, "now", lambda _: engine.now)
    ready = {"is": False}
    monkeypatch.setattr(endpoints_lifecycle.environments, "is_ready", lambda *_: ready["is"])
    monkeypatch.setattr(endpoints_lifecycle.environments, "build", lambda *_: ready["is"])
    models.create(waiting, Model("bare", 0.0, "linear-learner:1", "role"))
    endpoints.configure(waiting, Configuration("hollow", 0.0, (Variant("all", "bare", "ml.m4.xlarge"),)))
    endpoints.create(waiting, "hollow", "hollow")
    claim = hold(waiting)
    limit = endpoints_lifecycle.STARTUP_TIMEOUT_SECONDS
    for seconds in (0, 2 * limit):
        engine.now += seconds
        endpoints_lifecycle.advance(claim)
        assert endpoints.find(waiting, "hollow").state == State.CREATING
    ready["is"] = True
    for seconds, state in ((0, State.CREATING), (limit - 1, State.CREATING), (2, State.FAILED)):
        engine.now += seconds
        endpoints_lifecycle.advance(claim)
        assert endpoints.find(waiting, "hollow").state == state
