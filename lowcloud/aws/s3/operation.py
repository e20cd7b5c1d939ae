"""What every S3 operation shares: whose bucket it is, what no bucket allows, and S3's words for core's errors."""

import logging
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.s3.errors import in_words_of_s3
from lowcloud.aws.s3.headers import checked_version
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError
from lowcloud.store.encryption import Tampered, WrongKey
from lowcloud.store.files import BlobGone

log = logging.getLogger("lowcloud.s3")
Function = Callable[[Cloud, Caller, Any], Answer]

# With bucket-owner-enforced ownership, the default of AWS, only these mean anything.
_OWNERS_ACLS = ("private", "bucket-owner-full-control", "bucket-owner-read")
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def s3_operation(
    name: str, refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Enter a function into the table of operations, behind the checks and with the errors that all of S3 has."""

    def enter(function: Function) -> Function:
        @operation("s3", name, refused, (*ignored, "RequestPayer"))
        @wraps(function)
        def perform(cloud: Cloud, caller: Caller, request: Request) -> Answer:
            _check(cloud, request)
            try:
                return function(cloud, caller, request)
            except CloudError as error:
                raise in_words_of_s3(error, request, name) from error
            except WrongKey as error:
                raise AwsError("AccessDenied", "Access Denied", 403) from error
            except (Tampered, BlobGone) as error:
                log.error("%s of %s/%s: %s", name, request.get("Bucket"), request.get("Key"), error)
                raise AwsError("InternalError", "The object cannot be read: its bytes are damaged.", 500) from error

        return perform

    return enter


def owner(cloud: Cloud) -> dict[str, str]:
    """The account as S3 names an owner: a canonical id, which tells nothing of the account id."""
    return {"ID": sha256(f"canonical user {cloud.settings.account_id}".encode()).hexdigest()}


def _check(cloud: Cloud, request: Request) -> None:
    for member in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if request.get(member, cloud.settings.account_id) != cloud.settings.account_id:
            raise AwsError("AccessDenied", "Access Denied", 403)
    if request.get("ACL", "private") not in _OWNERS_ACLS or any(grant in request for grant in _GRANTS):
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if "VersionId" in request:
        checked_version(request["VersionId"])
