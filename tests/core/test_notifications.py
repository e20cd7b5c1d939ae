from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core import buckets, completions, copies, deletions, notifications, objects, revisions, uploads
from lowcloud.core.cloud import Cloud
from lowcloud.core.completions import Wanted
from lowcloud.core.conditions import NO_CONDITIONS, ConditionFailed, Conditions
from lowcloud.core.copies import Source
from lowcloud.core.errors import NotFound
from lowcloud.core.locks import Lock, Locked
from lowcloud.core.notifications import KINDS, Event, Rule

BUCKET = "told"
EVERYTHING = [Rule(KINDS)]
TEXTS = st.text("ab/", max_size=4)


@pytest.fixture(autouse=True)
def bucket(cloud: Cloud) -> None:
    buckets.create(cloud, BUCKET)
    buckets.create(cloud, "quiet")
    watch(cloud, EVERYTHING)


def watch(cloud: Cloud, rules: Sequence[Rule]) -> None:
    notifications.configure(cloud, BUCKET, "notification", {}, rules)


def told(cloud: Cloud) -> list[tuple[str, str]]:
    return [(event.kind, event.key) for event in notifications.page(cloud)]


@given(st.lists(st.tuples(st.sets(st.sampled_from(KINDS)), TEXTS, TEXTS)), st.sampled_from(KINDS), TEXTS)
def test_a_rule_matches_its_kinds_and_the_keys_that_begin_and_end_as_it_says(
    said: list[tuple[set[str], str, str]], kind: str, key: str
) -> None:
    rules = [Rule(list(kinds), prefix, suffix) for kinds, prefix, suffix in said]
    expected = any(
        kind in kinds and key[: len(prefix)] == prefix and key[len(key) - min(len(key), len(suffix)) :] == suffix
        for kinds, prefix, suffix in said
    )
    assert notifications.match(rules, kind, key) == expected


@pytest.mark.parametrize("size", [10, 100_000])
def test_puts_copies_and_deletions_are_told_in_their_order(cloud: Cloud, size: int) -> None:
    made = objects.put(cloud, BUCKET, "a", [bytes(size)])
    objects.put(cloud, BUCKET, "form", [bytes(size)], event=notifications.POSTED)
    copies.copy(cloud, Source(BUCKET, "a"), BUCKET, "b")
    deletions.delete(cloud, BUCKET, "a")
    deletions.delete(cloud, BUCKET, "a")  # holds nothing any more
    first, *rest = notifications.page(cloud)
    assert first == Event(first.id, BUCKET, "a", None, "created:put", made.modified_at, size, made.etag)
    assert [(event.kind, event.key) for event in rest] == [
        ("created:post", "form"),
        ("created:copy", "b"),
        ("removed:delete", "a"),
    ]
    sequencers = [event.sequencer for event in (first, *rest)]
    assert sequencers == sorted(set(sequencers))


def test_versions_are_named_and_markers_told_apart(cloud: Cloud) -> None:
    buckets.set_versioning(cloud, BUCKET, buckets.ENABLED)
    made = objects.put(cloud, BUCKET, "a", [b"1"])
    marker = deletions.delete(cloud, BUCKET, "a")
    deletions.delete(cloud, BUCKET, "a", version=made.version)
    deletions.delete(cloud, BUCKET, "a", version=made.version)  # gone already
    deletions.delete_many(cloud, BUCKET, [("a", marker.version, NO_CONDITIONS)], cause=notifications.EXPIRED)
    deletions.delete_many(cloud, BUCKET, [("b", None, NO_CONDITIONS)], cause=notifications.EXPIRED)
    events = notifications.page(cloud)
    assert [(event.kind, event.version) for event in events[:4]] == [
        ("created:put", made.version),
        ("removed:marker", marker.version),
        ("removed:delete", made.version),
        ("expired:delete", marker.version),
    ]
    assert (events[4].kind, events[4].key) == ("expired:marker", "b")
    assert len(events) == 5


def test_a_completed_upload_is_told_once(cloud: Cloud) -> None:
    upload = uploads.create(cloud, BUCKET, "joined")
    part = uploads.put_part(cloud, upload, 1, [b"abc"])
    assert told(cloud) == []
    for _ in range(2):
        completions.complete(cloud, BUCKET, "joined", upload.id, [Wanted(1, part.etag)])
    assert told(cloud) == [("created:complete", "joined")]
    uploads.abort(cloud, BUCKET, "other", uploads.create(cloud, BUCKET, "other").id)
    assert len(told(cloud)) == 1


