"""The retention and the legal hold of an object."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnObject, puts_retention
from lowcloud.api.aws.services.s3.translation.locks import ON, parse_retain_until, render_legal_hold
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects, version_updates
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock, NotLockableError


@s3_operation("PutObjectRetention", puts_retention, refused=("Retention.EventHold", "Retention.EventHoldDuration"))
def put_object_retention(context: Context, _caller: Caller, request: Request) -> Answer:
    retention = request.get("Retention", {})
    mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
    if (mode is None) != (until is None):
        raise _malformed()
    lock = UNLOCKED if mode is None else Lock(mode.lower(), parse_retain_until(context, until))
    bypass: bool = request.get("BypassGovernanceRetention", False)
    version = request.get("VersionId")
    version_updates.set_retention(
        context, request["Bucket"], request["Key"], version, lock, may_bypass_governance=bypass
    )
    return {}


@s3_operation("GetObjectRetention", OnObject("s3:GetObjectRetention"))
def get_object_retention(context: Context, _caller: Caller, request: Request) -> Answer:
    lock = _lock(context, request)
    if lock.retention is None:
        raise _unlocked()
    return {"Retention": {"Mode": lock.retention.upper(), "RetainUntilDate": lock.retain_until}}


@s3_operation("PutObjectLegalHold", OnObject("s3:PutObjectLegalHold"))
def put_object_legal_hold(context: Context, _caller: Caller, request: Request) -> Answer:
    if "Status" not in request.get("LegalHold", {}):
        raise _malformed()
    is_held = request["LegalHold"]["Status"] == ON
    version_updates.set_legal_hold(context, request["Bucket"], request["Key"], request.get("VersionId"), is_held)
    return {}


@s3_operation("GetObjectLegalHold", OnObject("s3:GetObjectLegalHold"))
def get_object_legal_hold(context: Context, _caller: Caller, request: Request) -> Answer:
    hold = render_legal_hold(_lock(context, request))
    if hold is None:
        raise _unlocked()
    return {"LegalHold": {"Status": hold}}


def _lock(context: Context, request: Request) -> Lock:
    if buckets.find(context, request["Bucket"]).object_lock is None:
        raise NotLockableError(f"Object lock is not enabled for bucket {request['Bucket']}.")
    return objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId")).lock


def _unlocked() -> AwsError:
    message = "The specified object does not have a ObjectLock configuration"
    return AwsError("NoSuchObjectLockConfiguration", message, 404)


def _malformed() -> AwsError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", message)
