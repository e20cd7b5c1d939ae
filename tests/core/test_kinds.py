"""The registry of kinds: complete, consistent, and all that a new kind of job needs to live."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import MetaData

from lowcloud.core import events, kinds, resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import Reconciler
from lowcloud.core.environments import environments
from lowcloud.core.jobs import creation, jobs
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, State
from lowcloud.core.jobs.programs import JobRules
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.core.resource_kind import Registry, ResourceKind
from lowcloud.core.scheduling import admission
from lowcloud.core.telemetry import logs
from lowcloud.core.telemetry.metrics import Definition, MetricScope
from lowcloud.core.tracking import provenance, trial_components
from lowcloud.core.tracking.provenance import TrackedUri
from lowcloud.engine.work import Resources
from lowcloud.store.db import tables
from lowcloud.store.db.tables.jobs import job_table
from lowcloud.store.db.tables.schema import lease
from tests.core.jobs.test_lifecycle import SPECIFICATION
from tests.support.waiting import wait_for

REGISTRY = kinds.discover()
LEASE_COLUMNS = {column.name for column in lease()}
QUEUE_COLUMNS = {"owner", "priority", "replicas", "cpus", "memory_bytes", "gpus", "is_spot", "admitted_at"}

RUNS_NOTHING = {"periodic-task"}  # the kinds whose records run in the server itself: they need no Python environment


def test_every_table_with_a_lease_belongs_to_a_kind_that_the_reconciler_advances() -> None:
    with_lease = {table for table in tables.discover().tables.values() if set(table.c.keys()) >= LEASE_COLUMNS}
    assert {kind.table for kind in REGISTRY.reconciled} == with_lease


def test_every_table_with_the_columns_of_the_queue_belongs_to_a_kind_of_job() -> None:
    with_queue = {table for table in tables.discover().tables.values() if set(table.c.keys()) >= QUEUE_COLUMNS}
    assert {kind.table for kind in REGISTRY.queued} == with_queue
    assert all(isinstance(kind, JobKind) for kind in REGISTRY.queued)


@pytest.mark.parametrize("kind", REGISTRY.kinds, ids=lambda kind: kind.prefix)
def test_a_kind_is_complete(kind: ResourceKind[Any]) -> None:
    assert kind.noun
    assert kind.table.c.name.type.python_type is str
    if kind.is_queued:
        assert kind.advance, "nobody would start what waits in the queue"
    if kind.advance and kind.prefix not in RUNS_NOTHING:
        assert kind.environments_in_use, "the Python environments of its records would be deleted while they run"
    if kind.reserved_memory:
        assert kind.suspend, "replicas that reserve memory would continue when the last server shuts down"


def test_no_two_kinds_have_the_same_noun() -> None:
    nouns = [kind.noun for kind in REGISTRY]
    assert len(set(nouns)) == len(nouns)


def test_two_kinds_of_one_prefix_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = REGISTRY.kinds[0]
    monkeypatch.setattr(images, "SECOND", dataclasses.replace(kind), raising=False)
    with pytest.raises(ValueError, match=kind.prefix):
        kinds.discover()


def test_two_periodic_tasks_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = REGISTRY.tasks[0]
    monkeypatch.setattr(images, "SECOND", dataclasses.replace(task), raising=False)
    with pytest.raises(ValueError, match=task.name):
        kinds.discover()


# A kind of job that exists in this test alone; docs/adding-a-resource.md explains it.


def _check(_requested: object, _program: object) -> None:
    """Nothing can be seen to fail before it runs."""


def _products(job: Job) -> Iterator[TrackedUri]:
    yield TrackedUri("summary", f"s3://bucket/{job.name}")


SUMMARY = JobKind(
    noun="summary job",
    prefix="summary-job",
    table=job_table("summary_jobs", MetaData()),
    log_group="/summaries",
    metrics=MetricScope("summaries", "SummaryJobName"),
    tracking_prefix="",
    role_session="summary",
    rules=JobRules,
    check=_check,
    files=lambda _job, rank: {"input/rank": str(rank)},
    variables=lambda job: {"SUMMARY_JOB": job.name},
    products=_products,
)


LOSS = Definition("loss", "loss=(.*)")


@pytest.fixture
def summaries(context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A cloud that knows summary jobs, on a machine that one of them fills."""
    monkeypatch.setattr(context.engine, "capacity", lambda: Resources(4.0, 64 << 30, 0))
    with context.database.transaction() as connection:
        SUMMARY.table.create(connection)
    images.register(context, Image("summarize", 0.0, command=("sh", "-c", "echo I am $SUMMARY_JOB; echo loss=0.5")))
    return dataclasses.replace(context, kinds=Registry((*context.kinds.kinds, SUMMARY), context.kinds.tasks))


def test_a_new_kind_of_job_is_queued_runs_and_is_found_everywhere(summaries: Context) -> None:
    context = summaries
    requested = dataclasses.replace(SPECIFICATION, image="summarize", outputs=(), metric_definitions=(LOSS,))
    creation.create(context, SUMMARY, "first", requested, {"team": "blue"})
    creation.create(context, SUMMARY, "second", dataclasses.replace(requested, instance_count=1))
    with context.database.transaction() as connection:
        waiting = connection.execute(SUMMARY.table.select().where(admission.is_waiting(SUMMARY.table))).all()
        progress = {
            **resources.find(context, SUMMARY, "first").progress.__dict__,
            "environment": "key",
            "program": None,
        }
        connection.execute(SUMMARY.table.update().where(SUMMARY.table.c.name == "first").values(progress=progress))
    assert [job.name for job in jobs.list_newest(context, 10, "second", in_progress=True)] == ["second"]
    assert resources.tags_of(context, SUMMARY, "first") == {"team": "blue"}
    assert [row.name for row in waiting] == ["second"], "the machine is given to the first"
    assert environments.in_use(context) == {"key"}
    with context.database.transaction() as connection:
        clean = {**progress, "environment": None}
        connection.execute(SUMMARY.table.update().where(SUMMARY.table.c.name == "first").values(progress=clean))
    reconciler = Reconciler(context)
    reconciler.start()
    try:
        for name in ("first", "second"):
            wait_for(lambda name=name: resources.find(context, SUMMARY, name).state == State.COMPLETED)
    finally:
        reconciler.stop()
    printed = [event.message for event in logs.filter_events(context, "/summaries", 100)]
    assert {"I am first", "I am second"} <= set(printed)
    subject = SUMMARY.subject("first")
    assert events.of_many(context, [subject])[subject][-1].state == State.COMPLETED
    assert {job.name for job in jobs.list_newest(context, 10)} >= {"first", "second"}
    assert jobs.list_newest(context, 10, in_progress=True) == []
    component = resources.find(context, trial_components.COMPONENT, provenance.component_of(subject))
    assert component.status == "Completed"
    assert list(component.outputs) == ["summary"]
    (loss,) = trial_components.statistics_of(context, [component])[component.name]
    assert (loss.name, loss.last) == ("loss", 0.5)
