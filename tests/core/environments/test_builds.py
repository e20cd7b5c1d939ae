"""Builders of environments, shared, killed or left by a killed server: each job gets the environment and its log."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lowcloud.core.context import Context
from lowcloud.core.environments import builds, environments
from lowcloud.core.environments.environments import EnvironmentSpec
from lowcloud.core.serving import endpoint_configurations, endpoints, models
from lowcloud.core.serving.endpoint_configurations import Configuration
from lowcloud.core.serving.endpoint_records import EndpointState, Variant
from lowcloud.core.serving.models import Model
from lowcloud.core.telemetry import logs
from lowcloud.engine.local import environments as local_environments
from lowcloud.engine.local.replica import delete_tree
from lowcloud.engine.work import Phase, Replica, Resources, StagingError, Work
from lowcloud.home.settings import EXECUTION_ROLE
from lowcloud.store.db.tables.jobs import processing_jobs
from lowcloud.store.db.tables.serving import endpoints as endpoint_rows
from tests.support.waiting import wait_for

KEY = "key"
BUILDER = builds.builder_id(KEY)
FILL = "echo one; echo two; mkdir $LOWCLOUD_ENVIRONMENT/bin"


@pytest.fixture
def context(context: Context) -> Iterator[Context]:
    yield context
    context.engine.remove(BUILDER)


def build(context: Context, program: str = FILL, disk_bytes: int = 0) -> bool:
    def plan() -> Work:
        command = ("sh", "-c", program)
        return Work(BUILDER, command, (Replica(),), Resources(1, 1 << 30), builds=KEY, disk_bytes=disk_bytes)

    def collect(work_id: str, run: str) -> None:
        logs.open_stream(context, "group", "stream")
        logs.collect(context, "group", "stream", work_id, 0, run=run)

    return builds.build(context, KEY, plan, collect)


def test_what_would_be_built_under_another_key_fails_the_build_with_the_reason(context):
    """The source archive was replaced, or Lowcloud upgraded, while the job waited: nothing would ever get ready."""

    def plan() -> Work:
        return Work("environment/other", ("true",), (Replica(),), Resources(1, 1 << 30), builds="other")

    with pytest.raises(StagingError, match="changed before the Python environment was built"):
        builds.build(context, KEY, plan, lambda work_id, run: None)
    assert context.engine.status("environment/other") == ()


def lines(context: Context) -> list[str]:
    return [event.message for event in logs.filter_events(context, "group", 100)]


def test_a_builder_that_is_started_anew_is_logged_from_its_first_line(context):
    build(context, "echo a long line of the first builder, which is ended; sleep 600")
    wait_for(lambda: build(context) or len(lines(context)) == 1)
    builds.release(context, KEY)
    wait_for(lambda: build(context), 60)
    assert lines(context)[1:] == ["one", "two"]


def test_a_builder_left_by_a_killed_server_is_removed_with_the_job(context):
    build(context)
    wait_for(lambda: context.engine.status(BUILDER)[0].phase == Phase.EXITED)
    context.engine.publish_environment(BUILDER)
    assert list(context.settings.work.glob("*/work.json"))
    assert build(context)
    builds.release(context, KEY)
    assert not list(context.settings.work.glob("*/work.json"))
    assert context.engine.has_environment(KEY)


def test_an_environment_that_another_job_has_built_meanwhile_is_taken_and_left_alone(context, monkeypatch):
    wait_for(lambda: build(context), 60)
    before = next(context.settings.home.glob("environments/key/bin")).stat().st_ino
    is_ready, too_early = builds.is_ready, iter([True])
    monkeypatch.setattr(builds, "is_ready", lambda *one: not next(too_early, False) and is_ready(*one))
    assert build(context)
    assert next(context.settings.home.glob("environments/key/bin")).stat().st_ino == before


def test_a_builder_that_the_machine_ended_is_distinguished_from_one_that_failed(context):
    build(context, "sleep 600")
    (lock,) = context.settings.work.glob("*/0/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    with pytest.raises(builds.BuilderLostError):
        wait_for(lambda: build(context), 60)
    build(context, "exit 3")
    with pytest.raises(StagingError, match="could not be built; see the log") as failed:
        wait_for(lambda: build(context), 60)
    assert not isinstance(failed.value, builds.BuilderLostError)


def test_a_build_that_starts_while_another_is_released_starts_the_builder_again(context, monkeypatch):
    build(context, "echo first; sleep 600")
    wait_for(lambda: build(context) or lines(context) == ["first"])
    is_deleting, may_delete = threading.Event(), threading.Event()

    def delete_slowly(folder: Path) -> None:
        is_deleting.set()
        assert may_delete.wait(20)
        delete_tree(folder)

    monkeypatch.setattr(local_environments, "delete_tree", delete_slowly)
    leaver = threading.Thread(target=builds.release, args=(context, KEY))
    leaver.start()
    assert is_deleting.wait(20)
    assert context.engine.status(BUILDER) == ()
    waiter = threading.Thread(target=build, args=(context,))
    waiter.start()
    may_delete.set()
    leaver.join()
    waiter.join()
    wait_for(lambda: build(context), 60)
    assert lines(context) == ["first", "one", "two"]


def name_the_key(context: Context) -> None:
    """An endpoint that waits for it."""
    models.create(context, Model("model", 0.0, "linear-learner:1", EXECUTION_ROLE))
    endpoint_configurations.create(context, Configuration("one", 0.0, (Variant("all", "model", "ml.m4.xlarge"),)))
    endpoints.create(context, "one", "one")
    progress = {"variants": [], "models": {}, "failure": None, "environments": {"model": KEY}}
    with context.database.transaction() as connection:
        connection.execute(endpoint_rows.update().values(progress=progress))


def test_a_builder_that_another_job_waits_for_continues(context):
    name_the_key(context)
    build(context, "sleep 600")
    builds.release(context, KEY)
    assert context.engine.status(BUILDER)[0].phase == Phase.RUNNING
    with context.database.transaction() as connection:
        connection.execute(endpoint_rows.update().values(state=EndpointState.FAILED))
    builds.release(context, KEY)
    assert context.engine.status(BUILDER) == ()


@pytest.mark.parametrize(
    ("state", "ended_at", "is_named"), [("preparing", None, True), ("restarting", None, False), ("failed", 1.0, False)]
)
def test_a_job_names_its_environment_from_its_begin_to_its_end(context, state, ended_at, is_named):
    row = {"name": "job", "state": state, "created_at": 0.0, "modified_at": 0.0, "ended_at": ended_at}
    rest = {"specification": {}, "progress": {"environment": KEY}, "due_at": 1.0, "lease_until": 0, "admitted_at": 1.0}
    with context.database.transaction() as connection:
        connection.execute(processing_jobs.insert().values(**row, **rest))
    assert (KEY in environments.in_use(context)) == is_named


def test_a_builder_that_a_killed_server_was_about_to_remove_is_started_again(context):
    build(context, "kill -TERM $$")
    wait_for(lambda: context.engine.status(BUILDER)[0].phase == Phase.EXITED)
    wait_for(lambda: build(context), 60)
    assert lines(context) == ["one", "two"]


def test_an_unused_environment_is_deleted_after_its_retention_period(context):
    wait_for(lambda: build(context), 60)
    link = context.settings.home / "environments" / KEY
    month_ago = context.now() - 31 * 86400
    assert environments.step(context, {}) == ({}, 86400)
    assert list(context.engine.environments()) == [KEY]
    os.utime(link, (month_ago, month_ago), follow_symlinks=False)
    name_the_key(context)
    environments.step(context, {})
    assert list(context.engine.environments()) == [KEY]
    endpoints.delete(context, "one")
    longer = replace(context, settings=replace(context.settings, environment_days=32))
    environments.step(longer, {})
    assert list(context.engine.environments()) == [KEY]
    assert environments.CLEANUP in context.kinds.tasks
    environments.CLEANUP.step(context, {})
    assert list(context.engine.environments()) == []


def test_a_builder_that_fills_its_disk_fails_with_the_limit(context, monkeypatch):
    monkeypatch.setattr(builds, "DISK_BYTES", 1 << 20)
    assert builds.builder(context, EnvironmentSpec(("numpy",))).disk_bytes == 1 << 20
    build(context, "head -c 10000000 /dev/zero > $LOWCLOUD_ENVIRONMENT/large; sleep 600", 1 << 20)
    with pytest.raises(StagingError, match="needs more than"):
        wait_for(lambda: build(context), 60)


def test_a_builder_that_hangs_is_ended_with_the_limit(context, monkeypatch):
    build(context, "echo stuck; sleep 600")
    wait_for(lambda: build(context) or lines(context) == ["stuck"])
    now = context.now()
    monkeypatch.setattr(Context, "now", lambda _: now + builds.TIMEOUT_SECONDS - 60)
    assert not build(context)
    monkeypatch.setattr(Context, "now", lambda _: now + builds.TIMEOUT_SECONDS + 60)
    with pytest.raises(StagingError, match="within 60 minutes"):
        build(context)
    assert context.engine.status(BUILDER) == ()
