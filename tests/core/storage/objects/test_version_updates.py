"""Changes to existing versions: tags, retention and legal holds."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import deletions, objects, version_updates, versions
from lowcloud.core.storage.objects.locks import COMPLIANCE, GOVERNANCE, UNLOCKED, Lock, LockedError, NotLockableError
from lowcloud.core.storage.objects.metadata import ObjectMetadata


@pytest.fixture(autouse=True)
def vault(context: Context) -> None:
    buckets.create(context, "vault", object_lock_enabled=True)
    buckets.create(context, "shelf")


def test_tags_change_and_everything_else_stays(context: Context) -> None:
    made = objects.put(
        context, "vault", "k", [b"abc"], ObjectMetadata({"content-type": "a/b"}, {"m": "1"}, {"old": "1"})
    )
    newer = objects.put(context, "vault", "k", [b"newer"])
    version_updates.set_tags(context, "vault", "k", made.version, {"new": "2"})
    found, chunks = objects.get(context, "vault", "k", version=made.version)
    assert found.metadata == ObjectMetadata({"content-type": "a/b"}, {"m": "1"}, {"new": "2"})
    assert (b"".join(chunks), found.modified_at) == (b"abc", made.modified_at)
    assert objects.head(context, "vault", "k").metadata.tags == {}
    version_updates.set_tags(context, "vault", "k", None, {"of": "the newest"})
    assert objects.head(context, "vault", "k", version=newer.version).metadata.tags == {"of": "the newest"}


def test_retention_and_legal_hold_are_independent(context: Context) -> None:
    objects.put(context, "vault", "k", [b"abc"])
    until = context.now() + 3600
    version_updates.set_legal_hold(context, "vault", "k", None, True)
    version_updates.set_retention(context, "vault", "k", None, Lock(GOVERNANCE, until))
    assert objects.head(context, "vault", "k").lock == Lock(GOVERNANCE, until, legal_hold=True)
    version_updates.set_legal_hold(context, "vault", "k", None, False)
    with pytest.raises(LockedError):
        version_updates.set_retention(context, "vault", "k", None, UNLOCKED)
    version_updates.set_retention(context, "vault", "k", None, UNLOCKED, may_bypass_governance=True)
    assert objects.head(context, "vault", "k").lock == Lock(legal_hold=False)


def test_only_lockable_versions_are_locked(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"abc"])
    with pytest.raises(NotLockableError):
        version_updates.set_retention(context, "shelf", "k", None, Lock(COMPLIANCE, context.now() + 1))
    with pytest.raises(NotLockableError):
        version_updates.set_legal_hold(context, "shelf", "k", None, True)


def test_missing_versions_are_not_changed(context: Context) -> None:
    made = objects.put(context, "vault", "k", [b"abc"])
    hidden = deletions.delete(context, "vault", "k")
    with pytest.raises(versions.DeletedError):
        version_updates.set_tags(context, "vault", "k", None, {})
    with pytest.raises(versions.DeleteMarkerError):
        version_updates.set_tags(context, "vault", "k", hidden.version, {})
    for bucket, key, version, kind in (
        ("none", "k", None, "bucket"),
        ("vault", "none", None, "object"),
        ("vault", "k", "0" * 32, "version"),
    ):
        with pytest.raises(NotFoundError) as raised:
            version_updates.set_tags(context, bucket, key, version, {})
        assert raised.value.noun == kind
    version_updates.set_tags(context, "vault", "k", made.version, {"still": "there"})
