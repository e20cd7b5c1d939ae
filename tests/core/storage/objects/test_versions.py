"""Versioned buckets: newest versions, delete markers, access by version id."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import deletions, listings, locks, objects, versions
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, PreconditionFailedError, Preconditions
from lowcloud.store.blobs.files import new_id
from lowcloud.store.db.tables import storage as tables

BIG = b"x" * 100_000  # stored in a file


@pytest.fixture(autouse=True)
def bucket(context: Context) -> None:
    buckets.create(context, "shelf")


def keep_versions(context: Context, state: str | None = buckets.ENABLED) -> None:
    with context.database.transaction() as connection:
        connection.execute(sa.update(tables.buckets).values(versioning=state))


def content(context: Context, key: str, version: str | None = None) -> bytes:
    return b"".join(objects.get(context, "shelf", key, version=version)[1])


def listed(context: Context, **options: object) -> list[tuple[str, str, bool]]:
    found = listings.list_versions(context, "shelf", **options)  # type: ignore[arg-type]
    return [(entry.key, entry.version, entry.id in found.newest) for entry in found.entries]  # type: ignore[union-attr]


def test_every_version_can_be_read_by_its_name(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"before"])
    keep_versions(context)
    one, two = (objects.put(context, "shelf", "k", [piece]) for piece in (b"one", BIG))
    assert content(context, "k") == content(context, "k", two.version) == BIG
    assert content(context, "k", one.version) == b"one"
    assert content(context, "k", versions.NULL) == b"before"
    assert listed(context) == [("k", two.version, True), ("k", one.version, False), ("k", "null", False)]
    with pytest.raises(NotFoundError) as raised:
        content(context, "k", "0" * 32)
    assert raised.value.noun == "version"


def test_removing_a_delete_marker_restores_the_key(context: Context) -> None:
    keep_versions(context)
    made = objects.put(context, "shelf", "k", [b"one"])
    hidden = deletions.delete(context, "shelf", "k")
    assert hidden.is_marker
    with pytest.raises(versions.DeletedError) as raised:
        content(context, "k")
    assert raised.value.marker.version == hidden.version
    with pytest.raises(versions.DeleteMarkerError):
        content(context, "k", hidden.version)
    assert content(context, "k", made.version) == b"one"
    assert listings.list_page(context, "shelf").entries == ()
    assert listed(context) == [("k", hidden.version, True), ("k", made.version, False)]
    assert deletions.delete(context, "shelf", "k", version=hidden.version) == hidden
    assert content(context, "k") == b"one"


def test_removing_the_newest_version_restores_the_previous_one(context: Context) -> None:
    keep_versions(context)
    one, two = (objects.put(context, "shelf", "k", [piece]) for piece in (BIG, BIG + b"2"))
    deletions.delete(context, "shelf", "k", version=two.version)
    assert content(context, "k") == BIG
    deletions.delete(context, "shelf", "k", version=one.version)
    assert listed(context) == []
    assert list((context.settings.data / "objects").glob("*/*")) == []
    with pytest.raises(NotFoundError):
        content(context, "k")


def test_a_bucket_with_suspended_versioning_overwrites_the_null_version(context: Context) -> None:
    keep_versions(context)
    kept = objects.put(context, "shelf", "k", [b"kept"])
    keep_versions(context, buckets.SUSPENDED)
    for piece in (b"one", BIG, b"three"):
        assert objects.put(context, "shelf", "k", [piece]).version == versions.NULL
    assert listed(context) == [("k", "null", True), ("k", kept.version, False)]
    hidden = deletions.delete(context, "shelf", "k")
    assert (hidden.version, hidden.is_marker) == (versions.NULL, True)
    assert listed(context) == [("k", "null", True), ("k", kept.version, False)]
    assert content(context, "k", kept.version) == b"kept"


def test_preconditions_see_the_newest_version_and_no_delete_marker(context: Context) -> None:
    keep_versions(context)
    only_new = Preconditions(if_none_match="*")
    objects.put(context, "shelf", "k", [b"one"], preconditions=only_new)
    with pytest.raises(PreconditionFailedError):
        objects.put(context, "shelf", "k", [b"two"], preconditions=only_new)
    deletions.delete(context, "shelf", "k")
    objects.put(context, "shelf", "k", [b"three"], preconditions=only_new)
    assert content(context, "k") == b"three"


def test_a_retained_version_stays_until_its_time_or_a_bypass(context: Context) -> None:
    keep_versions(context)
    buckets.set_object_lock(context, "shelf", {})
    until = context.now() + 3600
    governed, complied, held, over = (
        objects.put(context, "shelf", "k", [b"x"], lock=lock).version
        for lock in (
            locks.Lock(locks.GOVERNANCE, until),
            locks.Lock(locks.COMPLIANCE, until),
            locks.Lock(legal_hold=True),
            locks.Lock(locks.COMPLIANCE, context.now() - 1),
        )
    )
    wanted = [(  "k", name, NO_PRECONDITIONS) for name in (governed, complied, held, over)]  # fmt: skip
    outcomes = deletions.delete_many(context, "shelf", wanted)
    assert [isinstance(outcome, locks.LockedError) for outcome in outcomes] == [True, True, True, False]
    outcomes = deletions.delete_many(context, "shelf", wanted, may_bypass_governance=True)
    assert [isinstance(outcome, locks.LockedError) for outcome in outcomes] == [False, True, True, False]
    assert deletions.delete(context, "shelf", "k").is_marker  # a delete marker deletes nothing


def test_a_bucket_can_be_emptied_page_by_page_while_its_versions_are_listed(context: Context) -> None:
    keep_versions(context)
    for key in ("a", "b", "c"):
        for _ in range(5):
            objects.put(context, "shelf", key, [b"x"])
        deletions.delete(context, "shelf", key)
    marker: dict[str, str] = {}
    while True:
        page = listings.list_versions(context, "shelf", limit=4, **marker)  # type: ignore[arg-type]
        for entry in page.entries:
            assert isinstance(entry, versions.Version)
            deletions.delete(context, "shelf", entry.key, version=entry.version)
            marker = {"after_key": entry.key, "after_version": entry.version}
        if not page.is_truncated:
            break
    assert listed(context) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_pages_of_any_size_agree_with_a_model_of_the_bucket(context: Context, data: st.DataObject) -> None:
    """A model of a bucket: a list of (version, is marker) for each key, newest first."""
    name = f"shelf{new_id()}"
    buckets.create(context, name)
    state: str | None = None
    model: dict[str, list[tuple[str, bool]]] = {}
    deeds = st.sampled_from(["put", "put", "delete", "remove", "enable", "suspend"])
    for deed in data.draw(st.lists(deeds, max_size=25)):
        key = data.draw(st.sampled_from(["a", "a/b", "a/c", "b", "b/"]))
        before = model.setdefault(key, [])
        if deed in ("enable", "suspend") and (deed == "enable" or state is not None):
            state = buckets.ENABLED if deed == "enable" else buckets.SUSPENDED
            with context.database.transaction() as connection:
                connection.execute(
                    sa.update(tables.buckets).where(tables.buckets.c.name == name).values(versioning=state)
                )
        elif deed == "put" or (deed == "delete" and state is not None):
            if deed == "put":
                made = objects.put(context, name, key, [b"x"]).version
            else:
                made = str(deletions.delete(context, name, key).version)
            if made == versions.NULL:
                before[:] = [version for version in before if version[0] != versions.NULL]
            before.insert(0, (made, deed == "delete"))
        elif deed == "delete":
            deletions.delete(context, name, key)
            before.clear()
        elif deed == "remove" and before:
            gone = data.draw(st.sampled_from(before))
            deletions.delete(context, name, key, version=gone[0])
            before.remove(gone)
    size = data.draw(st.integers(1, 4))
    shown, start = [], ""
    while start is not None:
        page = listings.list_page(context, name, start=start, limit=size)
        shown += [entry.key for entry in page.entries]  # type: ignore[union-attr]
        start = page.next_start  # type: ignore[assignment]
    assert shown == sorted(key for key, kept in model.items() if kept and not kept[0][1])
    reported, marker = [], {}
    while True:
        versions_page = listings.list_versions(context, name, limit=size, **marker)
        for entry in versions_page.entries:
            reported.append((entry.key, entry.version, entry.is_marker, entry.id in versions_page.newest))  # type: ignore[union-attr]
            marker = {"after_key": entry.key, "after_version": entry.version}  # type: ignore[union-attr]
        if not versions_page.is_truncated:
            break
    assert reported == [
        (key, version, is_marker, place == 0)
        for key in sorted(model)
        for place, (version, is_marker) in enumerate(model[key])
    ]
