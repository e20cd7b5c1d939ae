"""DeleteObject and DeleteObjects."""

from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import DENIED, deletes_object, deletes_objects
from lowcloud.api.aws.services.s3.translation.errors import to_s3_error
from lowcloud.api.aws.services.s3.translation.headers import check_version_id, parse_delete_preconditions
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import deletions, objects
from lowcloud.core.storage.objects.deletions import Deletion

MAX_DELETED = 1000


@s3_operation("DeleteObject", deletes_object, refused=("MFA",))
def delete_object(context: Context, _caller: Caller, request: Request) -> Answer:
    done = deletions.delete(
        context,
        request["Bucket"],
        request["Key"],
        version=request.get("VersionId"),
        preconditions=parse_delete_preconditions(request, "IfMatch", "IfMatchLastModifiedTime", "IfMatchSize"),
        may_bypass_governance=_may_bypass(context, request),
    )
    return {"VersionId": done.version, "DeleteMarker": True if done.is_marker else None}


@s3_operation("DeleteObjects", deletes_objects, refused=("MFA",), ignored=("ChecksumAlgorithm",))
def delete_objects(context: Context, _caller: Caller, request: Request) -> Answer:
    named = request["Delete"]["Objects"]
    if not 1 <= len(named) <= MAX_DELETED:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    may_bypass = _may_bypass(context, request)
    errors: list[dict[str, Any]] = []
    accepted: list[dict[str, Any]] = []
    for item in named:
        error = _validation_error(item, request)
        if error is None:
            accepted.append(item)
        else:
            errors.append(error)
    outcomes = deletions.delete_many(
        context,
        request["Bucket"],
        [
            (item["Key"], item.get("VersionId"), parse_delete_preconditions(item, "ETag", "LastModifiedTime", "Size"))
            for item in accepted
        ],
        may_bypass_governance=may_bypass,
    )
    deleted = []
    for item, outcome in zip(accepted, outcomes, strict=True):
        if isinstance(outcome, CloudError):
            errors.append(_failed(item, outcome, request))
        else:
            deleted.append(_done(item, outcome))
    return {"Deleted": [] if request["Delete"].get("Quiet", False) else deleted, "Errors": errors}


def _may_bypass(context: Context, request: Request) -> bool:
    """Return whether to bypass governance retention. Raises AwsError if the bucket has no object lock."""
    name = "x-amz-bypass-governance-retention"
    if "BypassGovernanceRetention" in request and buckets.find(context, request["Bucket"]).object_lock is None:
        message = f"{name} is only applicable to Object Lock enabled buckets."
        raise AwsError("InvalidArgument", message, fields={"ArgumentName": name})
    return bool(request.get("BypassGovernanceRetention", False))


def _done(item: dict[str, Any], outcome: Deletion) -> dict[str, Any]:
    deleted: dict[str, Any] = {"Key": item["Key"], "VersionId": item.get("VersionId")}
    marker = {"DeleteMarker": True, "DeleteMarkerVersionId": outcome.version} if outcome.is_marker else {}
    return deleted | marker


def _failed(item: dict[str, Any], error: CloudError, request: Request) -> dict[str, Any]:
    translated = to_s3_error(error, request)
    return {
        "Key": item["Key"],
        "VersionId": item.get("VersionId"),
        "Code": translated.code,
        "Message": translated.message,
    }


def _validation_error(item: dict[str, Any], request: Request) -> dict[str, Any] | None:
    """Return the error for an item that is invalid or that the caller may not delete, or None."""
    if DENIED in item:
        return {**{name: item.get(name) for name in ("Key", "VersionId")}, "Code": DENIED, "Message": item[DENIED]}
    try:
        objects.check_key(item["Key"])
        if "VersionId" in item:
            check_version_id(item["VersionId"])
    except CloudError as error:
        return _failed(item, error, request)
    except AwsError:
        details = {"Code": "NoSuchVersion", "Message": "The specified version does not exist."}
        return {"Key": item["Key"], "VersionId": item["VersionId"], **details}
    return None
