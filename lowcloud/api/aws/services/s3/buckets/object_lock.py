"""The object lock configuration of a bucket, with the default retention of new objects."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, malformed, not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets

MAX_DAYS, MAX_YEARS = 36500, 100


@s3_operation(
    "PutObjectLockConfiguration",
    OnBucket("s3:PutBucketObjectLockConfiguration"),
    refused=("ObjectLockConfiguration.Rule.DefaultRetention.DefaultEventHold",),
    ignored=("Token",),  # AWS no longer requires it
)
def put_object_lock_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    configuration = request.get("ObjectLockConfiguration", {})
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise malformed("ObjectLockEnabled must be Enabled.")
    buckets.set_object_lock(context, request["Bucket"], _retention(configuration.get("Rule")))
    return {}


@s3_operation("GetObjectLockConfiguration", OnBucket("s3:GetBucketObjectLockConfiguration"))
def get_object_lock_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    object_lock = buckets.find(context, request["Bucket"]).object_lock
    if object_lock is None:
        message = "Object Lock configuration does not exist for this bucket"
        raise not_configured("ObjectLockConfigurationNotFoundError", message, request["Bucket"])
    retention = {
        "Mode": object_lock.get("mode", "").upper(),
        "Days": object_lock.get("days"),
        "Years": object_lock.get("years"),
    }
    rule = {"DefaultRetention": retention} if object_lock else None
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}


def _retention(rule: Mapping[str, Any] | None) -> dict[str, Any]:
    """Convert the default retention into core's form. Raises AwsError."""
    if rule is None:
        return {}
    retention = rule.get("DefaultRetention", {})
    days, years = retention.get("Days"), retention.get("Years")
    if "Mode" not in retention or (days is None) == (years is None):
        raise malformed("a DefaultRetention must have a Mode and either Days or Years.")
    for period, maximum in ((days, MAX_DAYS), (years, MAX_YEARS)):
        if period is not None and period < 1:
            raise invalid("Default retention period must be a positive integer value")
        if period is not None and period > maximum:
            raise invalid("Default retention period too large")
    return {"mode": retention["Mode"].lower(), **({"years": years} if days is None else {"days": days})}
