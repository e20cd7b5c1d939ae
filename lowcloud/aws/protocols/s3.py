"""What S3's documents have of their own: the names of their roots, its errors, the bare text of a location."""

from collections.abc import Mapping
from typing import Any

from botocore.model import StructureShape

from lowcloud.aws.errors import AwsError
from lowcloud.aws.protocols import xml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# The model has these names only in its documentation; botocore reads any root, other clients look for these.
_ROOTS = {
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}


# Taken in any case of letters: the C++ SDK, and pyarrow with it, says "enabled".
_ANY_CASE = ("ChecksumMode",)


def in_the_models_case(members: dict[str, Any]) -> dict[str, Any]:
    """The members of an input, with those whose case of letters S3 does not mind as the model has them."""
    for name in _ANY_CASE:
        if name in members:
            members[name] = members[name].upper()
    return members


def render_answer(operation: str, shape: StructureShape, answer: Mapping[str, Any]) -> str:
    """The document of an answer."""
    if operation == "GetBucketLocation":
        region = xml.escape(answer.get("LocationConstraint") or "")
        return f'{xml.DECLARATION}<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>'
    return xml.DECLARATION + xml.render(shape, answer, _ROOTS.get(operation, shape.name), NAMESPACE)


def render_error(error: AwsError, request_id: str) -> str:
    """The document of an error; it has no namespace."""
    fields = "".join(f"<{name}>{xml.escape(str(value))}</{name}>" for name, value in error.fields.items())
    return (
        f"{xml.DECLARATION}<Error><Code>{xml.escape(error.code)}</Code><Message>{xml.escape(error.message)}</Message>"
        f"{fields}<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
    )
