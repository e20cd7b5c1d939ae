"""The status of a warm pool, from its row and in a listing."""

from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select, update

from lowcloud.core.scheduling import warm_pools
from lowcloud.core.scheduling.warm_pools import Pool, Status
from lowcloud.store.db.tables.jobs import training_jobs

NOW = 1000.0
ROWS = {
    "not requested": ({"ended_at": 900.0}, None),
    "runs": ({"keep_alive_seconds": 60}, Pool(Status.IN_USE, 0)),
    "idle": ({"keep_alive_seconds": 600, "ended_at": 900.0, "retained_until": 1500.0}, Pool(Status.AVAILABLE, 100)),
    "expired": ({"keep_alive_seconds": 60, "ended_at": 900.0, "retained_until": 960.0}, Pool(Status.TERMINATED, 60)),
    "failed": ({"keep_alive_seconds": 60, "ended_at": 900.0}, Pool(Status.TERMINATED, 0)),
    "being cleared up": ({"state": "completed", "keep_alive_seconds": 60, "ended_at": 900.0}, Pool(Status.IN_USE, 0)),
    "ended by an update": (
        {"keep_alive_seconds": 0, "ended_at": 900.0, "retained_until": 950.0},
        Pool(Status.TERMINATED, 50),
    ),
    "taken over": (
        {"keep_alive_seconds": 600, "ended_at": 900.0, "retained_until": 930.0, "reused_by": "next"},
        Pool(Status.REUSED, 30, "next"),
    ),
}


def row(**columns) -> SimpleNamespace:
    unset = dict.fromkeys(("keep_alive_seconds", "ended_at", "retained_until", "reused_by"))
    return SimpleNamespace(**{**unset, "state": "failed", **columns})


@pytest.mark.parametrize(("columns", "pool"), ROWS.values(), ids=ROWS)
def test_the_status_of_a_pool_follows_from_its_row(columns, pool):
    assert warm_pools.of_job(row(**columns), NOW) == pool


def test_a_listing_finds_pools_by_status(context):
    rest = {"state": "failed", "created_at": 0.0, "modified_at": 0.0, "specification": {}, "progress": {}}
    with context.database.transaction() as connection:
        for name, (columns, _) in ROWS.items():
            connection.execute(insert(training_jobs).values(name=name, **{**rest, **columns}))
    for status in Status:
        with context.database.read() as connection:
            found = connection.scalars(
                select(training_jobs.c.name).where(warm_pools.has_status(training_jobs, status, NOW))
            )
            assert set(found) == {name for name, (_, pool) in ROWS.items() if pool and pool.status == status}


@pytest.mark.parametrize(("requested", "until"), [(60, 960.0), (0, None), (None, None)])
def test_a_completed_job_leaves_a_pool_if_it_asked_for_one(context, requested, until):
    rest = {"state": "completed", "created_at": 0.0, "modified_at": 0.0, "specification": {}, "progress": {}}
    with context.database.transaction() as connection:
        connection.execute(
            insert(training_jobs).values(name="job", ended_at=900.0, keep_alive_seconds=requested, **rest)
        )
        connection.execute(update(training_jobs).values(warm_pools.retained_in(training_jobs)))
    with context.database.read() as connection:
        assert connection.scalar(select(training_jobs.c.retained_until)) == until


def test_the_period_of_a_pool_can_be_changed_until_it_is_over():
    idle = row(**ROWS["idle"][0])
    assert warm_pools.changed(idle, 300, NOW) == {"keep_alive_seconds": 300, "retained_until": 1200.0}
    assert warm_pools.changed(idle, 0, NOW) == {"keep_alive_seconds": 0, "retained_until": NOW}
    assert warm_pools.changed(row(keep_alive_seconds=60), 300, NOW) == {"keep_alive_seconds": 300}
    for over in ("not requested", "expired", "failed", "taken over"):
        assert warm_pools.changed(row(**ROWS[over][0]), 300, NOW) is None


def test_jobs_match_by_all_that_makes_their_machines_alike():
    requested = ("role", "ml.m5.large", 1, 30, False)
    assert warm_pools.key(*requested) == warm_pools.key(*requested)
    others = [("x", *requested[1:]), (*requested[:2], 2, *requested[3:]), (*requested[:4], True)]
    assert len({warm_pools.key(*requested), *(warm_pools.key(*other) for other in others)}) == 4
