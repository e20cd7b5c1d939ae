"""Parsing: from a request's bytes to the members of its operation's input, in any protocol."""

from typing import Any

from botocore.model import StructureShape

from lowcloud.api.aws.errors import AwsError, WireError
from lowcloud.api.aws.protocol.formats import cbor, json, query, rest, xml
from lowcloud.api.aws.protocol.formats.rest_xml import format_of
from lowcloud.api.aws.protocol.routing import CBOR, FORM, JSON, QUERY, Target
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import MalformedUrlError, query_pairs


def parse(target: Target, request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]:
    """Return the input. Times are datetimes in UTC, blobs are bytes, a streamed payload is a RequestBody.

    Raises AwsError with the service's code if the bytes do not conform to the protocol.
    """
    try:
        return _parse(target, request, body)
    except MalformedUrlError as error:
        raise AwsError("InvalidURI", f"Couldn't parse the specified URI: {error}") from error
    except WireError as error:
        raise _to_aws_error(target, error) from error


def _parse(target: Target, request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]:
    shape = target.operation.input_shape
    if shape is None:
        return {}
    if target.protocol not in (JSON, QUERY, CBOR):
        return _parse_rest(target, shape, request, body)
    assert isinstance(body, bytes)
    if target.protocol == JSON:
        return json.parse_structure(shape, json.loads(body or b"{}"))
    if target.protocol == CBOR:
        return cbor.parse_structure(shape, cbor.loads(body) if body else {})
    is_form = request.headers.get("content-type", "").startswith(FORM)
    return query.parse_structure(shape, query.loads(query_pairs(body.decode("latin-1") if is_form else request.query)))


def _parse_rest(
    target: Target, shape: StructureShape, request: HttpRequest, body: bytes | RequestBody
) -> dict[str, Any]:
    members = format_of(target.service.name).parse_bindings(target.operation, request, target.labels)
    payload = rest.payload_member(shape)
    if payload is None:
        if isinstance(body, bytes) and body:
            members.update(_parse_body(target, shape, body))
    elif payload[1].type_name in ("blob", "string"):
        is_required = payload[0] in shape.required_members
        if body or is_required or payload[1].serialization.get("streaming"):
            members[payload[0]] = _parse_raw(payload[1].type_name, body)
    elif isinstance(body, bytes) and body and isinstance(payload[1], StructureShape):
        members[payload[0]] = _parse_body(target, payload[1], body)
    return members


def _parse_raw(kind: str, body: bytes | RequestBody) -> Any:
    """Return a payload that is the body itself: a RequestBody if it is streamed, otherwise bytes or text."""
    if isinstance(body, RequestBody) or kind == "blob":
        return body
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise WireError("The body must be UTF-8.") from error


def _parse_body(target: Target, shape: StructureShape, body: bytes) -> dict[str, Any]:
    if target.protocol == "rest-xml":
        limits = format_of(target.service.name).max_children
        return xml.parse_structure(shape, xml.loads(body, limits.get(target.operation.name, xml.MAX_CHILDREN)))
    document = json.loads(body)
    return document if shape.is_document_type else _without_bindings(shape, document)


def _without_bindings(shape: StructureShape, document: Any) -> dict[str, Any]:
    """Return the members of the body, ignoring those that belong in a header or the path."""
    bound = {name for name, member in shape.members.items() if "location" in member.serialization}
    return {name: value for name, value in json.parse_structure(shape, document).items() if name not in bound}


def _to_aws_error(target: Target, error: WireError) -> AwsError:
    if target.protocol == "rest-xml":
        return AwsError("InvalidArgument", error.message)
    if target.protocol == QUERY:
        return AwsError("MalformedInput", error.message)
    return error
