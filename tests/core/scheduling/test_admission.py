"""The queue as rows: nothing is lost or admitted twice, and a waiting job costs nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Table, insert, select, update

from lowcloud.core.context import Context
from lowcloud.core.control import periodic_tasks
from lowcloud.core.errors import InvalidError
from lowcloud.core.scheduling import admission, capacity, waiting
from lowcloud.core.scheduling.admission import FREED, Demand
from lowcloud.core.scheduling.queue import BACKFILL_SECONDS
from lowcloud.core.scheduling.waiting import Wait
from lowcloud.engine.work import Resources
from lowcloud.store.db.tables.control import periodic_tasks as task_rows
from lowcloud.store.db.tables.jobs import processing_jobs, training_jobs
from lowcloud.store.db.tables.serving import endpoints

GIB = 1 << 30
WHOLE = Demand("a", Resources(4.0, GIB))
QUARTER = replace(WHOLE, each=Resources(1.0, GIB))


@pytest.fixture
def context(context, monkeypatch):
    monkeypatch.setattr(context.engine, "capacity", lambda: Resources(4.0, 64 * GIB, 0))
    periodic_tasks.ensure(context)
    return context


def add(context: Context, name: str, demand: Demand = QUARTER, table: Table = training_jobs, **columns) -> None:
    row = {"name": name, "created_at": 0.0, **demand.columns(), **columns}
    row |= {"state": "pending", "modified_at": 0.0, "specification": {}, "progress": {}}
    with context.database.transaction() as connection:
        connection.execute(insert(table).values(row))


def row_of(context: Context, name: str, table: Table = training_jobs):
    with context.database.read() as connection:
        return connection.execute(select(table).where(table.c.name == name)).one()


def end(context: Context, name: str, table: Table = training_jobs, **columns) -> list[str]:
    """As the lifecycle ends a job: who may start now is admitted in the same transaction."""
    with context.database.transaction() as connection:
        values = {"due_at": None, "ended_at": context.now(), **columns}
        connection.execute(update(table).where(table.c.name == name).values(values))
        return [ref[1] for ref in admission.admit(context, connection)]


def admit(context: Context) -> list[str]:
    return sorted(name for _, name in admission.admit_waiting(context))


def test_jobs_are_admitted_as_there_is_capacity_for_them(context):
    for number in range(6):
        add(context, f"job-{number}", created_at=float(number))
    assert admit(context) == ["job-0", "job-1", "job-2", "job-3"]
    admitted = row_of(context, "job-0")
    assert admitted.due_at == admitted.admitted_at is not None
    assert (admitted.cpus, admitted.memory_bytes) == (1.0, GIB)
    assert row_of(context, "job-4").due_at is None
    assert admit(context) == []
    assert end(context, "job-2") == ["job-4"]


def test_tables_queue_for_the_same_machine(context):
    add(context, "same-name", WHOLE, created_at=1.0)
    add(context, "same-name", WHOLE, processing_jobs, created_at=2.0)
    assert admission.admit_waiting(context) == [("training_jobs", "same-name")]
    assert end(context, "same-name") == ["same-name"]
    assert row_of(context, "same-name", processing_jobs).admitted_at is not None


def test_capacity_that_was_freed_early_is_given_to_the_next_job(context):
    add(context, "storing", WHOLE)
    add(context, "next", WHOLE, created_at=1.0)
    assert admit(context) == ["storing"]
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == "storing").values(FREED))
    assert admit(context) == ["next"]


def test_a_job_may_go_back_to_the_queue(context):
    add(context, "interrupted", Demand("a", Resources(64.0, GIB), is_spot=True))
    assert admit(context) == ["interrupted"]
    assert row_of(context, "interrupted").cpus == 4.0  # fitted to the machine
    add(context, "urgent", replace(WHOLE, priority=1))
    assert admit(context) == []
    assert row_of(context, "interrupted").interrupt_requested
    again = {**admission.waits_for(Resources(64.0, GIB)), "interrupt_requested": False}
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == "interrupted").values(again))
    assert admit(context) == ["urgent"]
    assert end(context, "urgent") == ["interrupted"]


def test_a_job_that_is_stopped_while_it_waits_is_neither_admitted_nor_in_the_way(context):
    add(context, "running", WHOLE)
    add(context, "stopped", WHOLE, created_at=1.0)
    admit(context)
    with context.database.transaction() as connection:
        connection.execute(
            update(training_jobs).where(training_jobs.c.name == "stopped").values(due_at=1.0, stop_requested=True)
        )
    add(context, "next", WHOLE, created_at=2.0)
    assert end(context, "running") == ["next"]
    assert end(context, "stopped") == []


def test_owners_take_turns(context):
    for number in range(3):
        add(context, f"a-{number}", WHOLE, created_at=float(number))
        add(context, f"b-{number}", replace(WHOLE, owner="b"), created_at=10.0 + number)
    order = admit(context)
    while len(order) < 6:
        order += end(context, order[-1])
    assert order == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]


def test_a_blocked_job_is_marked_and_looked_at_again(context):
    add(context, "running", replace(WHOLE, each=Resources(3.0, GIB)))
    add(context, "large", WHOLE, created_at=1.0)
    assert admit(context) == ["running"]
    assert row_of(context, "large").blocked_at is not None
    with context.database.read() as connection:
        task = task_rows.c
        due_at = connection.scalar(select(task.due_at).where(task.name == admission.TASK))
    assert due_at < context.now() + BACKFILL_SECONDS


def test_jobs_ahead_are_those_of_higher_priority_and_those_that_came_earlier(context):
    add(context, "running", WHOLE)
    admit(context)
    add(context, "early", created_at=1.0)
    add(context, "late", created_at=2.0)
    add(context, "urgent", replace(QUARTER, priority=3), processing_jobs, created_at=3.0)
    with context.database.read() as connection:
        ahead = [
            admission.jobs_ahead(context, connection, row_of(context, name)) for name in ("running", "early", "late")
        ]
        reasons = [
            waiting.reason(context, connection, row_of(context, name), waiting.usage(context, connection))
            for name in ("running", "early", "late")
        ]
    assert reasons == [
        None,
        Wait("Waiting for 1 core: running uses it; 1 job is ahead", 1.0),
        Wait("Waiting for 1 core: running uses it; 2 jobs are ahead", 1.0),
    ]
    assert ahead == [None, 1, 2]


def test_two_servers_admit_no_job_twice(context):
    for number in range(40):
        add(context, f"job-{number:02}", created_at=float(number))

    def drain(_server: int) -> list[str]:
        admitted = admit(context)
        for name in admitted:
            admitted += end(context, name)
        return admitted

    with ThreadPoolExecutor(3) as servers:
        admitted = [name for names in servers.map(drain, range(3)) for name in names]
    assert sorted(admitted) == [f"job-{number:02}" for number in range(40)]


def test_endpoints_leave_jobs_half_of_the_memory(context):
    machine = capacity.of_machine(context)

    def left() -> Resources:
        with context.database.read() as connection:
            return capacity.of_jobs(context, connection)

    assert left() == machine
    progress = {"variants": [{"instance_type": "ml.m5.xlarge", "instance_count": 1}]}
    row = {"state": "in service", "created_at": 0.0, "modified_at": 0.0, "configuration": "", "due_at": 1.0}
    with context.database.transaction() as connection:
        connection.execute(insert(endpoints).values(name="one", progress=progress, **row))
    assert left().memory_bytes == machine.memory_bytes - 16 * GIB
    progress["variants"][0]["instance_count"] = 8
    with context.database.transaction() as connection:
        connection.execute(insert(endpoints).values(name="eight", progress=progress, **row))
    assert left().memory_bytes == machine.memory_bytes // 2


def test_a_priority_is_a_whole_number():
    assert admission.priority_of({}) == 0
    assert admission.priority_of({"lowcloud:priority": "-7"}) == -7
    for wrong in ("high", "1.5", "2000"):
        with pytest.raises(InvalidError, match="whole number from -1000 to 1000"):
            admission.priority_of({"lowcloud:priority": wrong})


def test_the_queue_reads_indexes_only(context):
    """100,000 jobs that have ended must cost nothing; see benchmarks/many_jobs.py."""
    if context.settings.database_url.startswith("postgresql"):
        pytest.skip("its planner reads a table of one page whole")
    statements = {
        "training_jobs_waiting": select(training_jobs.c.name).where(admission.is_waiting(training_jobs)).limit(1),
        "training_jobs_retained": admission._held(training_jobs).where(training_jobs.c.retained_until > 1.0),
        "training_jobs_running": admission._held(training_jobs).where(
            training_jobs.c.due_at.is_not(None), training_jobs.c.admitted_at.is_not(None)
        ),
    }
    with context.database.read() as connection:
        for index, statement in statements.items():
            compiled = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
            plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
            assert index in plan
