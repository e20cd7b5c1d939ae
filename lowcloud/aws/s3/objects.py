"""Operations on objects."""

from collections.abc import Iterable
from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.access_lists import keep_list
from lowcloud.aws.s3.checksums import announced, told
from lowcloud.aws.s3.errors import in_words_of_s3
from lowcloud.aws.s3.headers import (
    copy_source,
    description,
    kept_headers,
    read_conditions,
    read_range,
    storage_class,
    told_headers,
    user_metadata,
    write_conditions,
)
from lowcloud.aws.s3.operation import (
    CUSTOMER_KEY,
    ENCRYPTION,
    NEW_OBJECT,
    OTHER_CHECKSUMS,
    SOURCE_CUSTOMER_KEY,
    s3_operation,
)
from lowcloud.core import objects, spans
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import NO_CONDITIONS, Conditions
from lowcloud.core.errors import CloudError
from lowcloud.core.versions import Object

MOST_DELETED = 1000
SMALL_BYTES = 256 * 1024


@s3_operation("PutObject", refused=(*NEW_OBJECT, *OTHER_CHECKSUMS, "WriteOffsetBytes"))
def put_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    checksum = announced(request)
    if getattr(request.get("Body"), "is_incoming", False):
        objects.check_put(cloud, request["Bucket"], request["Key"], write_conditions(request))
    made = objects.put(
        cloud,
        request["Bucket"],
        request["Key"],
        body_of(request),
        description(request),
        storage_class=storage_class(request),
        algorithm=checksum.kept,
        claims=checksum.claims,
        conditions=write_conditions(request),
    )
    keep_list(cloud, request, made)
    return {"ETag": quoted(made.etag), **told(made.checksum), **ENCRYPTION}


@s3_operation("GetObject", refused=CUSTOMER_KEY)
def get_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    span = _wanted_span(request)
    found, chunks = objects.get(
        cloud,
        request["Bucket"],
        request["Key"],
        span=span,
        part=request.get("PartNumber"),
        conditions=read_conditions(request),
    )
    is_partial = span is not None or "PartNumber" in request
    answer = _described(found, request, chunks.first, chunks.length, is_partial=is_partial)
    # A small body goes out with its head, at a third less CPU than one that is streamed.
    return {**answer, "Body": b"".join(chunks) if chunks.length <= SMALL_BYTES else chunks}


@s3_operation("HeadObject", refused=CUSTOMER_KEY)
def head_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    span = _wanted_span(request)
    found = objects.head(cloud, request["Bucket"], request["Key"], conditions=read_conditions(request))
    first, length = objects.locate(cloud, found, span, request.get("PartNumber"))
    is_partial = span is not None or "PartNumber" in request
    return _described(found, request, first, length, is_partial=is_partial)


@s3_operation(
    "CopyObject",
    refused=(*NEW_OBJECT, *SOURCE_CUSTOMER_KEY),
    ignored=("TaggingDirective", "AnnotationDirective"),  # there are neither tags nor annotations to copy
)
def copy_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    replaces = request.get("MetadataDirective", "COPY") == "REPLACE"
    _, made = objects.copy(
        cloud,
        copy_source(request),
        request["Bucket"],
        request["Key"],
        headers=kept_headers(request) if replaces else None,
        user_metadata=user_metadata(request) if replaces else None,
        storage_class=storage_class(request),
        algorithm=announced(request).algorithm,
        source_conditions=read_conditions(request, "CopySource"),
        conditions=write_conditions(request),
    )
    keep_list(cloud, request, made)
    result = {"ETag": quoted(made.etag), "LastModified": made.modified_at, **told(made.checksum)}
    return {"CopyObjectResult": result, **ENCRYPTION}


@s3_operation(
    "DeleteObject", refused=("MFA", "IfMatchLastModifiedTime", "IfMatchSize"), ignored=("BypassGovernanceRetention",)
)
def delete_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    conditions = Conditions(if_match=request.get("IfMatch"))
    objects.delete(cloud, request["Bucket"], request["Key"], conditions=conditions)
    return {}


@s3_operation(
    "DeleteObjects",
    refused=("MFA", "Delete.Objects.ETag", "Delete.Objects.LastModifiedTime", "Delete.Objects.Size"),
    ignored=("BypassGovernanceRetention", "ChecksumAlgorithm"),
)
def delete_objects(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    named = request["Delete"]["Objects"]
    if not 1 <= len(named) <= MOST_DELETED:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    errors = [error for item in named if (error := _why_not(item, request)) is not None]
    refused = {error["Key"] for error in errors}
    deleted = [item["Key"] for item in named if item["Key"] not in refused]
    objects.delete_many(cloud, request["Bucket"], [(key, None, NO_CONDITIONS) for key in deleted])
    is_quiet = request["Delete"].get("Quiet", False)
    return {"Deleted": [] if is_quiet else [{"Key": key} for key in deleted], "Errors": errors}


def body_of(request: Request) -> Iterable[bytes]:
    """The payload, in pieces."""
    body = request.get("Body", b"")
    return [body] if isinstance(body, bytes) else body


def quoted(etag: str) -> str:
    """An entity tag as headers and documents have it."""
    return f'"{etag}"'


def _wanted_span(request: Request) -> spans.Span | None:
    span = read_range(request.get("Range"))
    if "PartNumber" in request:
        if span is not None:
            raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        if request["PartNumber"] < 1:
            raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    return span


def _described(found: Object, request: Request, first: int, length: int, *, is_partial: bool) -> dict[str, Any]:
    headers = told_headers(found, request)
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "ContentLength": length,
        "ETag": quoted(found.etag),
        "LastModified": found.modified_at,
        "Metadata": found.description.user_metadata,
        "StorageClass": found.storage_class,
        **ENCRYPTION,
        "ResponseMetadata": {"HTTPHeaders": headers, "HTTPStatusCode": 206 if is_partial else 200},
    }
    if is_partial:
        if found.size:
            answer["ContentRange"] = f"bytes {first}-{first + length - 1}/{found.size}"
    elif request.get("ChecksumMode") == "ENABLED":
        answer.update(told(found.checksum))
    if "PartNumber" in request and found.parts is not None:
        answer["PartsCount"] = found.parts
    return answer


def _why_not(item: dict[str, Any], request: Request) -> dict[str, str] | None:
    """Why an object that a batch names is not deleted, or None."""
    if item.get("VersionId", "null") != "null":
        return {"Key": item["Key"], "Code": "NoSuchVersion", "Message": "The specified version does not exist."}
    try:
        objects.check_key(item["Key"])
    except CloudError as error:
        said = in_words_of_s3(error, request)
        return {"Key": item["Key"], "Code": said.code, "Message": said.message}
    return None
