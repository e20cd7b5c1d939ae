"""How a bucket encrypts objects that do not say: with the store's keys (AES256) or a key of the key service."""

import re
from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, malformed
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.buckets import buckets

_DEFAULT = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
_KEY_ID = re.compile(
    r"(arn:aws[\w-]*:kms:[\w-]+:\d{12}:)?((key/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(key/)?mrk-[0-9a-f]{32}|alias/[\w/-]+)"
)


@s3_operation("PutBucketEncryption")
def put_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    rules = request["ServerSideEncryptionConfiguration"]["Rules"]
    if len(rules) != 1:
        raise malformed("there must be one rule.")
    buckets.set_encryption(context, request["Bucket"], _neutral(rules[0]))
    return {}


@s3_operation("GetBucketEncryption")
def get_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    kept = buckets.find(context, request["Bucket"]).encryption
    return {"ServerSideEncryptionConfiguration": {"Rules": [_DEFAULT if kept is None else _told(kept)]}}


@s3_operation("DeleteBucketEncryption")
def delete_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.set_encryption(context, request["Bucket"], None)
    return {}


def _neutral(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The default as core knows it."""
    if set(rule.get("BlockedEncryptionTypes", {}).get("EncryptionType", [])) - {"NONE"}:
        raise AwsError("NotImplemented", "Lowcloud does not block types of encryption yet.", 501)
    wanted = rule.get("ApplyServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"})
    algorithm, key_id = wanted["SSEAlgorithm"], wanted.get("KMSMasterKeyID")
    bucket_key = rule.get("BucketKeyEnabled", False)
    if algorithm == "AES256":
        if key_id is not None:
            sentence = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
            raise invalid(sentence, ArgumentName="ApplyServerSideEncryptionByDefault")
        return {"algorithm": "AES256", "bucket_key": bucket_key}
    if algorithm != "aws:kms":
        raise AwsError("NotImplemented", f"Lowcloud does not encrypt by {algorithm} yet.", 501)
    if key_id is None:
        return {"algorithm": "kms", "bucket_key": bucket_key}
    if not _KEY_ID.fullmatch(key_id):
        raise AwsError("KMS.NotFoundException", f"Invalid keyId {key_id[:128]!r}")
    return {"algorithm": "kms", "key_id": key_id, "bucket_key": bucket_key}


def _told(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as it was put."""
    algorithm = "AES256" if kept["algorithm"] == "AES256" else "aws:kms"
    applied = {"SSEAlgorithm": algorithm, "KMSMasterKeyID": kept.get("key_id")}
    return {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": kept["bucket_key"]}
