"""Whether objects of a bucket can be locked, and the retention that new ones get."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, malformed, not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.buckets import buckets

MOST_DAYS, MOST_YEARS = 36500, 100


@s3_operation(
    "PutObjectLockConfiguration",
    refused=("ObjectLockConfiguration.Rule.DefaultRetention.DefaultEventHold",),
    ignored=("Token",),  # AWS hands one out to lock a bucket that exists, and no longer asks for it
)
def put_object_lock_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    wanted = request.get("ObjectLockConfiguration", {})
    if wanted.get("ObjectLockEnabled") != "Enabled":
        raise malformed("ObjectLockEnabled must be Enabled.")
    buckets.set_object_lock(context, request["Bucket"], _retention(wanted.get("Rule")))
    return {}


@s3_operation("GetObjectLockConfiguration")
def get_object_lock_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    kept = buckets.find(context, request["Bucket"]).object_lock
    if kept is None:
        sentence = "Object Lock configuration does not exist for this bucket"
        raise not_configured("ObjectLockConfigurationNotFoundError", sentence, request["Bucket"])
    told = {"Mode": kept.get("mode", "").upper(), "Days": kept.get("days"), "Years": kept.get("years")}
    rule = {"DefaultRetention": told} if kept else None
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}


def _retention(rule: Mapping[str, Any] | None) -> dict[str, Any]:
    """What new objects get, as core knows it. Raises AwsError."""
    if rule is None:
        return {}
    wanted = rule.get("DefaultRetention", {})
    days, years = wanted.get("Days"), wanted.get("Years")
    if "Mode" not in wanted or (days is None) == (years is None):
        raise malformed("a DefaultRetention has a Mode and either Days or Years.")
    for period, most in ((days, MOST_DAYS), (years, MOST_YEARS)):
        if period is not None and period < 1:
            raise invalid("Default retention period must be a positive integer value")
        if period is not None and period > most:
            raise invalid("Default retention period too large")
    return {"mode": wanted["Mode"].lower(), **({"years": years} if days is None else {"days": days})}
