import pytest

from lowcloud.core import buckets, deletions, objects, revisions, versions
from lowcloud.core.cloud import Cloud
from lowcloud.core.descriptions import Description
from lowcloud.core.errors import NotFound
from lowcloud.core.locks import COMPLIANCE, GOVERNANCE, UNLOCKED, Lock, Locked, NotLockable


@pytest.fixture(autouse=True)
def vault(cloud: Cloud) -> None:
    buckets.create(cloud, "vault", can_lock=True)
    buckets.create(cloud, "shelf")


def test_tags_change_and_all_else_stays(cloud: Cloud) -> None:
    made = objects.put(cloud, "vault", "k", [b"abc"], Description({"content-type": "a/b"}, {"m": "1"}, {"old": "1"}))
    newer = objects.put(cloud, "vault", "k", [b"newer"])
    revisions.set_tags(cloud, "vault", "k", made.version, {"new": "2"})
    found, chunks = objects.get(cloud, "vault", "k", version=made.version)
    assert found.description == Description({"content-type": "a/b"}, {"m": "1"}, {"new": "2"})
    assert (b"".join(chunks), found.modified_at) == (b"abc", made.modified_at)
    assert objects.head(cloud, "vault", "k").description.tags == {}
    revisions.set_tags(cloud, "vault", "k", None, {"of": "the newest"})
    assert objects.head(cloud, "vault", "k", version=newer.version).description.tags == {"of": "the newest"}


def test_a_retention_and_a_hold_do_not_touch_each_other(cloud: Cloud) -> None:
    objects.put(cloud, "vault", "k", [b"abc"])
    until = cloud.now() + 3600
    revisions.set_legal_hold(cloud, "vault", "k", None, True)
    revisions.set_retention(cloud, "vault", "k", None, Lock(GOVERNANCE, until))
    assert objects.head(cloud, "vault", "k").lock == Lock(GOVERNANCE, until, legal_hold=True)
    revisions.set_legal_hold(cloud, "vault", "k", None, False)
    with pytest.raises(Locked):
        revisions.set_retention(cloud, "vault", "k", None, UNLOCKED)
    revisions.set_retention(cloud, "vault", "k", None, UNLOCKED, may_bypass_governance=True)
    assert objects.head(cloud, "vault", "k").lock == Lock(legal_hold=False)


def test_only_what_can_be_locked_is(cloud: Cloud) -> None:
    objects.put(cloud, "shelf", "k", [b"abc"])
    with pytest.raises(NotLockable):
        revisions.set_retention(cloud, "shelf", "k", None, Lock(COMPLIANCE, cloud.now() + 1))
    with pytest.raises(NotLockable):
        revisions.set_legal_hold(cloud, "shelf", "k", None, True)


def test_what_is_not_there_is_not_changed(cloud: Cloud) -> None:
    made = objects.put(cloud, "vault", "k", [b"abc"])
    hidden = deletions.delete(cloud, "vault", "k")
    with pytest.raises(versions.Deleted):
        revisions.set_tags(cloud, "vault", "k", None, {})
    with pytest.raises(versions.IsMarker):
        revisions.set_tags(cloud, "vault", "k", hidden.version, {})
    for bucket, key, version, kind in (
        ("none", "k", None, "bucket"),
        ("vault", "none", None, "object"),
        ("vault", "k", "0" * 32, "version"),
    ):
        with pytest.raises(NotFound) as raised:
            revisions.set_tags(cloud, bucket, key, version, {})
        assert raised.value.kind == kind
    revisions.set_tags(cloud, "vault", "k", made.version, {"still": "there"})
