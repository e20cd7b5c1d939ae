"""The lifecycle sweep on a real store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.control import periodic_tasks
from lowcloud.core.control.periodic_tasks import PERIODIC_TASK
from lowcloud.core.control.reconciler import Reconciler
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.integrity import scrub, scrub_task
from lowcloud.core.storage.lifecycle import sweep
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import listings, notifications, objects
from lowcloud.core.storage.objects.locks import GOVERNANCE, Lock
from lowcloud.core.storage.objects.metadata import ObjectMetadata
from lowcloud.core.storage.objects.notifications import KINDS as KINDS_OF_EVENTS
from lowcloud.core.storage.objects.notifications import NotificationRule
from lowcloud.store.db.tables import storage as tables
from tests.support.waiting import wait_for

BUCKET = "shelf"


def with_rules(context: Context, *rules: dict[str, Any], bucket: str = BUCKET) -> None:
    said = [{"id": str(number), **rule} for number, rule in enumerate(rules)]
    configurations.put(context, bucket, sweep.KIND, {"rules": said, "said": []})


@pytest.fixture
def context(context: Context) -> Iterator[Context]:
    """A context whose days are short: anything older than a moment is two days old."""
    buckets.create(context, BUCKET)
    yield replace(context, settings=replace(context.settings, day_seconds=0.01))


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Let the cloud's clock run ahead."""
    now = Context.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "now", lambda context: now(context) + seconds)
        yield


def swept(context: Context) -> None:
    """Sweep when everything that exists has become old."""
    old_at = context.now() + 5 * context.settings.day_seconds
    wait_for(lambda: context.now() > old_at)
    sweep.sweep(context)


def keys(context: Context, bucket: str = BUCKET) -> list[str]:
    return [found.key for found in listings.walk(context, bucket)]


def versions(context: Context) -> list[tuple[str, bool]]:
    entries = listings.list_versions(context, BUCKET).entries
    return [(entry.key, entry.is_marker) for entry in entries if isinstance(entry, listings.Version)]


def test_objects_expire_by_prefix_size_and_tags_permanently_without_versioning(context: Context) -> None:
    for key, size, tags in [("tmp/a", 5, {}), ("tmp/b", 200_000, {}), ("keep", 5, {}), ("tagged", 5, {"t": "1"})]:
        objects.put(context, BUCKET, key, [bytes(size)], ObjectMetadata(tags=tags))
    with_rules(
        context, {"prefix": "tmp/", "larger_than": 100, "expire_days": 1}, {"tags": {"t": "1"}, "expire_days": 1}
    )
    swept(context)
    assert keys(context) == ["keep", "tmp/a"]
    assert list(scrub.scrub(context, scrub.ScrubCounts())) == []
    assert not list((context.settings.data / "objects").glob("*/*"))


def test_in_a_versioned_bucket_an_object_is_hidden_then_removed_and_then_its_marker(context: Context) -> None:
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    objects.put(context, BUCKET, "k", [b"one"])
    objects.put(context, BUCKET, "k", [b"two"])
    with_rules(context, {"expire_days": 1})
    swept(context)
    assert versions(context) == [("k", True), ("k", False), ("k", False)]
    with_rules(context, {"noncurrent_days": 1, "keep_newer": 1})
    swept(context)
    assert versions(context) == [("k", True), ("k", False)]
    with_rules(context, {"noncurrent_days": 1}, {"expire_markers": True})
    swept(context)
    swept(context)
    assert versions(context) == []


def test_a_damaged_version_stays_and_does_not_stop_the_others(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    buckets.create(context, "zoo")
    for bucket, key in [(BUCKET, "a"), (BUCKET, "broken"), (BUCKET, "c"), ("zoo", "d")]:
        objects.put(context, bucket, key, [b"x"], ObjectMetadata(tags={"t": "1"}))
    for bucket in (BUCKET, "zoo"):
        with_rules(context, {"tags": {"t": "1"}, "expire_days": 1}, bucket=bucket)
    with context.database.transaction() as connection:
        damaged = sa.update(tables.objects).where(tables.objects.c.key == "broken")
        connection.execute(damaged.values(document=b"damaged"))
    swept(context)
    assert keys(context) == ["broken"]
    assert keys(context, "zoo") == []
    assert [record.getMessage() for record in caplog.records if f"{BUCKET}/broken" in record.getMessage()]


def test_expirations_are_recorded_as_such(context: Context) -> None:
    notifications.configure(context, BUCKET, "notification", {}, [NotificationRule(KINDS_OF_EVENTS)])
    objects.put(context, BUCKET, "plain", [b"1"])
    with_rules(context, {"expire_days": 1})
    swept(context)
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    objects.put(context, BUCKET, "kept", [b"1"])
    swept(context)
    reported = [
        (event.kind, event.key) for event in notifications.list_page(context) if not event.kind.startswith("created:")
    ]
    assert reported == [("expired:delete", "plain"), ("expired:marker", "kept")]


def test_locked_versions_do_not_expire(context: Context) -> None:
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    buckets.set_object_lock(context, BUCKET, {})
    objects.put(context, BUCKET, "held", [b"1"], lock=Lock(legal_hold=True))
    objects.put(context, BUCKET, "retained", [b"1"], lock=Lock(GOVERNANCE, context.now() + 1000))
    objects.put(context, BUCKET, "free", [b"1"])
    with_rules(context, {"expire_days": 1, "noncurrent_days": 1})
    swept(context)
    swept(context)
    assert keys(context) == []
    assert [one for one in versions(context) if not one[1]] == [("held", False), ("retained", False)]


def test_old_uploads_are_aborted_with_their_parts(context: Context) -> None:
    for key in ("tmp/a", "keep"):
        uploads.put_part(context, uploads.create(context, BUCKET, key), 1, [b"part"])
    with_rules(context, {"prefix": "tmp/", "abort_days": 1})
    swept(context)
    found, _ = uploads.list_uploads(context, BUCKET)
    assert [one.key for one in found if isinstance(one, uploads.Upload)] == ["keep"]
    assert len(list((context.settings.data / "objects").glob("*/*"))) == 1


def test_objects_overwritten_meanwhile_stay(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.put(context, BUCKET, "k", [b"old"])
    with_rules(context, {"expire_days": 1})
    really_delete = sweep.delete_many

    def write_and_delete(context: Context, bucket: str, wanted: Any, **options: Any) -> Any:
        with later(seconds=1.1):  # times are compared by the second, as in the API
            objects.put(context, BUCKET, "k", [b"new"])
        return really_delete(context, bucket, wanted, **options)

    monkeypatch.setattr(sweep, "delete_many", write_and_delete)
    swept(context)
    assert keys(context) == ["k"]


def test_a_sweep_proceeds_page_by_page_through_all_buckets(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PAGE_ROWS", 7)
    monkeypatch.setattr(sweep, "BATCH", 3)
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    buckets.create(context, "a-plain-one")
    for number in range(20):
        objects.put(context, "a-plain-one", f"{number}", [b"x"])
        for _ in range(3):
            objects.put(context, BUCKET, f"{number // 5}", [b"x"])
    with_rules(context, {"noncurrent_days": 1, "keep_newer": 2})
    with_rules(context, {"expire_days": 1}, bucket="a-plain-one")
    swept(context)
    assert keys(context, "a-plain-one") == []
    assert versions(context) == [(f"{key}", False) for key in range(4) for _ in range(3)]


def test_a_server_runs_lifecycles_and_scrubs_periodically(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_task, "BYTES_PER_SECOND", 10**9)
    objects.put(context, BUCKET, "tmp/a", [b"x"])
    objects.put(context, BUCKET, "keep", [b"x"])
    with_rules(context, {"prefix": "tmp/", "expire_days": 1})
    periodic_tasks.ensure(context)
    reconciler = Reconciler(replace(context, kinds=replace(context.kinds, kinds=(PERIODIC_TASK,))))
    reconciler.start()
    try:
        wait_for(lambda: keys(context) == ["keep"])
        wait_for(lambda: scrub_of(context).get("versions") == 1)
    finally:
        reconciler.stop()
    assert scrub_of(context)["findings"] == 0


def scrub_of(context: Context) -> dict[str, Any]:
    with context.database.read() as connection:
        return periodic_tasks.progress_of(connection, "scrub").get("last", {})


def test_a_scrub_resumes_and_reports_its_findings(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_task, "BYTES_PER_SECOND", 10**9)
    monkeypatch.setattr(scrub_task, "STEP_BYTES", 1)
    for number in range(3):
        objects.put(context, BUCKET, f"{number}", [b"x" * 10])
    with context.database.transaction() as connection:
        connection.execute(
            sa.delete(tables.contents).where(tables.contents.c.id == objects.head(context, BUCKET, "1").id)
        )
    progress: dict[str, Any] = {}
    steps = 0
    while "ended_at" not in progress.get("last", {}):
        progress, _ = scrub_task.step(context, progress)
        steps += 1
    assert (progress["last"]["versions"], progress["last"]["findings"]) == (3, 1)
    assert steps >= 3
    with context.database.read() as connection:
        (reported,) = scrub_task.events.of(connection, scrub_task.SUBJECT)
    assert "shelf/1" in reported.message
