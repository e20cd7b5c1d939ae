"""Digests of documents: the Content-MD5 and x-amz-checksum-* of a request whose body is not streamed.

Streamed payloads are digested while they are read (translation/checksums.py); a document before it is parsed.
"""

from collections.abc import Mapping

from botocore.model import OperationModel

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import rest
from lowcloud.api.aws.services.s3.translation.errors import to_s3_error
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.objects.checksums import ALGORITHMS, MD5, Digester

_PREFIX = "x-amz-checksum-"
# AWS refuses these without a digest (Content-MD5 is "required" in the API reference; either header will do).
_DIGEST_REQUIRED = frozenset(
    (
        "DeleteObjects",
        "PutBucketCors",
        "PutBucketLifecycle",
        "PutBucketLifecycleConfiguration",
        "PutBucketReplication",
        "PutObjectLegalHold",
        "PutObjectLockConfiguration",
        "PutObjectRetention",
    )
)


def check_document(
    operation: OperationModel, headers: Mapping[str, str], trailers: Mapping[str, str], body: bytes
) -> None:
    """Raise AwsError if the body does not match the digests that the client sent, or if a required one is missing."""
    payload = rest.payload_member(operation.input_shape)
    if payload is not None and not body and payload[0] in operation.input_shape.required_members:
        raise AwsError("MissingRequestBodyError", "Request Body is empty")
    # Other operations have headers of these names too, but for the checksum of an object.
    claimed = _claimed(headers, trailers) if operation.http_checksum.get("requestChecksumRequired") else {}
    if "content-md5" in headers:
        claimed[MD5] = headers["content-md5"]
    if not claimed and operation.name in _DIGEST_REQUIRED:
        raise AwsError("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    _verify(claimed, body)


def _claimed(headers: Mapping[str, str], trailers: Mapping[str, str]) -> dict[str, str]:
    """Return the body's checksum by its algorithm."""
    sent = {**headers, **trailers}
    claimed = {name: sent[_PREFIX + name.lower()] for name in ALGORITHMS if _PREFIX + name.lower() in sent}
    if len(claimed) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise AwsError("InvalidRequest", message)
    if "x-amz-sdk-checksum-algorithm" in headers and headers["x-amz-sdk-checksum-algorithm"] not in claimed:
        message = (
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found."
        )
        raise AwsError("InvalidRequest", message)
    return claimed


def _verify(claimed: Mapping[str, str], body: bytes) -> None:
    if not claimed:
        return
    digester = Digester(*(name for name in claimed if name != MD5))
    digester.update(body)
    try:
        digester.verify(claimed)
    except CloudError as error:
        raise to_s3_error(error, {}) from error
