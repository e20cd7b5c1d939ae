"""What S3's documents have of their own: the names of their roots, its errors, the bare text of a location."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.model import OperationModel, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import rest, xml
from lowcloud.api.http.messages import HttpRequest

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
URL = "Url"  # beside the model's members: where the sender found the object, which the answer tells

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
# Members with a code of their own for a word that the model does not have.
_UNKNOWN_WORDS = {
    "StorageClass": ("InvalidStorageClass", "The storage class you specified is not valid"),
    "ChecksumAlgorithm": (
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{}]",
    ),
}


def parse_bindings(operation: OperationModel, request: HttpRequest, labels: Mapping[str, str]) -> dict[str, Any]:
    """The members of an input that stand outside the body, where S3 is not as strict as its model, or is stricter.

    Raises AwsError, WireError and MalformedUrl.
    """
    expires = request.headers.get("expires")
    if expires is not None:  # which S3 keeps and tells as it came, though it be no time
        headers = {name: text for name, text in request.headers.items() if name != "expires"}
        request = replace(request, headers=headers)
    members = rest.parse_bindings(operation, request, labels)
    shapes = operation.input_shape.members if operation.input_shape is not None else {}
    if expires is not None and "Expires" in shapes:
        members["Expires"] = expires
    if operation.name == "CompleteMultipartUpload":
        members[URL] = f"http://{request.host}{request.path}"
    for name in _ANY_CASE:
        if name in members:
            members[name] = members[name].upper()
    for name, (code, sentence) in _UNKNOWN_WORDS.items():
        if name in members and members[name] not in shapes[name].enum:
            raise AwsError(code, sentence.format(", ".join(shapes[name].enum)))
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
