"""What every S3 operation shares: whose bucket it is, what no bucket allows, and S3's words for core's errors."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.s3.access_lists import admit_list, asked_list, asks_for_list, owner_id
from lowcloud.aws.s3.errors import in_words_of_s3
from lowcloud.aws.s3.headers import checked_version
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError
from lowcloud.store.encryption import Tampered, WrongKey
from lowcloud.store.files import BlobGone

log = logging.getLogger("lowcloud.s3")
Function = Callable[[Cloud, Caller, Any], Answer]

_HAS_A_LIST_OF_ITS_OWN = ("CreateBucket", "PutBucketAcl", "PutObjectAcl")


def s3_operation(
    name: str, refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Enter a function into the table of operations, behind the checks and with the errors that all of S3 has."""

    def enter(function: Function) -> Function:
        @operation("s3", name, refused, (*ignored, "RequestPayer"))
        @wraps(function)
        def perform(cloud: Cloud, caller: Caller, request: Request) -> Answer:
            try:
                _check(cloud, name, request)
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
    """The account as S3 names an owner."""
    return {"ID": owner_id(cloud)}


def _check(cloud: Cloud, name: str, request: Request) -> None:
    for member in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if request.get(member, cloud.settings.account_id) != cloud.settings.account_id:
            raise AwsError("AccessDenied", "Access Denied", 403)
    if asks_for_list(request) and name not in _HAS_A_LIST_OF_ITS_OWN:
        asked = asked_list(request, owner_id(cloud))
        if asked is not None:
            admit_list(cloud, request["Bucket"], asked)
    if "VersionId" in request:
        checked_version(request["VersionId"])