def test_tags_put_and_removed_are_told(cloud: Cloud) -> None:
    made = objects.put(cloud, BUCKET, "a", [b"1"])
    revisions.set_tags(cloud, BUCKET, "a", None, {"a": "b"})
    revisions.remove_tags(cloud, BUCKET, "a", None)
    assert told(cloud)[1:] == [("tagged:put", "a"), ("tagged:delete", "a")]
    assert {event.etag for event in notifications.page(cloud)} == {made.etag}
    with pytest.raises(NotFound):
        revisions.set_tags(cloud, BUCKET, "b", None, {"a": "b"})
    assert len(told(cloud)) == 3


def test_what_is_refused_is_not_told(cloud: Cloud) -> None:
    objects.put(cloud, BUCKET, "a", [b"1"])
    for refused in (
        lambda: objects.put(cloud, BUCKET, "a", [b"2"], conditions=Conditions(if_none_match="*")),
        lambda: deletions.delete(cloud, BUCKET, "a", conditions=Conditions(if_match="0" * 32)),
    ):
        with pytest.raises(ConditionFailed):
            refused()
    assert told(cloud) == [("created:put", "a")]


def test_a_locked_version_is_told_neither_as_removed(cloud: Cloud) -> None:
    buckets.create(cloud, "vault", can_lock=True)
    notifications.configure(cloud, "vault", "notification", {}, EVERYTHING)
    made = objects.put(cloud, "vault", "a", [b"1"], lock=Lock(legal_hold=True))
    with pytest.raises(Locked):
        deletions.delete(cloud, "vault", "a", version=made.version)
    assert told(cloud) == [("created:put", "a")]


def test_an_event_is_undone_with_its_change(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    record = notifications.record

    def record_and_fail(*arguments: Any) -> None:
        record(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(notifications, "record", record_and_fail)
        with pytest.raises(ZeroDivisionError):
            objects.put(cloud, BUCKET, "a", [b"1"])
    assert told(cloud) == []
    with pytest.raises(NotFound):
        objects.head(cloud, BUCKET, "a")


def test_only_what_the_rules_ask_for_is_recorded(cloud: Cloud) -> None:
    watch(cloud, [Rule(["created:put"], "in/", ".csv"), Rule(["removed:delete"])])
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        objects.put(cloud, BUCKET, key, [b"1"])
        objects.put(cloud, "quiet", key, [b"1"])
    deletions.delete(cloud, BUCKET, "out/a.csv")
    deletions.delete(cloud, "quiet", "out/a.csv")
    expected = [("created:put", "in/a.csv"), ("removed:delete", "out/a.csv")]
    assert told(cloud) == expected
    watch(cloud, [])
    objects.put(cloud, BUCKET, "in/b.csv", [b"1"])
    assert told(cloud) == expected
    assert buckets.find(cloud, BUCKET).notifications is None


def test_pages_go_on_after_an_id_and_what_is_forgotten_never_comes_again(cloud: Cloud) -> None:
    for number in range(5):
        objects.put(cloud, BUCKET, str(number), [b"1"])
    first = notifications.page(cloud, limit=2)
    rest = notifications.page(cloud, after=first[-1].id)
    assert [event.key for event in first + rest] == list("01234")
    notifications.forget(cloud, until=rest[0].id)
    assert notifications.page(cloud) == rest[1:]
    notifications.forget(cloud, until=rest[-1].id)
    objects.put(cloud, BUCKET, "5", [b"1"])
    [event] = notifications.page(cloud, after=rest[-1].id)
    assert event.key == "5"


def test_only_the_newest_events_are_kept(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MOST_KEPT", 20)
    monkeypatch.setattr(notifications, "PRUNED_EVERY", 10)
    for number in range(50):
        objects.put(cloud, BUCKET, str(number), [b"1"])
    kept = [int(event.key) for event in notifications.page(cloud)]
    assert kept == list(range(kept[0], 50))
    assert 20 <= len(kept) < 30


def test_events_outlive_their_bucket(cloud: Cloud) -> None:
    objects.put(cloud, BUCKET, "a", [b"1"])
    deletions.delete(cloud, BUCKET, "a")
    buckets.delete(cloud, BUCKET)
    assert told(cloud) == [("created:put", "a"), ("removed:delete", "a")]


def test_a_bucket_that_does_not_exist_is_not_watched(cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        notifications.configure(cloud, "nothing", "notification", {}, EVERYTHING)
