"""The queue as rows: nothing is lost or admitted twice, and a waiting job costs nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Table, insert, select, update

from lowcloud.core import admission, errands, shares
from lowcloud.core.admission import FREED, Demand
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.queue import PATIENCE_SECONDS
from lowcloud.engine import Resources
from lowcloud.store import tables
from lowcloud.store.tables import processing_jobs, training_jobs

GIB = 1 << 30
WHOLE = Demand("a", Resources(4.0, GIB))
QUARTER = replace(WHOLE, each=Resources(1.0, GIB))


@pytest.fixture
def cloud(cloud, monkeypatch):
    monkeypatch.setattr(cloud.engine, "capacity", lambda: Resources(4.0, 64 * GIB, 0))
    errands.ensure(cloud)
    return cloud


def add(cloud: Cloud, name: str, demand: Demand = QUARTER, table: Table = training_jobs, **columns) -> None:
    row = {"name": name, "created_at": 0.0, **demand.columns(), **columns}
    row |= {"state": "pending", "modified_at": 0.0, "specification": {}, "progress": {}}
    with cloud.database.transaction() as connection:
        connection.execute(insert(table).values(row))


def row_of(cloud: Cloud, name: str, table: Table = training_jobs):
    with cloud.database.read() as connection:
        return connection.execute(select(table).where(table.c.name == name)).one()


def end(cloud: Cloud, name: str, table: Table = training_jobs, **columns) -> list[str]:
    """As the lifecycle ends a job: who may start now is admitted in the same transaction."""
    with cloud.database.transaction() as connection:
        values = {"due_at": None, "ended_at": cloud.now(), **columns}
        connection.execute(update(table).where(table.c.name == name).values(values))
        return [ref[1] for ref in admission.admit(cloud, connection)]


def admit(cloud: Cloud) -> list[str]:
    return sorted(name for _, name in admission.admit_waiting(cloud))


def test_jobs_are_admitted_as_there_is_room_for_them(cloud):
    for number in range(6):
        add(cloud, f"job-{number}", created_at=float(number))
    assert admit(cloud) == ["job-0", "job-1", "job-2", "job-3"]
    admitted = row_of(cloud, "job-0")
    assert admitted.due_at == admitted.admitted_at is not None
    assert (admitted.cpus, admitted.memory_bytes) == (1.0, GIB)
    assert row_of(cloud, "job-4").due_at is None
    assert admit(cloud) == []
    assert end(cloud, "job-2") == ["job-4"]


def test_tables_queue_for_the_same_machine(cloud):
    add(cloud, "same-name", WHOLE, created_at=1.0)
    add(cloud, "same-name", WHOLE, processing_jobs, created_at=2.0)
    assert admission.admit_waiting(cloud) == [("training_jobs", "same-name")]
    assert end(cloud, "same-name") == ["same-name"]
    assert row_of(cloud, "same-name", processing_jobs).admitted_at is not None


def test_a_share_that_was_freed_early_goes_to_the_next(cloud):
    add(cloud, "storing", WHOLE)
    add(cloud, "next", WHOLE, created_at=1.0)
    assert admit(cloud) == ["storing"]
    with cloud.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == "storing").values(FREED))
    assert admit(cloud) == ["next"]


def test_a_job_may_go_back_to_the_queue(cloud):
    add(cloud, "interrupted", Demand("a", Resources(64.0, GIB), is_spot=True))
    assert admit(cloud) == ["interrupted"]
    assert row_of(cloud, "interrupted").cpus == 4.0  # fitted to the machine
    add(cloud, "urgent", replace(WHOLE, priority=1))
    assert admit(cloud) == []
    assert row_of(cloud, "interrupted").interrupt_requested
    again = {**admission.waits_for(Resources(64.0, GIB)), "interrupt_requested": False}
    with cloud.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == "interrupted").values(again))
    assert admit(cloud) == ["urgent"]
    assert end(cloud, "urgent") == ["interrupted"]


def test_a_job_that_is_stopped_while_it_waits_is_neither_admitted_nor_in_the_way(cloud):
    add(cloud, "running", WHOLE)
    add(cloud, "stopped", WHOLE, created_at=1.0)
    admit(cloud)
    with cloud.database.transaction() as connection:
        connection.execute(
            update(training_jobs).where(training_jobs.c.name == "stopped").values(due_at=1.0, stop_requested=True)
        )
    add(cloud, "next", WHOLE, created_at=2.0)
    assert end(cloud, "running") == ["next"]
    assert end(cloud, "stopped") == []


def test_owners_take_turns(cloud):
    for number in range(3):
        add(cloud, f"a-{number}", WHOLE, created_at=float(number))
        add(cloud, f"b-{number}", replace(WHOLE, owner="b"), created_at=10.0 + number)
    order = admit(cloud)
    while len(order) < 6:
        order += end(cloud, order[-1])
    assert order == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]


def test_a_blocked_job_is_marked_and_looked_at_again(cloud):
    add(cloud, "running", replace(WHOLE, each=Resources(3.0, GIB)))
    add(cloud, "large", WHOLE, created_at=1.0)
    assert admit(cloud) == ["running"]
    assert row_of(cloud, "large").blocked_at is not None
    with cloud.database.read() as connection:
        due_at = connection.scalar(select(errands.errands.c.due_at).where(errands.errands.c.name == admission.ERRAND))
    assert due_at < cloud.now() + PATIENCE_SECONDS


def test_jobs_ahead_are_those_of_higher_priority_and_those_that_came_earlier(cloud):
    add(cloud, "running", WHOLE)
    admit(cloud)
    add(cloud, "early", created_at=1.0)
    add(cloud, "late", created_at=2.0)
    add(cloud, "urgent", replace(QUARTER, priority=3), processing_jobs, created_at=3.0)
    with cloud.database.read() as connection:
        ahead = [admission.jobs_ahead(connection, row_of(cloud, name)) for name in ("running", "early", "late")]
    assert ahead == [None, 1, 2]
    assert admission.waiting_message(1) == "Waiting for capacity: 1 job ahead"
    assert admission.waiting_message(2) == "Waiting for capacity: 2 jobs ahead"


def test_two_servers_admit_no_job_twice(cloud):
    for number in range(40):
        add(cloud, f"job-{number:02}", created_at=float(number))

    def drain(_server: int) -> list[str]:
        admitted = admit(cloud)
        for name in admitted:
            admitted += end(cloud, name)
        return admitted

    with ThreadPoolExecutor(3) as servers:
        admitted = [name for names in servers.map(drain, range(3)) for name in names]
    assert sorted(admitted) == [f"job-{number:02}" for number in range(40)]


def test_endpoints_leave_jobs_half_of_the_memory(cloud):
    machine = shares.of_machine(cloud)

    def left() -> Resources:
        with cloud.database.read() as connection:
            return shares.of_jobs(cloud, connection)

    assert left() == machine
    progress = {"variants": [{"instance_type": "ml.m5.xlarge", "instance_count": 1}]}
    row = {"state": "in service", "created_at": 0.0, "modified_at": 0.0, "configuration": "", "due_at": 1.0}
    with cloud.database.transaction() as connection:
        connection.execute(insert(tables.endpoints).values(name="one", progress=progress, **row))
    assert left().memory_bytes == machine.memory_bytes - 16 * GIB
    progress["variants"][0]["instance_count"] = 8
    with cloud.database.transaction() as connection:
        connection.execute(insert(tables.endpoints).values(name="eight", progress=progress, **row))
    assert left().memory_bytes == machine.memory_bytes // 2


def test_a_priority_is_a_whole_number():
    assert admission.priority_of({}) == 0
    assert admission.priority_of({"lowcloud:priority": "-7"}) == -7
    for wrong in ("high", "1.5", "2000"):
        with pytest.raises(Invalid, match="whole number from -1000 to 1000"):
            admission.priority_of({"lowcloud:priority": wrong})


def test_the_queue_reads_indexes_only(cloud):
    """100,000 jobs that have ended must cost nothing; see benchmarks/many_jobs.py."""
    if cloud.settings.database_url.startswith("postgresql"):
        pytest.skip("its planner reads a table of one page whole")
    statements = {
        "training_jobs_waiting": select(training_jobs.c.name).where(admission.is_waiting(training_jobs)).limit(1),
        "training_jobs_retained": admission._held(training_jobs).where(training_jobs.c.retained_until > 1.0),
        "training_jobs_running": admission._held(training_jobs).where(
            training_jobs.c.due_at.is_not(None), training_jobs.c.admitted_at.is_not(None)
        ),
    }
    with cloud.database.read() as connection:
        for index, statement in statements.items():
            compiled = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
            plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
            assert index in plan
