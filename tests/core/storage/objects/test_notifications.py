"""Events of changes to objects."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.multipart import completions, uploads
from lowcloud.core.storage.multipart.completions import RequestedPart
from lowcloud.core.storage.objects import copies, deletions, notifications, objects, version_updates
from lowcloud.core.storage.objects.copies import CopySource
from lowcloud.core.storage.objects.locks import Lock, LockedError
from lowcloud.core.storage.objects.notifications import KINDS, NotificationRule, ObjectEvent
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, PreconditionFailedError, Preconditions

BUCKET = "reported"
EVERYTHING = [NotificationRule(KINDS)]
TEXTS = st.text("ab/", max_size=4)


@pytest.fixture(autouse=True)
def bucket(context: Context) -> None:
    buckets.create(context, BUCKET)
    buckets.create(context, "quiet")
    watch(context, EVERYTHING)


def watch(context: Context, rules: Sequence[NotificationRule]) -> None:
    notifications.configure(context, BUCKET, "notification", {}, rules)


def reported(context: Context) -> list[tuple[str, str]]:
    return [(event.kind, event.key) for event in notifications.list_page(context)]


@given(st.lists(st.tuples(st.sets(st.sampled_from(KINDS)), TEXTS, TEXTS)), st.sampled_from(KINDS), TEXTS)
def test_a_rule_matches_its_kinds_prefix_and_suffix(said: list[tuple[set[str], str, str]], kind: str, key: str) -> None:
    rules = [NotificationRule(list(kinds), prefix, suffix) for kinds, prefix, suffix in said]
    expected = any(
        kind in kinds and key[: len(prefix)] == prefix and key[len(key) - min(len(key), len(suffix)) :] == suffix
        for kinds, prefix, suffix in said
    )
    assert notifications.matches_any(rules, kind, key) == expected


@pytest.mark.parametrize("size", [10, 100_000])
def test_puts_copies_and_deletions_are_recorded_in_order(context: Context, size: int) -> None:
    made = objects.put(context, BUCKET, "a", [bytes(size)])
    objects.put(context, BUCKET, "form", [bytes(size)], event=notifications.POSTED)
    copies.copy(context, CopySource(BUCKET, "a"), BUCKET, "b")
    deletions.delete(context, BUCKET, "a")
    deletions.delete(context, BUCKET, "a")  # deleted already
    first, *rest = notifications.list_page(context)
    assert first == ObjectEvent(first.id, BUCKET, "a", None, "created:put", made.modified_at, size, made.etag)
    assert [(event.kind, event.key) for event in rest] == [
        ("created:post", "form"),
        ("created:copy", "b"),
        ("removed:delete", "a"),
    ]
    sequencers = [event.sequencer for event in (first, *rest)]
    assert sequencers == sorted(set(sequencers))


def test_events_name_versions_and_distinguish_delete_markers(context: Context) -> None:
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    made = objects.put(context, BUCKET, "a", [b"1"])
    marker = deletions.delete(context, BUCKET, "a")
    deletions.delete(context, BUCKET, "a", version=made.version)
    deletions.delete(context, BUCKET, "a", version=made.version)  # deleted already
    deletions.delete_many(context, BUCKET, [("a", marker.version, NO_PRECONDITIONS)], cause=notifications.EXPIRED)
    deletions.delete_many(context, BUCKET, [("b", None, NO_PRECONDITIONS)], cause=notifications.EXPIRED)
    events = notifications.list_page(context)
    assert [(event.kind, event.version) for event in events[:4]] == [
        ("created:put", made.version),
        ("removed:marker", marker.version),
        ("removed:delete", made.version),
        ("expired:delete", marker.version),
    ]
    assert (events[4].kind, events[4].key) == ("expired:marker", "b")
    assert len(events) == 5


def test_a_completed_upload_is_recorded_once(context: Context) -> None:
    upload = uploads.create(context, BUCKET, "joined")
    part = uploads.put_part(context, upload, 1, [b"abc"])
    assert reported(context) == []
    for _ in range(2):
        completions.complete(context, BUCKET, "joined", upload.id, [RequestedPart(1, part.etag)])
    assert reported(context) == [("created:complete", "joined")]
    uploads.abort(context, BUCKET, "other", uploads.create(context, BUCKET, "other").id)
    assert len(reported(context)) == 1


def test_tags_put_and_deleted_are_recorded(context: Context) -> None:
    made = objects.put(context, BUCKET, "a", [b"1"])
    version_updates.set_tags(context, BUCKET, "a", None, {"a": "b"})
    version_updates.delete_tags(context, BUCKET, "a", None)
    assert reported(context)[1:] == [("tagged:put", "a"), ("tagged:delete", "a")]
    assert {event.etag for event in notifications.list_page(context)} == {made.etag}
    with pytest.raises(NotFoundError):
        version_updates.set_tags(context, BUCKET, "b", None, {"a": "b"})
    assert len(reported(context)) == 3


def test_refused_changes_are_not_recorded(context: Context) -> None:
    objects.put(context, BUCKET, "a", [b"1"])
    for refused in (
        lambda: objects.put(context, BUCKET, "a", [b"2"], preconditions=Preconditions(if_none_match="*")),
        lambda: deletions.delete(context, BUCKET, "a", preconditions=Preconditions(if_match="0" * 32)),
    ):
        with pytest.raises(PreconditionFailedError):
            refused()
    assert reported(context) == [("created:put", "a")]


def test_the_refused_deletion_of_a_locked_version_is_not_recorded(context: Context) -> None:
    buckets.create(context, "vault", object_lock_enabled=True)
    notifications.configure(context, "vault", "notification", {}, EVERYTHING)
    made = objects.put(context, "vault", "a", [b"1"], lock=Lock(legal_hold=True))
    with pytest.raises(LockedError):
        deletions.delete(context, "vault", "a", version=made.version)
    assert reported(context) == [("created:put", "a")]


def test_an_event_is_rolled_back_with_its_change(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    record = notifications.record

    def record_and_fail(*arguments: Any) -> None:
        record(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(notifications, "record", record_and_fail)
        with pytest.raises(ZeroDivisionError):
            objects.put(context, BUCKET, "a", [b"1"])
    assert reported(context) == []
    with pytest.raises(NotFoundError):
        objects.head(context, BUCKET, "a")


def test_only_selected_events_are_recorded(context: Context) -> None:
    watch(context, [NotificationRule(["created:put"], "in/", ".csv"), NotificationRule(["removed:delete"])])
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        objects.put(context, BUCKET, key, [b"1"])
        objects.put(context, "quiet", key, [b"1"])
    deletions.delete(context, BUCKET, "out/a.csv")
    deletions.delete(context, "quiet", "out/a.csv")
    expected = [("created:put", "in/a.csv"), ("removed:delete", "out/a.csv")]
    assert reported(context) == expected
    watch(context, [])
    objects.put(context, BUCKET, "in/b.csv", [b"1"])
    assert reported(context) == expected
    assert buckets.find(context, BUCKET).notifications is None


def test_pages_continue_after_an_id_and_deleted_events_never_return(context: Context) -> None:
    for number in range(5):
        objects.put(context, BUCKET, str(number), [b"1"])
    first = notifications.list_page(context, limit=2)
    rest = notifications.list_page(context, after=first[-1].id)
    assert [event.key for event in first + rest] == list("01234")
    notifications.delete_events(context, until=rest[0].id)
    assert notifications.list_page(context) == rest[1:]
    notifications.delete_events(context, until=rest[-1].id)
    objects.put(context, BUCKET, "5", [b"1"])
    [event] = notifications.list_page(context, after=rest[-1].id)
    assert event.key == "5"


def test_only_the_newest_events_are_stored(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MAX_EVENTS", 20)
    monkeypatch.setattr(notifications, "PRUNE_INTERVAL", 10)
    for number in range(50):
        objects.put(context, BUCKET, str(number), [b"1"])
    kept = [int(event.key) for event in notifications.list_page(context)]
    assert kept == list(range(kept[0], 50))
    assert 20 <= len(kept) < 30


def test_events_outlive_their_bucket(context: Context) -> None:
    objects.put(context, BUCKET, "a", [b"1"])
    deletions.delete(context, BUCKET, "a")
    buckets.delete(context, BUCKET)
    assert reported(context) == [("created:put", "a"), ("removed:delete", "a")]


def test_a_missing_bucket_cannot_be_configured(context: Context) -> None:
    with pytest.raises(NotFoundError):
        notifications.configure(context, "nothing", "notification", {}, EVERYTHING)
