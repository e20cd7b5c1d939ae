"""Access control lists of buckets and objects."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore import UNSIGNED

from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.server import Server

EVERYONE = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}


@pytest.fixture(scope="module")
def anonymous_client(server: Server) -> Any:
    return server.client("s3", config={"signature_version": UNSIGNED})


def reported(answer: dict[str, Any]) -> list[tuple[str, str]]:
    grants = [(grant["Grantee"].get("URI", "owner"), grant["Permission"]) for grant in answer["Grants"]]
    return [(whom.rpartition("/")[2], permission) for whom, permission in grants]


def test_a_bucket_owner_enforced_bucket_has_full_control_and_accepts_no_other_list(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for answer in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert reported(answer) == [("owner", "FULL_CONTROL")]
        assert answer["Grants"][0]["Grantee"]["ID"] == answer["Owner"]["ID"]
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    refusal = refused(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    assert refusal == "AccessControlListNotSupported"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    assert refused(s3.put_object_acl, Bucket=bucket, Key="no", ACL="private") == "NoSuchKey"


def test_public_lists_are_refused_while_they_are_blocked(s3: Any, make_bucket: Callable[..., str]) -> None:
    name = make_bucket(ObjectOwnership="ObjectWriter")
    assert refused(s3.put_bucket_acl, Bucket=name, ACL="public-read") == "AccessDenied"
    assert refused(s3.put_object, Bucket=name, Key="k", Body=b"", ACL="public-read") == "AccessDenied"
    assert refused(s3.create_bucket, Bucket="open-at-once", ACL="public-read") == "InvalidBucketAclWithObjectOwnership"
    arguments = {"Bucket": "open-at-once", "ACL": "public-read", "ObjectOwnership": "ObjectWriter"}
    assert refused(s3.create_bucket, **arguments) == "AccessDenied"


def test_anonymous_callers_read_and_write_if_the_buckets_list_allows_it(
    s3: Any, anonymous_client: Any, open_bucket: str
) -> None:
    assert refused(anonymous_client.list_objects_v2, Bucket=open_bucket) == "AccessDenied"
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read")
    assert anonymous_client.list_objects_v2(Bucket=open_bucket)["KeyCount"] == 0
    assert refused(anonymous_client.put_object, Bucket=open_bucket, Key="k", Body=b"x") == "AccessDenied"
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read-write")
    assert reported(s3.get_bucket_acl(Bucket=open_bucket)) == [
        ("owner", "FULL_CONTROL"),
        ("AllUsers", "READ"),
        ("AllUsers", "WRITE"),
    ]
    anonymous_client.put_object(Bucket=open_bucket, Key="k", Body=b"x")
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="k") == "AccessDenied"
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert refused(anonymous_client.list_objects_v2, Bucket=open_bucket) == "AccessDenied"


def test_a_public_object_is_readable_anonymously_until_it_is_overwritten(
    s3: Any, anonymous_client: Any, open_bucket: str
) -> None:
    at = {"Bucket": open_bucket, "Key": "page.html"}
    s3.put_object(**at, Body=b"one", ACL="public-read")
    assert anonymous_client.get_object(**at)["Body"].read() == b"one"
    assert reported(s3.get_object_acl(**at)) == [("owner", "FULL_CONTROL"), ("AllUsers", "READ")]
    s3.put_object(**at, Body=b"two")
    assert refused(anonymous_client.get_object, **at) == "AccessDenied"
    s3.put_object_acl(**at, ACL="public-read")
    assert anonymous_client.get_object(**at)["Body"].read() == b"two"
    s3.put_object_acl(**at, ACL="private")
    assert refused(anonymous_client.get_object, **at) == "AccessDenied"


def test_a_copy_has_the_list_in_its_request(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    s3.put_object(Bucket=open_bucket, Key="from", Body=b"x")
    s3.copy_object(Bucket=open_bucket, Key="to", CopySource=f"{open_bucket}/from", ACL="public-read")
    assert anonymous_client.get_object(Bucket=open_bucket, Key="to")["Body"].read() == b"x"


def test_a_multipart_object_has_the_list_of_its_upload(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    at = {"Bucket": open_bucket, "Key": "parts"}
    upload = s3.create_multipart_upload(**at, ACL="public-read")["UploadId"]
    s3.put_object(**at, Body=b"another", ACL="public-read")
    part = s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"whole")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)
    assert anonymous_client.get_object(**at)["Body"].read() == b"whole"


def test_a_list_may_come_as_headers_or_as_a_document(s3: Any, open_bucket: str) -> None:
    s3.put_bucket_acl(Bucket=open_bucket, GrantRead=f'uri="{EVERYONE["URI"]}"')
    assert reported(s3.get_bucket_acl(Bucket=open_bucket)) == [("AllUsers", "READ")]
    owner = s3.get_bucket_acl(Bucket=open_bucket)["Owner"]
    grants = [
        {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"},
        {"Grantee": EVERYONE, "Permission": "READ_ACP"},
    ]
    s3.put_bucket_acl(Bucket=open_bucket, AccessControlPolicy={"Owner": owner, "Grants": grants})
    assert s3.get_bucket_acl(Bucket=open_bucket)["Grants"] == grants


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "MissingSecurityHeader"),
        ({"ACL": "public-read", "GrantRead": 'id="x"'}, "InvalidRequest"),
        ({"GrantRead": 'id="somebody"'}, "InvalidArgument"),
        ({"GrantRead": 'uri="http://nowhere"'}, "InvalidArgument"),
        ({"GrantRead": "nonsense"}, "InvalidArgument"),
        ({"GrantRead": 'emailAddress="a@example.com"'}, "UnresolvableGrantByEmailAddress"),
        ({"AccessControlPolicy": {"Grants": [{"Permission": "READ"}]}}, "MalformedACLError"),
        ({"AccessControlPolicy": {"Grants": [], "Owner": {"ID": "somebody"}}}, "AccessDenied"),
    ],
)
def test_an_invalid_list_is_refused(s3: Any, open_bucket: str, arguments: dict[str, Any], code: str) -> None:
    assert refused(s3.put_bucket_acl, Bucket=open_bucket, **arguments) == code


def test_lists_have_no_effect_once_ownership_is_enforced(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    call = s3.put_bucket_ownership_controls
    assert refused(call, Bucket=open_bucket, OwnershipControls=controls) == "InvalidBucketAclWithObjectOwnership"
    s3.put_bucket_acl(Bucket=open_bucket, ACL="private")
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"x", ACL="public-read")
    assert anonymous_client.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"x"
    s3.put_bucket_ownership_controls(Bucket=open_bucket, OwnershipControls=controls)
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="k") == "AccessDenied"
