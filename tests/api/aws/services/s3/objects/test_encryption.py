"""Server-side encryption: customer keys, named keys, bucket defaults."""

import json
from base64 import b64encode
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.endpoint import ACCOUNT

KEY, OTHER = b"k" * 32, b"o" * 32
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
WRONG = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER}
ELSEWHERE = f"arn:aws:kms:mars-north-1:{ACCOUNT}:alias/k"
BIG = b"big " * 50_000
MIB = 1024**2


def of_source(parameters: dict[str, Any]) -> dict[str, Any]:
    return {f"CopySource{name}": value for name, value in parameters.items()}


@pytest.mark.parametrize("content", [b"small", BIG])
def test_only_the_customers_key_decrypts_the_object(s3: Any, bucket: str, content: bytes) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    put = s3.put_object(**at, Body=content, **CUSTOMER)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", b64encode(md5(KEY).digest()).decode())
    assert "ServerSideEncryption" not in put
    assert put["ETag"].strip('"') != md5(content).hexdigest()  # which would reveal the content
    got = s3.get_object(**at, **CUSTOMER)
    assert (got["Body"].read(), got["SSECustomerKeyMD5"]) == (content, put["SSECustomerKeyMD5"])
    assert s3.get_object(**at, **CUSTOMER, Range="bytes=1-2")["Body"].read() == content[1:3]
    assert s3.head_object(**at, **CUSTOMER)["ContentLength"] == len(content)
    for call, codes in ((s3.get_object, ("InvalidRequest", "AccessDenied")), (s3.head_object, ("400", "403"))):
        assert (refused(call, **at), refused(call, **at, **WRONG)) == codes
    s3.put_object(**at, Body=content)
    assert refused(s3.get_object, **at, **CUSTOMER) == "InvalidRequest"


def test_nothing_on_disk_decrypts_without_the_customers_key(context: Any) -> None:
    from lowcloud.core.storage.buckets import buckets
    from lowcloud.core.storage.objects import objects
    from lowcloud.core.storage.objects.metadata import (
        CustomerKeyRequiredError,
        Encryption,
        ObjectMetadata,
        WrongCustomerKeyError,
        key_md5,
    )
    from lowcloud.store.blobs.encryption import KeyWrapping, WrongKeyError

    buckets.create(context, "shelf")
    said = ObjectMetadata(encryption=Encryption(customer_key_md5=key_md5(KEY)))
    objects.put(context, "shelf", "k", [BIG], said, customer_key=KEY)
    with pytest.raises(CustomerKeyRequiredError):
        objects.get(context, "shelf", "k")
    with pytest.raises(WrongCustomerKeyError):
        objects.get(context, "shelf", "k", customer_key=OTHER)
    [(_, blob)] = objects.blobs_of(context, objects.head(context, "shelf", "k"))
    with pytest.raises(WrongKeyError):  # with access to the home, its master key and the database
        b"".join(context.files.read([blob]))
    with pytest.raises(WrongKeyError):
        b"".join(context.files.read([blob], wrapping=KeyWrapping(customer_key=OTHER)))
    files = [path.read_bytes() for path in Path(context.settings.home).rglob("*") if path.is_file()]
    assert files
    assert not any(secret in content for content in files for secret in (KEY, BIG[:64]))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"SSECustomerKey": KEY}, "InvalidArgument"),
        ({"SSECustomerAlgorithm": "AES256"}, "InvalidArgument"),
        ({**CUSTOMER, "SSECustomerAlgorithm": "DES"}, "InvalidEncryptionAlgorithmError"),
        ({**CUSTOMER, "SSECustomerKey": b"short"}, "InvalidArgument"),
        ({**CUSTOMER, "SSECustomerKeyMD5": b64encode(md5(OTHER).digest()).decode()}, "InvalidArgument"),
        ({**CUSTOMER, "ServerSideEncryption": "AES256"}, "InvalidArgument"),
        ({"SSEKMSKeyId": "alias/k"}, "InvalidArgument"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "alias/k"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "no key"}, "KMS.NotFoundException"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": ELSEWHERE}, "KMS.NotFoundException"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "no base64"}, "InvalidArgument"),
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
    ],
)
def test_an_invalid_encryption_request_is_refused(s3: Any, bucket: str, given: dict[str, Any], code: str) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **given) == code


