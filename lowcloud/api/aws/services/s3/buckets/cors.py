"""The CORS configuration of a bucket; front/cors.py applies it."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import malformed, not_configured, to_json
from lowcloud.api.aws.services.s3.front.cors import KIND, METHODS
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import configurations

MAX_RULES = 100
MAX_ID_LENGTH = 255


@s3_operation("PutBucketCors", OnBucket("s3:PutBucketCORS"))
def put_bucket_cors(context: Context, _caller: Caller, request: Request) -> Answer:
    rules = request["CORSConfiguration"]["CORSRules"]
    if not rules:
        raise malformed()
    if len(rules) > MAX_RULES:
        raise _invalid(f"The number of CORS rules should not exceed allowed limit of {MAX_RULES} rules.")
    for rule in rules:
        _check(rule)
    configurations.put(context, request["Bucket"], KIND, {"CORSRules": to_json(rules)})
    return {}


@s3_operation("GetBucketCors", OnBucket("s3:GetBucketCORS"))
def get_bucket_cors(context: Context, _caller: Caller, request: Request) -> Answer:
    configuration = configurations.get(context, request["Bucket"], KIND)
    if configuration is None:
        raise not_configured("NoSuchCORSConfiguration", "The CORS configuration does not exist", request["Bucket"])
    return configuration


@s3_operation("DeleteBucketCors", OnBucket("s3:PutBucketCORS"))
def delete_bucket_cors(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], KIND)
    return {}


def _check(rule: Mapping[str, Any]) -> None:
    if not rule["AllowedMethods"] or not rule["AllowedOrigins"]:
        raise malformed()
    if len(rule.get("ID", "")) > MAX_ID_LENGTH or rule.get("MaxAgeSeconds", 0) < 0:
        raise malformed()
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise _invalid(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for member, name in (("AllowedOrigins", "AllowedOrigin"), ("AllowedHeaders", "AllowedHeader")):
        for text in rule.get(member, ()):
            if text.count("*") > 1:
                raise _invalid(f'{name} "{text}" can not have more than one wildcard.')
    for text in rule.get("ExposeHeaders", ()):
        if "*" in text:
            raise _invalid(
                f'ExposeHeader "{text}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            )


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequest", message)
