"""Putting objects."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.access_lists import keep_list
from lowcloud.api.aws.services.s3.translation.checksums import Announced, announced_body, body_of, quoted, told
from lowcloud.api.aws.services.s3.translation.encryption import asked_encryption, told_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    kept_headers,
    new_version,
    storage_class,
    user_metadata,
    write_conditions,
)
from lowcloud.api.aws.services.s3.translation.locks import EVENT_HOLD, asked_lock
from lowcloud.api.aws.services.s3.translation.tags import asked_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.objects import notifications, objects
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock
from lowcloud.core.storage.objects.metadata import Description


@s3_operation("PutObject", refused=("WriteOffsetBytes", *EVENT_HOLD))
def put_object(context: Context, _caller: Caller, request: Request) -> Answer:
    checksum = announced_body(request)
    encryption, customer_key = asked_encryption(context, request)
    lock = asked_lock(context, request)
    _check_digest(request, lock, checksum)
    said = Description(kept_headers(request), user_metadata(request), asked_tags(request) or {}, encryption)
    conditions = write_conditions(request)
    if getattr(request.get("Body"), "is_incoming", False):
        objects.check_put(context, request["Bucket"], request["Key"], lock, conditions)
    made = objects.put(
        context,
        request["Bucket"],
        request["Key"],
        body_of(request),
        said,
        storage_class=storage_class(request),
        lock=lock,
        customer_key=customer_key,
        algorithm=checksum.kept,
        claims=checksum.claims,
        conditions=conditions,
        event=notifications.POSTED if getattr(request.get("Body"), "is_form_upload", False) else notifications.PUT,
    )
    keep_list(context, request, made)
    return {
        "ETag": quoted(made.etag),
        **told(made.checksum),
        **told_encryption(context, made.description.encryption),
        **new_version(made),
    }


def _check_digest(request: Request, lock: Lock, checksum: Announced) -> None:
    """What is locked can hardly be put right again, so it must come with a digest. Raises AwsError."""
    if lock is not UNLOCKED and checksum.algorithm is None and "ContentMD5" not in request:
        sentence = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"
        raise AwsError("InvalidRequest", f"{sentence} parameters")