@pytest.mark.parametrize("content", [b"small", BIG])
def test_a_copy_reads_with_one_key_and_writes_with_another(s3: Any, bucket: str, content: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=content, **CUSTOMER)
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    assert refused(s3.copy_object, **copy) == "InvalidRequest"
    assert refused(s3.copy_object, **copy, **of_source(WRONG)) == "AccessDenied"
    s3.copy_object(**copy, **of_source(CUSTOMER), **WRONG)
    assert s3.get_object(Bucket=bucket, Key="copy", **WRONG)["Body"].read() == content
    s3.copy_object(**copy, **of_source(CUSTOMER))
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == content
    itself = {"Bucket": bucket, "Key": "k", "CopySource": {"Bucket": bucket, "Key": "k"}}
    s3.copy_object(**itself, **of_source(CUSTOMER), **WRONG)  # another key is a change
    assert s3.get_object(Bucket=bucket, Key="k", **WRONG)["Body"].read() == content


def test_the_parts_of_an_upload_have_its_key(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **CUSTOMER)
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    assert refused(s3.upload_part, **at, PartNumber=1, Body=b"x") == "InvalidRequest"
    assert refused(s3.upload_part, **at, PartNumber=1, Body=b"x", **WRONG) == "InvalidRequest"
    s3.put_object(Bucket=bucket, Key="source", Body=b"copied", **WRONG)
    first = s3.upload_part(**at, PartNumber=1, Body=b"1" * 5 * MIB, **CUSTOMER)
    assert first["SSECustomerKeyMD5"] == upload["SSECustomerKeyMD5"]
    source = {"CopySource": {"Bucket": bucket, "Key": "source"}, **of_source(WRONG)}
    second = s3.upload_part_copy(**at, PartNumber=2, **source, **CUSTOMER)["CopyPartResult"]
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate((first, second), 1)]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}, **CUSTOMER)
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=-7", **CUSTOMER)["Body"].read() == b"1copied"
    assert refused(s3.get_object, Bucket=bucket, Key="k") == "InvalidRequest"


def test_a_named_key_is_returned_by_its_arn(s3: Any, bucket: str) -> None:
    context = b64encode(json.dumps({"team": "ml"}).encode()).decode()
    kms = {"ServerSideEncryption": "aws:kms"}
    own = s3.put_object(Bucket=bucket, Key="own", Body=b"x", **kms, SSEKMSEncryptionContext=context)
    assert own["SSEKMSKeyId"].startswith(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/")
    assert own["SSEKMSEncryptionContext"] == context
    assert own["ETag"].strip('"') != md5(b"x").hexdigest()
    named = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **kms, SSEKMSKeyId="alias/team", BucketKeyEnabled=True)
    assert named["SSEKMSKeyId"] != own["SSEKMSKeyId"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == (named["SSEKMSKeyId"], True)
    again = s3.put_object(Bucket=bucket, Key="again", Body=BIG, **kms, SSEKMSKeyId=named["SSEKMSKeyId"])
    assert again["SSEKMSKeyId"] == named["SSEKMSKeyId"]
    assert s3.get_object(Bucket=bucket, Key="again")["Body"].read() == BIG
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copied["ServerSideEncryption"] == "AES256"  # a copy has its own encryption


@pytest.mark.parametrize("content", [b"small", BIG])
def test_a_buckets_default_encryption_applies_to_objects_without_one(s3: Any, bucket: str, content: bytes) -> None:
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/team"}
    rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    put = s3.put_object(Bucket=bucket, Key="k", Body=content)
    assert (put["ServerSideEncryption"], put["BucketKeyEnabled"]) == ("aws:kms", True)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["SSEKMSKeyId"]) == (content, put["SSEKMSKeyId"])
    own = s3.put_object(Bucket=bucket, Key="k", Body=content, ServerSideEncryption="AES256")
    assert own["ServerSideEncryption"] == "AES256"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="joined")
    assert upload["SSEKMSKeyId"] == put["SSEKMSKeyId"]
    at = {"Bucket": bucket, "Key": "joined", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**at, PartNumber=1, Body=content)
    assert part["SSEKMSKeyId"] == put["SSEKMSKeyId"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert s3.complete_multipart_upload(**at, MultipartUpload=parts)["SSEKMSKeyId"] == put["SSEKMSKeyId"]
    assert s3.get_object(Bucket=bucket, Key="joined")["Body"].read() == content
    with_key = s3.put_object(Bucket=bucket, Key="k", Body=content, **CUSTOMER)
    assert "ServerSideEncryption" not in with_key
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, **of_source(CUSTOMER))
    assert s3.head_object(Bucket=bucket, Key="copy")["SSEKMSKeyId"] == put["SSEKMSKeyId"]
