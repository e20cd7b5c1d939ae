"""The audit log in the database: looked up, verified, removed by age, and continued after damage."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import delete, func, select, update

from lowcloud.core.audit import log, retention, writer
from lowcloud.core.audit.log import Query, Verified
from lowcloud.core.audit.records import Actor, Asked, Record, from_document, to_document, to_entry
from lowcloud.core.context import Context
from lowcloud.store.db.tables.audit import audit_chain, audit_records
from tests.support.waiting import wait_for

DAY = 86400.0


def record(context: Context, **members: object) -> Record:
    made = Record(
        id="id-1",
        time=1000.0,
        account=context.account_id,
        actor=Actor(context.account_id, "user", "anna", access_key_id="AKIA1"),
        service="s3",
        operation="CreateBucket",
        is_read_only=False,
        region="us-east-1",
        asked=(Asked("s3:CreateBucket", "arn:aws:s3:::one", context.account_id),),
        parameters={"Bucket": "one"},
    )
    return replace(made, **members)  # type: ignore[arg-type]


def append(context: Context, *records: Record) -> None:
    entries = [to_entry(one) for one in records]
    context.database.apply(lambda connection: log.append(connection, context.keys, entries, 1.0))


def filled(context: Context, count: int = 5) -> None:
    append(context, *(record(context, id=f"id-{number}", time=float(number)) for number in range(1, count + 1)))


def verify(context: Context) -> Sequence[str]:
    return list(log.verify(context, Verified()))


def test_a_record_is_the_same_after_it_was_stored(context: Context) -> None:
    made = record(context, parameters={"Bücket": ["\0", 1.5, True]}, agent="\udcff", omitted=3)
    append(context, made)
    (((_, number), found),) = log.find(context, Query(context.account_id), 10)
    assert (number, found) == (1, made)
    assert from_document(to_document(made)) == made
    assert verify(context) == []


def test_records_are_found_by_what_they_are_about_the_newest_first(context: Context) -> None:
    append(
        context,
        record(context, id="a", time=1.0),
        record(context, id="b", time=2.0, operation="ListBuckets", is_read_only=True),
        record(context, id="c", time=3.0, actor=Actor("1", "user", "ben")),
        record(context, id="d", time=4.0, account="999999999999"),
    )

    def ids(**members: object) -> str:
        query = Query(context.account_id, **members)  # type: ignore[arg-type]
        return "".join(found.id for _, found in log.find(context, query, 10))

    assert ids() == "cba"
    assert ids(start=2.0) == "cb"
    assert ids(end=2.0, is_read_only=False) == "a"
    assert (ids(name="ben"), ids(operation="ListBuckets"), ids(services=("sts", "s3")), ids(id="b")) == (
        "c",
        "b",
        "cba",
        "b",
    )
    position, _ = log.find(context, Query(context.account_id), 1)[0]
    assert [found.id for _, found in log.find(context, Query(context.account_id), 10, position)] == ["b", "a"]


def test_rows_that_were_changed_in_the_database_are_found(context: Context) -> None:
    filled(context)
    with context.database.transaction() as connection:
        connection.execute(update(audit_records).where(audit_records.c.number == 2).values(name="ben"))
        connection.execute(delete(audit_records).where(audit_records.c.number == 5))
    assert verify(context) == ["record 5 is missing at the end", "record 2 is filed under values that are not its own"]


def test_a_log_that_was_cut_is_continued_and_the_cut_stays_visible(context: Context) -> None:
    filled(context)
    with context.database.transaction() as connection:
        connection.execute(delete(audit_records).where(audit_records.c.number > 3))
    filled(context, 2)
    expected = ["records 4 to 5 are missing", "before record 6 the log was found changed when the server continued it"]
    assert verify(context) == expected
    filled(context, 2)
    assert verify(context) == expected


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_seal_that_was_deleted_or_changed_is_found_also_after_further_records(
    context: Context, is_deleted: bool
) -> None:
    filled(context)
    with context.database.transaction() as connection:
        change = delete(audit_chain) if is_deleted else update(audit_chain).values(sealed=b"x" * 60)
        connection.execute(change)
    assert "the seal of the chain was" in verify(context)[0]
    filled(context)
    assert len(verify(context)) == 6  # the first five records are outside of the chain, and the break itself


def test_old_records_are_removed_and_the_rest_can_be_verified(context: Context) -> None:
    now = context.now()
    append(context, *(record(context, id=str(days), time=now - days * DAY) for days in (200, 100, 91, 89, 1)))
    progress, wait_seconds = retention.step(context, {})
    assert (progress, wait_seconds) == ({}, DAY)
    assert [found.id for _, found in log.find(context, Query(context.account_id), 10)] == ["1", "89"]
    assert verify(context) == []
    filled(context, 1)
    assert verify(context) == []
    with context.database.transaction() as connection:
        connection.execute(delete(audit_records).where(audit_records.c.number == 4))
    assert verify(context) == ["record 4 is missing"]


def test_records_that_only_their_column_calls_old_are_kept_and_the_change_stays_visible(context: Context) -> None:
    append(context, *(record(context, id=str(number), time=1e9) for number in range(3)))
    with context.database.transaction() as connection:
        connection.execute(update(audit_records).values(time=0.0))
    assert log.remove_before(context, 1e6, 10) == 0
    assert verify(context) == [f"record {number} is filed under values that are not its own" for number in (1, 2, 3)]


def test_nothing_is_removed_from_where_the_chain_is_damaged_on(context: Context) -> None:
    filled(context)
    with context.database.transaction() as connection:
        forged = to_document(record(context, id="forged", time=3.0))
        connection.execute(update(audit_records).where(audit_records.c.number == 3).values(document=forged))
    assert log.remove_before(context, 100.0, 10) == 2
    assert log.remove_before(context, 100.0, 10) == 0
    assert "record 3 or the one before it was changed" in verify(context)


def test_a_log_whose_records_are_all_old_goes_on(context: Context) -> None:
    filled(context, 3)
    assert log.remove_before(context, context.now(), 2) == 2
    assert log.remove_before(context, context.now(), 2) == 1
    assert log.remove_before(context, context.now(), 2) == 0
    filled(context, 1)
    assert verify(context) == []
    (((_, number), _),) = log.find(context, Query(context.account_id), 10)
    assert number == 4


def test_several_threads_append_to_one_chain(context: Context) -> None:
    def work(name: str) -> None:
        for number in range(20):
            writer.of(context).add_awaited(context, record(context, id=f"{name}{number}")).result(60)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    append(context, record(context, id="other"))  # as another process does
    for thread in threads:
        thread.join()
    writer.of(context).close()
    assert verify(context) == []
    with context.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(audit_records)) == 81


def test_records_that_nobody_waits_for_are_written_when_the_writer_closes(context: Context) -> None:
    for number in range(3):
        writer.of(context).add(context, record(context, id=str(number)))
    writer.of(context).close()
    assert [found.id for _, found in log.find(context, Query(context.account_id), 10)] == ["2", "1", "0"]


def test_nobody_waits_for_a_database_that_cannot_be_written_and_nothing_is_lost(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(log, "append", fail)
        for number in range(3):
            writer.of(context).add_awaited(context, record(context, id=str(number), time=float(number))).result(60)
    wait_for(lambda: len(log.find(context, Query(context.account_id), 10)) == 3)
    writer.of(context).add_awaited(context, record(context, id="3", time=3.0)).result(60)
    wait_for(lambda: len(log.find(context, Query(context.account_id), 10)) == 4)
    assert [found.id for _, found in log.find(context, Query(context.account_id), 10)] == ["3", "2", "1", "0"]
    assert verify(context) == []
