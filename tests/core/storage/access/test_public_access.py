"""Which anonymous requests a bucket allows."""

from typing import Any

import pytest

from lowcloud.core.context import Context
from lowcloud.core.storage.access import access_lists, public_access
from lowcloud.core.storage.access.public_access import allows_everyone, evaluate, may_allow_anyone
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.objects import deletions, objects

READ = "s3:getobject"
READERS = {"grants": [{"to": "everyone", "may": "read"}]}


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "allows": True,
        "everyone": True,
        "others": False,
        "actions": [READ],
        "not_actions": None,
        "resources": ["bucket/*"],
        "not_resources": None,
        "conditions": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, True),
        ({"actions": ["s3:get*"]}, True),
        ({"actions": ["s3:put*"]}, None),
        ({"actions": None, "not_actions": ["s3:put*"]}, True),
        ({"actions": None, "not_actions": ["s3:get*"]}, None),
        ({"resources": ["bucket/other/*"]}, None),
        ({"resources": ["bucket"]}, None),
        ({"resources": None, "not_resources": ["bucket/secret/*"]}, True),
        ({"resources": None, "not_resources": ["bucket/k?y"]}, None),
        ({"everyone": False}, None),
        ({"everyone": False, "others": True}, None),
        ({"conditions": {"Bool": {}}}, None),
        ({"allows": False}, False),
        ({"allows": False, "everyone": False}, None),
        ({"allows": False, "everyone": False, "others": True}, False),
        ({"allows": False, "conditions": {"Bool": {}}}, False),
        ({"resources": ["bucket/${aws:username}"]}, None),
        ({"allows": False, "resources": ["bucket/${aws:username}"]}, False),
    ],
)
def test_statements_are_evaluated_for_anonymous_callers(changes: dict[str, Any], verdict: bool | None) -> None:
    assert evaluate([statement(**changes)], "s3:GetObject", "bucket/key") is verdict


def test_a_denial_overrides_every_permission() -> None:
    for statements in ([statement(), statement(allows=False)], [statement(allows=False), statement()]):
        assert evaluate(statements, "s3:GetObject", "bucket/key") is False


@pytest.fixture
def open_cloud(context: Context) -> Context:
    """A context with a bucket without a public access block."""
    buckets.create(context, "bucket")
    configurations.delete(context, "bucket", buckets.PUBLIC_ACCESS_BLOCK)
    configurations.put(context, "bucket", buckets.OWNERSHIP, {"rule": "writer"})
    return context


def test_a_list_grants_access_unless_a_policy_denies_or_ownership_is_enforced(open_cloud: Context) -> None:
    made = objects.put(open_cloud, "bucket", "key", [b"data"])
    call = (open_cloud, "s3:GetObject", "bucket/key", ("object", "read"))
    assert not allows_everyone(*call)
    access_lists.put_object_list(open_cloud, "bucket", "key", made.id, READERS)
    assert allows_everyone(*call)
    assert not allows_everyone(open_cloud, "s3:GetObject", "bucket/key")
    denial = {"text": "", "is_public": False, "statements": [statement(allows=False)]}
    configurations.put(open_cloud, "bucket", public_access.POLICY, denial)
    assert not allows_everyone(*call)
    configurations.delete(open_cloud, "bucket", public_access.POLICY)
    configurations.put(open_cloud, "bucket", buckets.OWNERSHIP, {"rule": "enforced"})
    assert not allows_everyone(*call)


def test_a_list_belongs_to_one_version_of_the_bytes(open_cloud: Context) -> None:
    first = objects.put(open_cloud, "bucket", "key", [b"one"])
    access_lists.put_object_list(open_cloud, "bucket", "key", first.id, READERS)
    second = objects.put(open_cloud, "bucket", "key", [b"two"])
    assert not allows_everyone(open_cloud, "s3:GetObject", "bucket/key", ("object", "read"))
    access_lists.put_object_list(open_cloud, "bucket", "key", second.id, READERS)
    with open_cloud.database.read() as connection:
        assert access_lists.of_object(connection, "bucket", "key", first.id) == access_lists.OWNER_ONLY


def test_a_sweep_deletes_the_lists_of_deleted_objects(open_cloud: Context) -> None:
    kept, gone = (objects.put(open_cloud, "bucket", key, [b"data"]) for key in ("kept", "gone"))
    for made in (kept, gone):
        access_lists.put_object_list(open_cloud, "bucket", made.key, made.id, READERS)
    deletions.delete(open_cloud, "bucket", "gone")
    access_lists.delete_orphans(open_cloud)
    with open_cloud.database.read() as connection:
        assert access_lists.of_object(connection, "bucket", "kept", kept.id) == READERS
        assert access_lists.of_object(connection, "bucket", "gone", gone.id) == access_lists.OWNER_ONLY


def test_a_deleted_object_cannot_be_read_anonymously(open_cloud: Context) -> None:
    buckets.set_versioning(open_cloud, "bucket", buckets.ENABLED)
    made = objects.put(open_cloud, "bucket", "key", [b"data"])
    access_lists.put_object_list(open_cloud, "bucket", "key", made.id, READERS)
    deletions.delete(open_cloud, "bucket", "key")
    assert not allows_everyone(open_cloud, "s3:GetObject", "bucket/key", ("object", "read"))


def test_a_bucket_without_public_access_is_known_before_the_request_is_read(
    context: Context, open_cloud: Context
) -> None:
    buckets.create(context, "closed")
    assert not may_allow_anyone(context, "closed")
    assert not may_allow_anyone(context, "missing")
    assert may_allow_anyone(context, "bucket")
