"""The default encryption of a bucket: SSE-S3 (AES256) or SSE-KMS."""

import re
from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, malformed
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets

_DEFAULT = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
_KEY_ID = re.compile(
    r"(arn:aws[\w-]*:kms:[\w-]+:\d{12}:)?((key/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(key/)?mrk-[0-9a-f]{32}|alias/[\w/-]+)"
)


@s3_operation("PutBucketEncryption", OnBucket("s3:PutEncryptionConfiguration"))
def put_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    rules = request["ServerSideEncryptionConfiguration"]["Rules"]
    if len(rules) != 1:
        raise malformed("there must be one rule.")
    buckets.set_encryption(context, request["Bucket"], _to_core(rules[0]))
    return {}


@s3_operation("GetBucketEncryption", OnBucket("s3:GetEncryptionConfiguration"))
def get_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    default = buckets.find(context, request["Bucket"]).encryption
    return {"ServerSideEncryptionConfiguration": {"Rules": [_DEFAULT if default is None else _to_s3(default)]}}


@s3_operation("DeleteBucketEncryption", OnBucket("s3:PutEncryptionConfiguration"))
def delete_bucket_encryption(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.set_encryption(context, request["Bucket"], None)
    return {}


def _to_core(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a rule into core's form."""
    if set(rule.get("BlockedEncryptionTypes", {}).get("EncryptionType", [])) - {"NONE"}:
        raise AwsError("NotImplemented", "Lowcloud does not support blocking encryption types yet.", 501)
    default = rule.get("ApplyServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"})
    algorithm, key_id = default["SSEAlgorithm"], default.get("KMSMasterKeyID")
    bucket_key = rule.get("BucketKeyEnabled", False)
    if algorithm == "AES256":
        if key_id is not None:
            message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
            raise invalid(message, ArgumentName="ApplyServerSideEncryptionByDefault")
        return {"algorithm": "AES256", "bucket_key": bucket_key}
    if algorithm != "aws:kms":
        raise AwsError("NotImplemented", f"Lowcloud does not support encryption with {algorithm} yet.", 501)
    if key_id is None:
        return {"algorithm": "kms", "bucket_key": bucket_key}
    if not _KEY_ID.fullmatch(key_id):
        raise AwsError("KMS.NotFoundException", f"Invalid keyId {key_id[:128]!r}")
    return {"algorithm": "kms", "key_id": key_id, "bucket_key": bucket_key}


def _to_s3(default: Mapping[str, Any]) -> dict[str, Any]:
    """Convert core's form into a rule."""
    algorithm = "AES256" if default["algorithm"] == "AES256" else "aws:kms"
    applied = {"SSEAlgorithm": algorithm, "KMSMasterKeyID": default.get("key_id")}
    return {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": default["bucket_key"]}
