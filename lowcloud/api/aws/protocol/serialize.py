"""Serialisation: from an operation's output, or an error, to a response in the protocol of the request."""

import inspect
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

from botocore.model import OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import cbor, json, query, rest, xml
from lowcloud.api.aws.protocol.formats.rest_xml import format_of
from lowcloud.api.aws.protocol.routing import CBOR, DEFAULT_SERVICE, JSON, QUERY, REST_XML
from lowcloud.api.aws.protocol.service_models import Service
from lowcloud.api.http.messages import Content, HttpResponse

METADATA = "ResponseMetadata"  # of an output: {"HTTPStatusCode": 206, "HTTPHeaders": {name: value}}, as in boto3


def serialize(
    service: Service, operation: OperationModel, protocol: str, output: Mapping[str, Any], request_id: str
) -> HttpResponse:
    """Return the response with an operation's output."""
    response = _success(service, operation, protocol, output, request_id)
    metadata = output.get(METADATA, {})
    response.status = metadata.get("HTTPStatusCode", response.status)
    response.headers.update(metadata.get("HTTPHeaders", {}))
    return response


def serialize_error(
    error: AwsError, service: Service | None, protocol: str, json_version: str, request_id: str
) -> HttpResponse:
    """Return the response with an error."""
    shape = service.error_shapes.get(error.code) if service is not None else None
    code = shape.metadata.get("error", {}).get("code", shape.name) if shape is not None else error.code
    sent_code = code if protocol in (QUERY, REST_XML) or shape is None else shape.name
    sent = AwsError(sent_code, error.message, error.status, error.fields)
    response = _failure(sent, service, shape, protocol, json_version, request_id)
    if protocol in (JSON, CBOR) and service is not None and service.is_query_compatible:
        fault = "Sender" if error.status < 500 else "Receiver"
        response.headers["x-amzn-query-error"] = f"{code};{fault}"
    response.headers.update(error.headers)
    if error.status == 304:
        response.body = b""
    return response


def _success(
    service: Service, operation: OperationModel, protocol: str, output: Mapping[str, Any], request_id: str
) -> HttpResponse:
    shape = operation.output_shape
    if protocol == JSON:
        version = service.model.metadata.get("jsonVersion", "1.0")
        return HttpResponse(200, {"content-type": f"application/x-amz-json-{version}"}, json.dumps(shape, output))
    if protocol == CBOR:
        return HttpResponse(
            200, {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, cbor.dumps(shape, output)
        )
    if protocol == QUERY:
        document = query.render_output(operation, output, service.xml_namespace, request_id)
        return HttpResponse(200, {"content-type": "text/xml"}, document)
    return _rest(operation, protocol, output)


def _rest(operation: OperationModel, protocol: str, output: Mapping[str, Any]) -> HttpResponse:
    shape = operation.output_shape
    status = operation.http.get("responseCode", 200)
    if shape is None:
        return HttpResponse(status, {})
    headers = rest.output_headers(shape, output)
    status = rest.output_status(shape, output) or status
    payload = rest.payload_member(shape)
    if payload is not None:
        body, content_type = _payload(payload[1], output.get(payload[0]), protocol)
    elif rest.has_body_members(shape):
        body, content_type = _document(shape, output, operation, protocol)
    else:
        body, content_type = b"", None
    if content_type is not None:
        headers.setdefault("content-type", content_type)
    return HttpResponse(status, headers, body)


def _payload(member: Shape, value: Any, protocol: str) -> tuple[Content, str | None]:
    """Return the body that is one member, and its content type."""
    if value is None:
        return b"", None
    if member.type_name == "blob":
        return _stream(value), "application/octet-stream"
    if member.type_name == "string":
        return value.encode(), "text/plain"
    if protocol == "rest-json":
        return json.encode(json.to_document(member, value)), "application/json"
    name = member.serialization.get("name", member.name)
    return (xml.DECLARATION + xml.render(member, value, name)).encode(), "application/xml"


def _document(
    shape: StructureShape, output: Mapping[str, Any], operation: OperationModel, protocol: str
) -> tuple[bytes, str]:
    """Return the body of the members that are not bound to headers or the status."""
    if protocol == "rest-json":
        bound = [name for name, member in shape.members.items() if member.serialization.get("location") in xml.BOUND]
        return json.dumps(shape, {name: output[name] for name in output if name not in bound}), "application/json"
    document = format_of(operation.service_model.service_name).render_output(operation, shape, output)
    return document.encode(), "application/xml"


def _failure(
    error: AwsError, service: Service | None, shape: Shape | None, protocol: str, json_version: str, request_id: str
) -> HttpResponse:
    if protocol == JSON:
        members = _error_members(error, shape)
        body = json.encode({"__type": error.code, **members})
        return HttpResponse(error.status, {"content-type": f"application/x-amz-json-{json_version}"}, body)
    if protocol == CBOR:
        body = cbor.error_body(error.code, _message_name(shape), error.message, shape, error.fields)
        return HttpResponse(error.status, {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, body)
    namespace = service.xml_namespace if service is not None else None
    headers = rest.output_headers(shape, error.fields) if isinstance(shape, StructureShape) else {}
    if protocol == REST_XML:
        render_error = format_of(service.name if service is not None else DEFAULT_SERVICE).render_error
        headers["content-type"] = "application/xml"
        return HttpResponse(error.status, headers, render_error(error, shape, namespace, request_id))
    if protocol == QUERY:
        headers["content-type"] = "text/xml"
        return HttpResponse(error.status, headers, query.render_error(error, shape, namespace, request_id))
    headers |= {"content-type": "application/json", "x-amzn-errortype": error.code}
    return HttpResponse(error.status, headers, json.encode(_error_members(error, shape)))


def _error_members(error: AwsError, shape: Shape | None) -> dict[str, Any]:
    """Return the members of a JSON error; "message" is spelt as in its shape."""
    if not isinstance(shape, StructureShape):
        return {"message": error.message}
    fields = {
        name: value
        for name, value in error.fields.items()
        if name in shape.members and "location" not in shape.members[name].serialization
    }
    return {**json.to_document(shape, fields), _message_name(shape): error.message}


def _message_name(shape: Shape | None) -> str:
    """Return "message" as the shape of the error spells it."""
    members = shape.members if isinstance(shape, StructureShape) else ()
    return next((name for name in members if name.lower() == "message"), "message")


def _stream(value: Any) -> Content:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "read"):
        return _read_chunks(value)
    if inspect.isasyncgen(value) or hasattr(value, "__aiter__"):
        return cast(AsyncIterator[bytes], value)
    return cast(Iterator[bytes], iter(value))


def _read_chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk
