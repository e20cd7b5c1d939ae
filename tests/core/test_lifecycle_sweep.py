"""Lifecycles carried out on a real store."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lowcloud.core import (
    buckets,
    configurations,
    errands,
    lifecycle_sweep,
    listings,
    notifications,
    objects,
    scrub,
    scrubber,
    uploads,
)
from lowcloud.core.cloud import Cloud
from lowcloud.core.descriptions import Description
from lowcloud.core.locks import GOVERNANCE, Lock
from lowcloud.core.notifications import KINDS as KINDS_OF_EVENTS
from lowcloud.core.notifications import Rule
from lowcloud.core.reconciler import Reconciler
from lowcloud.server import KINDS
from lowcloud.store import tables
from tests.conftest import wait_for

BUCKET = "shelf"


def with_rules(cloud: Cloud, *rules: dict[str, Any], bucket: str = BUCKET) -> None:
    said = [{"id": str(number), **rule} for number, rule in enumerate(rules)]
    configurations.put(cloud, bucket, lifecycle_sweep.KIND, {"rules": said, "said": []})


@pytest.fixture
def cloud(cloud: Cloud) -> Iterator[Cloud]:
    """One whose days are short: what is older than a moment is two days old."""
    buckets.create(cloud, BUCKET)
    yield replace(cloud, settings=replace(cloud.settings, day_seconds=0.01))


def swept(cloud: Cloud) -> None:
    """Everything there is grows old, and is swept."""
    time.sleep(0.05)
    lifecycle_sweep.sweep(cloud)


def keys(cloud: Cloud, bucket: str = BUCKET) -> list[str]:
    return [found.key for found in listings.walk(cloud, bucket)]


def versions(cloud: Cloud) -> list[tuple[str, bool]]:
    entries = listings.list_versions(cloud, BUCKET).entries
    return [(entry.key, entry.is_marker) for entry in entries if isinstance(entry, listings.Version)]


def test_objects_expire_by_prefix_size_and_tags_for_good_where_no_versions_are_kept(cloud: Cloud) -> None:
    for key, size, tags in [("tmp/a", 5, {}), ("tmp/b", 200_000, {}), ("keep", 5, {}), ("tagged", 5, {"t": "1"})]:
        objects.put(cloud, BUCKET, key, [bytes(size)], Description(tags=tags))
    with_rules(cloud, {"prefix": "tmp/", "larger_than": 100, "expire_days": 1}, {"tags": {"t": "1"}, "expire_days": 1})
    swept(cloud)
    assert keys(cloud) == ["keep", "tmp/a"]
    assert list(scrub.scrub(cloud, scrub.Tally())) == []
    assert not list((cloud.settings.data / "objects").glob("*/*"))


def test_in_a_bucket_that_keeps_versions_an_object_is_hidden_then_removed_and_then_its_marker(cloud: Cloud) -> None:
    buckets.set_versioning(cloud, BUCKET, buckets.ENABLED)
    objects.put(cloud, BUCKET, "k", [b"one"])
    objects.put(cloud, BUCKET, "k", [b"two"])
    with_rules(cloud, {"expire_days": 1})
    swept(cloud)
    assert versions(cloud) == [("k", True), ("k", False), ("k", False)]
    with_rules(cloud, {"noncurrent_days": 1, "keep_newer": 1})
    swept(cloud)
    assert versions(cloud) == [("k", True), ("k", False)]
    with_rules(cloud, {"noncurrent_days": 1}, {"expire_markers": True})
    swept(cloud)
    swept(cloud)
    assert versions(cloud) == []


def test_a_damaged_version_stays_and_does_not_stop_the_others(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    buckets.create(cloud, "zoo")
    for bucket, key in [(BUCKET, "a"), (BUCKET, "broken"), (BUCKET, "c"), ("zoo", "d")]:
        objects.put(cloud, bucket, key, [b"x"], Description(tags={"t": "1"}))
    for bucket in (BUCKET, "zoo"):
        with_rules(cloud, {"tags": {"t": "1"}, "expire_days": 1}, bucket=bucket)
    with cloud.database.transaction() as connection:
        damaged = sa.update(tables.objects).where(tables.objects.c.key == "broken")
        connection.execute(damaged.values(document=b"damaged"))
    swept(cloud)
    assert keys(cloud) == ["broken"]
    assert keys(cloud, "zoo") == []
    assert [record.getMessage() for record in caplog.records if f"{BUCKET}/broken" in record.getMessage()]


def test_what_expires_is_told_as_such(cloud: Cloud) -> None:
    notifications.configure(cloud, BUCKET, "notification", {}, [Rule(KINDS_OF_EVENTS)])
    objects.put(cloud, BUCKET, "plain", [b"1"])
    with_rules(cloud, {"expire_days": 1})
    swept(cloud)
    buckets.set_versioning(cloud, BUCKET, buckets.ENABLED)
    objects.put(cloud, BUCKET, "kept", [b"1"])
    swept(cloud)
    told = [(event.kind, event.key) for event in notifications.page(cloud) if not event.kind.startswith("created:")]
    assert told == [("expired:delete", "plain"), ("expired:marker", "kept")]


def test_what_is_locked_stays(cloud: Cloud) -> None:
    buckets.set_versioning(cloud, BUCKET, buckets.ENABLED)
    buckets.set_object_lock(cloud, BUCKET, {})
    objects.put(cloud, BUCKET, "held", [b"1"], lock=Lock(legal_hold=True))
    objects.put(cloud, BUCKET, "retained", [b"1"], lock=Lock(GOVERNANCE, cloud.now() + 1000))
    objects.put(cloud, BUCKET, "free", [b"1"])
    with_rules(cloud, {"expire_days": 1, "noncurrent_days": 1})
    swept(cloud)
    swept(cloud)
    assert keys(cloud) == []
    assert [one for one in versions(cloud) if not one[1]] == [("held", False), ("retained", False)]


def test_old_uploads_are_aborted_with_their_parts(cloud: Cloud) -> None:
    for key in ("tmp/a", "keep"):
        uploads.put_part(cloud, uploads.create(cloud, BUCKET, key), 1, [b"part"])
    with_rules(cloud, {"prefix": "tmp/", "abort_days": 1})
    swept(cloud)
    found, _ = uploads.list_uploads(cloud, BUCKET)
    assert [one.key for one in found if isinstance(one, uploads.Upload)] == ["keep"]
    assert len(list((cloud.settings.data / "objects").glob("*/*"))) == 1


def test_what_was_written_anew_meanwhile_stays(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.put(cloud, BUCKET, "k", [b"old"])
    with_rules(cloud, {"expire_days": 1})
    really_delete = lifecycle_sweep.delete_many

    def write_and_delete(cloud: Cloud, bucket: str, wanted: Any, **options: Any) -> Any:
        time.sleep(1.1)  # times are compared by the second, as the wire tells them
        objects.put(cloud, BUCKET, "k", [b"new"])
        return really_delete(cloud, bucket, wanted, **options)

    monkeypatch.setattr(lifecycle_sweep, "delete_many", write_and_delete)
    swept(cloud)
    assert keys(cloud) == ["k"]


def test_a_sweep_goes_on_page_by_page_through_all_buckets(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_sweep, "PAGE_ROWS", 7)
    monkeypatch.setattr(lifecycle_sweep, "BATCH", 3)
    buckets.set_versioning(cloud, BUCKET, buckets.ENABLED)
    buckets.create(cloud, "a-plain-one")
    for number in range(20):
        objects.put(cloud, "a-plain-one", f"{number}", [b"x"])
        for _ in range(3):
            objects.put(cloud, BUCKET, f"{number // 5}", [b"x"])
    with_rules(cloud, {"noncurrent_days": 1, "keep_newer": 2})
    with_rules(cloud, {"expire_days": 1}, bucket="a-plain-one")
    swept(cloud)
    assert keys(cloud, "a-plain-one") == []
    assert versions(cloud) == [(f"{key}", False) for key in range(4) for _ in range(3)]


def test_a_server_carries_out_lifecycles_and_scrubs_by_itself(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber, "BYTES_PER_SECOND", 10**9)
    objects.put(cloud, BUCKET, "tmp/a", [b"x"])
    objects.put(cloud, BUCKET, "keep", [b"x"])
    with_rules(cloud, {"prefix": "tmp/", "expire_days": 1})
    errands.ensure(cloud)
    reconciler = Reconciler(cloud, {tables.errands: KINDS[tables.errands]})
    reconciler.start(is_alone=True)
    try:
        wait_for(lambda: keys(cloud) == ["keep"])
        wait_for(lambda: scrub_of(cloud).get("versions") == 1)
    finally:
        reconciler.stop()
    assert scrub_of(cloud)["findings"] == 0


def scrub_of(cloud: Cloud) -> dict[str, Any]:
    with cloud.database.read() as connection:
        return errands.progress_of(connection, "scrub").get("last", {})


def test_a_scrub_goes_on_where_it_stood_and_tells_what_it_finds(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber, "BYTES_PER_SECOND", 10**9)
    monkeypatch.setattr(scrubber, "STEP_BYTES", 1)
    for number in range(3):
        objects.put(cloud, BUCKET, f"{number}", [b"x" * 10])
    with cloud.database.transaction() as connection:
        connection.execute(
            sa.delete(tables.contents).where(tables.contents.c.id == objects.head(cloud, BUCKET, "1").id)
        )
    progress: dict[str, Any] = {}
    steps = 0
    while "ended_at" not in progress.get("last", {}):
        progress, _ = scrubber.advance(cloud, progress)
        steps += 1
    assert (progress["last"]["versions"], progress["last"]["findings"]) == (3, 1)
    assert steps >= 3
    with cloud.database.read() as connection:
        (told,) = scrubber.events.of(connection, scrubber.SUBJECT)
    assert "shelf/1" in told.message
