"""Digests of documents: the Content-MD5 and x-amz-checksum-* of a request whose body is not streamed.

Objects' bytes are digested as they pass (checksums.py); a document is in memory, and checked before it is read.
"""

from collections.abc import Mapping

from botocore.model import OperationModel

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import rest
from lowcloud.api.aws.services.s3.errors import in_words_of_s3
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.objects.checksums import ALGORITHMS, MD5, Digester

_PREFIX = "x-amz-checksum-"
# AWS refuses these without a digest ("required" in the API reference, by either header).
_DEMANDED = frozenset(
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
    """Whether the body is the one that the client digested. Raises AwsError."""
    payload = rest.payload_member(operation.input_shape)
    if payload is not None and not body and payload[0] in operation.input_shape.required_members:
        raise AwsError("MissingRequestBodyError", "Request Body is empty")
    claimed = _claimed(headers, trailers) if operation.http_checksum.get("requestChecksumRequired") else {}
    if "content-md5" in headers:
        claimed[MD5] = headers["content-md5"]
    if not claimed and operation.name in _DEMANDED:
        raise AwsError("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    _verify(claimed, body)


def _claimed(headers: Mapping[str, str], trailers: Mapping[str, str]) -> dict[str, str]:
    """The checksum of the body by its algorithm; other operations have headers of these names for another."""
    told = {**headers, **trailers}
    claimed = {name: told[_PREFIX + name.lower()] for name in ALGORITHMS if _PREFIX + name.lower() in told}
    if len(claimed) > 1:
        sentence = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise AwsError("InvalidRequest", sentence)
    if "x-amz-sdk-checksum-algorithm" in headers and headers["x-amz-sdk-checksum-algorithm"] not in claimed:
        sentence = (
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found."
        )
        raise AwsError("InvalidRequest", sentence)
    return claimed


def _verify(claimed: Mapping[str, str], body: bytes) -> None:
    if not claimed:
        return
    digester = Digester(*(name for name in claimed if name != MD5))
    digester.update(body)
    try:
        digester.verify(claimed)
    except CloudError as error:
        raise in_words_of_s3(error, {}) from error
