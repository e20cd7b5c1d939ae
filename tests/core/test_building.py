"""Builders of environments: shared by jobs, killed, left behind; whoever waits for one gets it whole, and its log."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lowcloud.core import endpoints, environments, errands, logs, models
from lowcloud.core.cloud import Cloud
from lowcloud.core.endpoints import Configuration, State, Variant
from lowcloud.core.environments import Environment
from lowcloud.core.models import Model
from lowcloud.engine import Phase, Replica, Resources, StagingFailed, Work
from lowcloud.engine import environments as local_environments
from lowcloud.engine.replica import delete
from lowcloud.store import tables
from tests.conftest import wait_for

KEY = "key"
BUILDER = environments.builder_id(KEY)
FILL = "echo one; echo two; mkdir $LOWCLOUD_ENVIRONMENT/bin"


@pytest.fixture
def cloud(cloud: Cloud) -> Iterator[Cloud]:
    yield cloud
    cloud.engine.remove(BUILDER)


def build(cloud: Cloud, program: str = FILL, disk_bytes: int = 0) -> bool:
    def plan() -> Work:
        command = ("sh", "-c", program)
        return Work(BUILDER, command, (Replica(),), Resources(1, 1 << 30), builds=KEY, disk_bytes=disk_bytes)

    def collect(work_id: str, run: str) -> None:
        logs.open_stream(cloud, "group", "stream")
        logs.collect(cloud, "group", "stream", work_id, 0, run=run)

    return environments.build(cloud, KEY, plan, collect)


def lines(cloud: Cloud) -> list[str]:
    return [event.message for event in logs.filter_events(cloud, "group", 100)]


def test_a_builder_that_is_started_anew_is_logged_from_its_first_line(cloud):
    build(cloud, "echo a long line of the first builder, which is ended; sleep 600")
    wait_for(lambda: build(cloud) or len(lines(cloud)) == 1)
    environments.let_go(cloud, KEY)
    wait_for(lambda: build(cloud), 60)
    assert lines(cloud)[1:] == ["one", "two"]


def test_what_a_killed_server_has_left_of_a_builder_goes_with_the_job(cloud):
    build(cloud)
    wait_for(lambda: cloud.engine.status(BUILDER)[0].phase == Phase.EXITED)
    cloud.engine.keep_environment(BUILDER)
    assert list(cloud.settings.work.glob("*/work.json"))
    assert build(cloud)
    environments.let_go(cloud, KEY)
    assert not list(cloud.settings.work.glob("*/work.json"))
    assert cloud.engine.has_environment(KEY)


def test_an_environment_that_another_job_has_built_meanwhile_is_taken_and_left_alone(cloud, monkeypatch):
    wait_for(lambda: build(cloud), 60)
    before = next(cloud.settings.home.glob("environments/key/bin")).stat().st_ino
    is_ready, too_early = environments.is_ready, iter([True])
    monkeypatch.setattr(environments, "is_ready", lambda *one: not next(too_early, False) and is_ready(*one))
    assert build(cloud)
    assert next(cloud.settings.home.glob("environments/key/bin")).stat().st_ino == before


def test_a_builder_that_the_machine_has_ended_is_told_from_one_that_failed(cloud):
    build(cloud, "sleep 600")
    (lock,) = cloud.settings.work.glob("*/0/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    with pytest.raises(environments.BuilderLost):
        wait_for(lambda: build(cloud), 60)
    build(cloud, "exit 3")
    with pytest.raises(StagingFailed, match="log says why") as failed:
        wait_for(lambda: build(cloud), 60)
    assert not isinstance(failed.value, environments.BuilderLost)


def test_one_that_looks_while_another_lets_go_starts_the_builder_again(cloud, monkeypatch):
    build(cloud, "echo first; sleep 600")
    wait_for(lambda: build(cloud) or lines(cloud) == ["first"])
    is_deleting, may_delete = threading.Event(), threading.Event()

    def delete_slowly(folder: Path) -> None:
        is_deleting.set()
        assert may_delete.wait(20)
        delete(folder)

    monkeypatch.setattr(local_environments, "delete", delete_slowly)
    leaver = threading.Thread(target=environments.let_go, args=(cloud, KEY))
    leaver.start()
    assert is_deleting.wait(20)
    assert cloud.engine.status(BUILDER) == ()
    waiter = threading.Thread(target=build, args=(cloud,))
    waiter.start()
    may_delete.set()
    leaver.join()
    waiter.join()
    wait_for(lambda: build(cloud), 60)
    assert lines(cloud) == ["first", "one", "two"]


def name_the_key(cloud: Cloud) -> None:
    """An endpoint that waits for it."""
    models.create(cloud, Model("model", 0.0, "linear-learner:1", "role"))
    endpoints.configure(cloud, Configuration("one", 0.0, (Variant("all", "model", "ml.m4.xlarge"),)))
    endpoints.create(cloud, "one", "one")
    progress = {"variants": [], "models": {}, "failure": None, "environments": {"model": KEY}}
    with cloud.database.transaction() as connection:
        connection.execute(tables.endpoints.update().values(progress=progress))


def test_a_builder_that_another_waits_for_goes_on(cloud):
    name_the_key(cloud)
    build(cloud, "sleep 600")
    environments.let_go(cloud, KEY)
    assert cloud.engine.status(BUILDER)[0].phase == Phase.RUNNING
    with cloud.database.transaction() as connection:
        connection.execute(tables.endpoints.update().values(state=State.FAILED))
    environments.let_go(cloud, KEY)
    assert cloud.engine.status(BUILDER) == ()


@pytest.mark.parametrize(
    ("state", "ended_at", "is_named"), [("preparing", None, True), ("restarting", None, False), ("failed", 1.0, False)]
)
def test_a_job_names_its_environment_from_its_begin_to_its_end(cloud, state, ended_at, is_named):
    row = {"name": "job", "state": state, "created_at": 0.0, "modified_at": 0.0, "ended_at": ended_at}
    rest = {"specification": {}, "progress": {"environment": KEY}, "due_at": 1.0, "lease_until": 0, "admitted_at": 1.0}
    with cloud.database.transaction() as connection:
        connection.execute(tables.processing_jobs.insert().values(**row, **rest))
    assert (KEY in environments.in_use(cloud)) == is_named


def test_a_builder_that_a_killed_server_was_about_to_remove_is_started_again(cloud):
    build(cloud, "kill -TERM $$")
    wait_for(lambda: cloud.engine.status(BUILDER)[0].phase == Phase.EXITED)
    wait_for(lambda: build(cloud), 60)
    assert lines(cloud) == ["one", "two"]


def test_an_environment_that_nobody_names_goes_when_its_days_are_over(cloud):
    wait_for(lambda: build(cloud), 60)
    link = cloud.settings.home / "environments" / KEY
    month_ago = cloud.now() - 31 * 86400
    assert environments.sweep(cloud, {}) == ({}, 86400)
    assert list(cloud.engine.environments()) == [KEY]
    os.utime(link, (month_ago, month_ago), follow_symlinks=False)
    name_the_key(cloud)
    environments.sweep(cloud, {})
    assert list(cloud.engine.environments()) == [KEY]
    endpoints.request_removal(cloud, "one")
    longer = replace(cloud, settings=replace(cloud.settings, environment_days=32))
    environments.sweep(longer, {})
    assert list(cloud.engine.environments()) == [KEY]
    assert "environments" in errands.ERRANDS
    errands.ERRANDS["environments"](cloud, {})
    assert list(cloud.engine.environments()) == []


def test_a_builder_that_fills_its_disk_fails_with_the_limit(cloud, monkeypatch):
    monkeypatch.setattr(environments, "DISK_BYTES", 1 << 20)
    assert environments.builder(cloud, Environment(("numpy",))).disk_bytes == 1 << 20
    build(cloud, "head -c 10000000 /dev/zero > $LOWCLOUD_ENVIRONMENT/large; sleep 600", 1 << 20)
    with pytest.raises(StagingFailed, match="needs more than"):
        wait_for(lambda: build(cloud), 60)


def test_a_builder_that_hangs_is_ended_with_the_limit(cloud, monkeypatch):
    build(cloud, "echo stuck; sleep 600")
    wait_for(lambda: build(cloud) or lines(cloud) == ["stuck"])
    now = cloud.now()
    monkeypatch.setattr(Cloud, "now", lambda _: now + environments.BUILD_SECONDS - 60)
    assert not build(cloud)
    monkeypatch.setattr(Cloud, "now", lambda _: now + environments.BUILD_SECONDS + 60)
    with pytest.raises(StagingFailed, match="within 60 minutes"):
        build(cloud)
    assert cloud.engine.status(BUILDER) == ()
