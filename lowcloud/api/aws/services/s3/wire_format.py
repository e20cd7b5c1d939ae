"""The deviations of S3 from rest-xml: names of root elements, errors, the location document, lenient headers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.model import OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import rest, xml
from lowcloud.api.aws.protocol.formats.rest_xml import RestFormat, register_format
from lowcloud.api.http.messages import HttpRequest

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
URL = "Url"  # not in the model: the URL of the request, which the output repeats

# The model has these names only in its documentation; botocore accepts any root element, other clients do not.
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

_MAX_CHILDREN = {"CompleteMultipartUpload": 10_000}  # parts

# Case-insensitive: the C++ SDK, and with it pyarrow, sends "enabled".
_CASE_INSENSITIVE = ("ChecksumMode",)
# Members with a specific error for a value that is not in the model.
_UNKNOWN_VALUES = {
    "StorageClass": ("InvalidStorageClass", "The storage class you specified is not valid"),
    "ChecksumAlgorithm": (
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{}]",
    ),
}


def parse_bindings(operation: OperationModel, request: HttpRequest, labels: Mapping[str, str]) -> dict[str, Any]:
    """Parse the members of an input outside the body, where S3 is more lenient or stricter than its model.

    Raises AwsError, WireError and MalformedUrlError.
    """
    expires = request.headers.get("expires")
    if expires is not None:  # stored and returned as sent, even if it is not a valid date
        headers = {name: text for name, text in request.headers.items() if name != "expires"}
        request = replace(request, headers=headers)
    members = rest.parse_bindings(operation, request, labels)
    shapes = operation.input_shape.members if operation.input_shape is not None else {}
    if expires is not None and "Expires" in shapes:
        members["Expires"] = expires
    if operation.name == "CompleteMultipartUpload":
        members[URL] = f"http://{request.host}{request.path}"
    for name in _CASE_INSENSITIVE:
        if name in members:
            members[name] = members[name].upper()
    for name, (code, message) in _UNKNOWN_VALUES.items():
        if name in members and members[name] not in shapes[name].enum:
            raise AwsError(code, message.format(", ".join(shapes[name].enum)))
    return members


def render_output(operation: OperationModel, shape: StructureShape, output: Mapping[str, Any]) -> str:
    """Return the document of an output."""
    if operation.name == "GetBucketLocation":
        region = xml.escape(output.get("LocationConstraint") or "")
        return f'{xml.DECLARATION}<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>'
    return xml.DECLARATION + xml.render(shape, output, _ROOTS.get(operation.name, shape.name), NAMESPACE)


def render_error(error: AwsError, _shape: Shape | None, _namespace: str | None, request_id: str) -> bytes:
    """Return the document of an error, which has no namespace."""
    fields = "".join(f"<{name}>{xml.escape(str(value))}</{name}>" for name, value in error.fields.items())
    return (
        f"{xml.DECLARATION}<Error><Code>{xml.escape(error.code)}</Code><Message>{xml.escape_message(error.message)}</Message>"
        f"{fields}<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
    ).encode()


register_format("s3", RestFormat(parse_bindings, render_output, render_error, _MAX_CHILDREN))
