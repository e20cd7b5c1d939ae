"""The lifecycle configuration of a bucket: the rules as sent, and in the form that core applies.

The document is {"rules": [...], "said": [...], "smallest_to_move": text}: "said" as the client sent it, "rules" in
neutral form, each with "id", "is_enabled", "prefix", "tags" (values by key), "larger_than" and "smaller_than" (bytes
or null), and of its actions "expire_days" or "expire_at" (seconds since the epoch, a midnight), "expire_markers"
(bool), "noncurrent_days" with "keep_newer" (versions), "abort_days"; null where there is no such action.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, malformed, not_configured, to_json
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.api.aws.services.s3.translation.tags import parse_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import configurations

KIND = "lifecycle"
MAX_RULES = 1000
MAX_ID_LENGTH = 255
MAX_TAGS = 10
MAX_NEWER_VERSIONS = 100
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
_TRANSITIONS = ("Transitions", "NoncurrentVersionTransitions")
_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")


@s3_operation(
    "PutBucketLifecycleConfiguration",
    OnBucket("s3:PutLifecycleConfiguration"),
    refused=tuple(f"LifecycleConfiguration.Rules.{name}" for name in _TRANSITIONS),  # there is only one storage class
)
def put_bucket_lifecycle_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    if not (sent := request.get("LifecycleConfiguration", {}).get("Rules")):
        raise malformed()
    if len(sent) > MAX_RULES:
        raise _invalid_request(f"The number of lifecycle rules must not exceed the allowed limit of {MAX_RULES} rules")
    named = [rule if rule.get("ID") else {**rule, "ID": secrets.token_hex(16)} for rule in sent]
    if len({rule["ID"] for rule in named}) < len(named):
        raise invalid("Rule ID must be unique. Found same ID for one or more rules")
    rules = [_to_core(rule) for rule in named]
    smallest = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
    configurations.put(
        context, request["Bucket"], KIND, {"rules": rules, "said": to_json(named), "smallest_to_move": smallest}
    )
    return {"TransitionDefaultMinimumObjectSize": smallest}


@s3_operation("GetBucketLifecycleConfiguration", OnBucket("s3:GetLifecycleConfiguration"))
def get_bucket_lifecycle_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    configuration = configurations.get(context, request["Bucket"], KIND)
    if configuration is None:
        raise not_configured(
            "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", request["Bucket"]
        )
    return {"Rules": configuration["said"], "TransitionDefaultMinimumObjectSize": configuration["smallest_to_move"]}


@s3_operation("DeleteBucketLifecycle", OnBucket("s3:PutLifecycleConfiguration"))
def delete_bucket_lifecycle(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], KIND)
    return {}


def _to_core(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a rule into core's form. Raises AwsError for an invalid one."""
    if len(rule["ID"]) > MAX_ID_LENGTH:
        raise invalid(f"ID length should not exceed allowed limit of {MAX_ID_LENGTH}")
    if not any(action in rule for action in _ACTIONS):
        raise _invalid_request("At least one action needs to be specified in a rule")
    rule_filter = _filter(rule)
    actions = {
        **_expiration(rule.get("Expiration"), rule_filter),
        **_noncurrent(rule.get("NoncurrentVersionExpiration")),
        **_abort(rule.get("AbortIncompleteMultipartUpload"), rule_filter),
    }
    return {"id": rule["ID"], "is_enabled": rule["Status"] == "Enabled", **rule_filter, **actions}


def _filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the filter of a rule: Filter, or the deprecated Prefix."""
    if ("Filter" in rule) == ("Prefix" in rule):
        raise malformed("a rule must have either a Filter or a Prefix.")
    predicates = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
    if len(predicates) > 1:
        raise malformed("several predicates of a Filter must be in And.")
    if "And" in predicates:
        predicates = predicates["And"]
        if len(predicates) + max(0, len(predicates.get("Tags", ())) - 1) < 2:
            raise malformed("And must have at least two predicates.")
    tags: Sequence[Mapping[str, str]] = predicates.get("Tags") or ([predicates["Tag"]] if "Tag" in predicates else [])
    larger, smaller = (predicates.get(name) for name in _SIZES)
    for name in _SIZES:
        if predicates.get(name, 0) < 0:
            raise invalid(f"'{name}' must not be negative")
    if larger is not None and smaller is not None and smaller <= larger:
        raise _invalid_request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
    values = parse_tags(tags, MAX_TAGS)
    return {"prefix": predicates.get("Prefix", ""), "tags": values, "larger_than": larger, "smaller_than": smaller}


def _expiration(action: Mapping[str, Any] | None, rule_filter: Mapping[str, Any]) -> dict[str, Any]:
    if action is None:
        return {"expire_days": None, "expire_at": None, "expire_markers": False}
    if len(action) != 1:
        raise malformed("an Expiration must have Days, Date or ExpiredObjectDeleteMarker.")
    days, date = action.get("Days"), action.get("Date")
    if days is not None:
        _check_days(days, "'Days' for Expiration action must be a positive integer")
    if date is not None and date.timetz().replace(tzinfo=None) != time():
        raise invalid("'Date' must be at midnight GMT")
    if "ExpiredObjectDeleteMarker" in action:
        _check_no_filter(rule_filter, "ExpiredObjectDeleteMarker")
    return {
        "expire_days": days,
        "expire_at": None if date is None else date.timestamp(),
        "expire_markers": action.get("ExpiredObjectDeleteMarker", False),
    }


def _noncurrent(action: Mapping[str, Any] | None) -> dict[str, Any]:
    if action is None:
        return {"noncurrent_days": None, "keep_newer": None}
    days, newer = action.get("NoncurrentDays"), action.get("NewerNoncurrentVersions")
    if days is None:
        raise malformed("a NoncurrentVersionExpiration must have NoncurrentDays.")
    _check_days(days, "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
    if newer is not None and not 1 <= newer <= MAX_NEWER_VERSIONS:
        raise invalid(f"'NewerNoncurrentVersions' must be between 1 and {MAX_NEWER_VERSIONS}")
    return {"noncurrent_days": days, "keep_newer": newer}


def _abort(action: Mapping[str, Any] | None, rule_filter: Mapping[str, Any]) -> dict[str, Any]:
    if action is None:
        return {"abort_days": None}
    days = action.get("DaysAfterInitiation")
    if days is None:
        raise malformed("an AbortIncompleteMultipartUpload must have DaysAfterInitiation.")
    _check_days(days, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
    _check_no_filter(rule_filter, "AbortIncompleteMultipartUpload")
    return {"abort_days": days}


def _check_days(days: int, message: str) -> None:
    if days < 1:
        raise invalid(message)


def _check_no_filter(rule_filter: Mapping[str, Any], action: str) -> None:
    """Raise AwsError for a filter by tags or size, which delete markers and uploads do not have."""
    if rule_filter["tags"]:
        raise _invalid_request(f"{action} cannot be specified with Tags")
    if rule_filter["larger_than"] is not None or rule_filter["smaller_than"] is not None:
        raise _invalid_request(f"{action} cannot be specified with Object Size")


def _invalid_request(message: str) -> AwsError:
    return AwsError("InvalidRequest", message)
