"""The lifecycle of a bucket's objects: rules as they are put, and beside them what core carries out.

The document is {"rules": [...], "said": [...], "smallest_to_move": text}: "said" as the client put it, "rules" in
neutral words, each with "id", "is_enabled", "prefix", "tags" (values by key), "larger_than" and "smaller_than" (bytes
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
from lowcloud.api.aws.services.s3.translation.tags import parse_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.buckets import configurations

KIND = "lifecycle"
MAX_RULES = 1000
MAX_ID_LENGTH = 255
MAX_TAGS = 10
MAX_NEWER_VERSIONS = 100
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
_MOVES = ("Transitions", "NoncurrentVersionTransitions")
_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")


@s3_operation(
    "PutBucketLifecycleConfiguration",
    refused=tuple(f"LifecycleConfiguration.Rules.{name}" for name in _MOVES),  # there is one class of storage
)
def put_bucket_lifecycle_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    if not (said := request.get("LifecycleConfiguration", {}).get("Rules")):
        raise malformed()
    if len(said) > MAX_RULES:
        raise _refused(f"The number of lifecycle rules must not exceed the allowed limit of {MAX_RULES} rules")
    named = [rule if rule.get("ID") else {**rule, "ID": secrets.token_hex(16)} for rule in said]
    if len({rule["ID"] for rule in named}) < len(named):
        raise invalid("Rule ID must be unique. Found same ID for one or more rules")
    rules = [_neutral(rule) for rule in named]
    smallest = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
    configurations.put(
        context, request["Bucket"], KIND, {"rules": rules, "said": to_json(named), "smallest_to_move": smallest}
    )
    return {"TransitionDefaultMinimumObjectSize": smallest}


@s3_operation("GetBucketLifecycleConfiguration")
def get_bucket_lifecycle_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    kept = configurations.get(context, request["Bucket"], KIND)
    if kept is None:
        raise not_configured(
            "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", request["Bucket"]
        )
    return {"Rules": kept["said"], "TransitionDefaultMinimumObjectSize": kept["smallest_to_move"]}


@s3_operation("DeleteBucketLifecycle")
def delete_bucket_lifecycle(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.remove(context, request["Bucket"], KIND)
    return {}


def _neutral(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as core carries it out. Raises AwsError for one that makes no sense."""
    if len(rule["ID"]) > MAX_ID_LENGTH:
        raise invalid(f"ID length should not exceed allowed limit of {MAX_ID_LENGTH}")
    if not any(action in rule for action in _ACTIONS):
        raise _refused("At least one action needs to be specified in a rule")
    about = _filter(rule)
    actions = {
        **_expiration(rule.get("Expiration"), about),
        **_noncurrent(rule.get("NoncurrentVersionExpiration")),
        **_abortion(rule.get("AbortIncompleteMultipartUpload"), about),
    }
    return {"id": rule["ID"], "is_enabled": rule["Status"] == "Enabled", **about, **actions}


def _filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Which objects a rule is about: those of Filter, or of Prefix in its old form."""
    if ("Filter" in rule) == ("Prefix" in rule):
        raise malformed("a rule has either a Filter or a Prefix.")
    wanted = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
    if len(wanted) > 1:
        raise malformed("several predicates of a Filter go into And.")
    if "And" in wanted:
        wanted = wanted["And"]
        if len(wanted) + max(0, len(wanted.get("Tags", ())) - 1) < 2:
            raise malformed("And joins two predicates or more.")
    tags: Sequence[Mapping[str, str]] = wanted.get("Tags") or ([wanted["Tag"]] if "Tag" in wanted else [])
    larger, smaller = (wanted.get(name) for name in _SIZES)
    for name in _SIZES:
        if wanted.get(name, 0) < 0:
            raise invalid(f"'{name}' must not be negative")
    if larger is not None and smaller is not None and smaller <= larger:
        raise _refused("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
    values = parse_tags(tags, MAX_TAGS)
    return {"prefix": wanted.get("Prefix", ""), "tags": values, "larger_than": larger, "smaller_than": smaller}


def _expiration(wanted: Mapping[str, Any] | None, about: Mapping[str, Any]) -> dict[str, Any]:
    if wanted is None:
        return {"expire_days": None, "expire_at": None, "expire_markers": False}
    if len(wanted) != 1:
        raise malformed("an Expiration has Days, a Date or ExpiredObjectDeleteMarker.")
    days, date = wanted.get("Days"), wanted.get("Date")
    if days is not None:
        _check_days(days, "'Days' for Expiration action must be a positive integer")
    if date is not None and date.timetz().replace(tzinfo=None) != time():
        raise invalid("'Date' must be at midnight GMT")
    if "ExpiredObjectDeleteMarker" in wanted:
        _check_plain(about, "ExpiredObjectDeleteMarker")
    return {
        "expire_days": days,
        "expire_at": None if date is None else date.timestamp(),
        "expire_markers": wanted.get("ExpiredObjectDeleteMarker", False),
    }


def _noncurrent(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    if wanted is None:
        return {"noncurrent_days": None, "keep_newer": None}
    days, newer = wanted.get("NoncurrentDays"), wanted.get("NewerNoncurrentVersions")
    if days is None:
        raise malformed("a NoncurrentVersionExpiration has NoncurrentDays.")
    _check_days(days, "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
    if newer is not None and not 1 <= newer <= MAX_NEWER_VERSIONS:
        raise invalid(f"'NewerNoncurrentVersions' must be between 1 and {MAX_NEWER_VERSIONS}")
    return {"noncurrent_days": days, "keep_newer": newer}


def _abortion(wanted: Mapping[str, Any] | None, about: Mapping[str, Any]) -> dict[str, Any]:
    if wanted is None:
        return {"abort_days": None}
    days = wanted.get("DaysAfterInitiation")
    if days is None:
        raise malformed("an AbortIncompleteMultipartUpload has DaysAfterInitiation.")
    _check_days(days, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
    _check_plain(about, "AbortIncompleteMultipartUpload")
    return {"abort_days": days}


def _check_days(days: int, sentence: str) -> None:
    if days < 1:
        raise invalid(sentence)


def _check_plain(about: Mapping[str, Any], action: str) -> None:
    """Delete markers and uploads have neither tags nor a size."""
    if about["tags"]:
        raise _refused(f"{action} cannot be specified with Tags")
    if about["larger_than"] is not None or about["smaller_than"] is not None:
        raise _refused(f"{action} cannot be specified with Object Size")


def _refused(sentence: str) -> AwsError:
    return AwsError("InvalidRequest", sentence)
