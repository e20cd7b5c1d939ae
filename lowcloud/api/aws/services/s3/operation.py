"""The decorator of all S3 operations: common checks, and the conversion of core's errors into S3's."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from lowcloud.api.aws.access.calls import Access
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.s3 import permissions
from lowcloud.api.aws.services.s3.translation.access_lists import (
    check_list_allowed,
    has_list_headers,
    owner_id,
    parse_list_headers,
)
from lowcloud.api.aws.services.s3.translation.errors import to_s3_error
from lowcloud.api.aws.services.s3.translation.headers import check_version_id
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, DamagedObjectError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage import failures

log = logging.getLogger("lowcloud.s3")
Function = Callable[[Context, Caller, Any], Answer]

_SETS_ACCESS_LIST = ("CreateBucket", "PutBucketAcl", "PutObjectAcl")


def s3_operation(
    name: str, access: Access, refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Register an operation of S3, with the checks and errors that all of them share."""

    def register(function: Function) -> Function:
        @operation("s3", name, access, refused, (*ignored, "RequestPayer"))
        @wraps(function)
        def perform(context: Context, caller: Caller, request: Request) -> Answer:
            try:
                _check(context, name, request)
                with failures.object_errors():
                    return function(context, caller, request)
            except (AwsError, CloudError) as error:
                translated = _to_aws_error(error, request, name)
                if translated.code in permissions.REVEALING and not permissions.may_list(context, caller, request):
                    raise AwsError("AccessDenied", "Access Denied", 403) from error
                if translated is error:
                    raise
                raise translated from error

        return perform

    return register


def owner(context: Context) -> dict[str, str]:
    """Return the account as the owner in responses."""
    return {"ID": owner_id(context)}


def _to_aws_error(error: AwsError | CloudError, request: Request, operation: str) -> AwsError:
    if isinstance(error, AwsError):
        return error
    if isinstance(error, DamagedObjectError):
        log.error("%s of %s/%s: %s", operation, request.get("Bucket"), request.get("Key"), error)
        return AwsError("InternalError", "The object cannot be read: its stored bytes are corrupt.", 500)
    return to_s3_error(error, request, operation)


def _check(context: Context, name: str, request: Request) -> None:
    for member in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if request.get(member, context.settings.account_id) != context.settings.account_id:
            raise AwsError("AccessDenied", "Access Denied", 403)
    if has_list_headers(request) and name not in _SETS_ACCESS_LIST:
        access_list = parse_list_headers(request, owner_id(context))
        if access_list is not None:
            check_list_allowed(context, request["Bucket"], access_list)
    if "VersionId" in request:
        check_version_id(request["VersionId"])
