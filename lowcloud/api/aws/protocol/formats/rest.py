"""HTTP bindings of rest-json and rest-xml: members in the path, the query, headers, the status and the payload."""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import WireError
from lowcloud.api.aws.protocol.formats import scalars, xml
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import decode, query_pairs

_QUOTED_LIST = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')
_HTTP_DATES = re.compile(r"([^,]*,[^,]*)(?:,|$)")


@dataclass(frozen=True)
class _Bindings:
    """The members of a shape outside the body: (name on the wire, member's name, its shape)."""

    query: Sequence[tuple[str, str, Shape]]
    labels: Sequence[tuple[str, str, Shape]]
    headers: Mapping[str, tuple[str, Shape]]  # by the name on the wire, in lower case
    prefixes: Sequence[tuple[str, str]]  # members that are all headers with a prefix
    status: str | None


def parse_bindings(operation: OperationModel, request: HttpRequest, labels: Mapping[str, str]) -> dict[str, Any]:
    """Parse the members of an input outside the body. Raises WireError and MalformedUrlError."""
    if operation.input_shape is None:
        return {}
    bound = _bindings(operation.input_shape)
    members: dict[str, Any] = {}
    if bound.query and request.query:
        query = _query(request.query)
        for key, name, member in bound.query:
            members[name] = _from_query(member, key, query)
    for key, name, member in bound.labels:
        members[name] = _from_label(member, labels.get(key))
    # A request has few headers, while an operation of S3 may have forty bound members.
    for key, text in request.headers.items():
        if key in bound.headers:
            name, member = bound.headers[key]
            members[name] = _from_header(member, text)
    for prefix, name in bound.prefixes:
        members[name] = _with_prefix(prefix, request.headers)
    return {name: value for name, value in members.items() if value is not None}


def payload_member(shape: StructureShape | None) -> tuple[str, Shape] | None:
    """Return the member that is the complete body, or None."""
    name = shape.serialization.get("payload") if shape is not None else None
    return (name, shape.members[name]) if shape is not None and name else None


def has_body_members(shape: StructureShape) -> bool:
    """Return whether the body consists of members that are not bound elsewhere."""
    return any(member.serialization.get("location") not in xml.BOUND for member in shape.members.values())


def output_headers(shape: StructureShape, output: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an output."""
    bound_headers = _output_headers(shape)
    headers: dict[str, str] = {}
    for name, value in output.items():
        header = bound_headers.get(name)
        if value is None or header is None:
            continue
        key, member = header
        if member.serialization["location"] == "headers":
            headers.update({f"{key}{suffix}".lower(): text for suffix, text in value.items()})
        elif (text := _to_header(member, value)) is not None:
            headers[key] = text
    return headers


def output_status(shape: StructureShape, output: Mapping[str, Any]) -> int | None:
    """Return the status in an output, or None."""
    name = _bindings(shape).status
    return None if name is None or output.get(name) is None else int(output[name])


@cache
def _bindings(shape: StructureShape) -> _Bindings:
    found: dict[str | None, list[tuple[str, str, Shape]]] = defaultdict(list)
    for name, member in shape.members.items():
        found[member.serialization.get("location")].append((member.serialization.get("name", name), name, member))
    statuses = [name for _, name, _ in found["statusCode"]]
    return _Bindings(
        query=found["querystring"],
        labels=found["uri"],
        headers={key.lower(): (name, member) for key, name, member in found["header"]},
        prefixes=[(key.lower(), name) for key, name, _ in found["headers"]],
        status=statuses[0] if statuses else None,
    )


@cache
def _output_headers(shape: StructureShape) -> dict[str, tuple[str, Shape]]:
    """Return header name and shape of each member of an output that is a header."""
    return {
        name: (member.serialization.get("name", name).lower(), member)
        for name, member in shape.members.items()
        if member.serialization.get("location") in ("header", "headers")
    }


def _query(text: str) -> dict[str, list[str]]:
    pairs: dict[str, list[str]] = {}
    for name, value in query_pairs(text):
        pairs.setdefault(name, []).append(value)
    return pairs


def _from_query(member: Shape, key: str, query: Mapping[str, list[str]]) -> Any:
    if isinstance(member, MapShape):
        return _query_map(member, query)
    values = query.get(key)
    if values is None:
        return None
    if isinstance(member, ListShape):
        return [scalars.parse_text(member.member, value) for value in values]
    # S3 clients send "?delimiter=" for "no delimiter"; numbers and the rest cannot be empty.
    if values[0] == "" and member.type_name != "string":
        return None
    return scalars.parse_text(member, values[0])


def _query_map(member: MapShape, query: Mapping[str, list[str]]) -> dict[str, Any] | None:
    """Return all parameters, including those bound to other members."""
    is_list = isinstance(member.value, ListShape)
    return {key: values if is_list else values[0] for key, values in query.items()} or None


def _from_label(member: Shape, label: str | None) -> Any:
    return None if label is None else scalars.parse_text(member, decode(label))


def _from_header(member: Shape, text: str | None) -> Any:
    if text is None:
        return None
    if isinstance(member, ListShape):
        return [scalars.parse_text(member.member, item, scalars.HEADER_FORMAT) for item in _split(member.member, text)]
    if member.serialization.get("jsonvalue"):
        return _json_value(text)
    return scalars.parse_text(member, text.strip(), scalars.HEADER_FORMAT)


def _split(member: Shape, text: str) -> Iterator[str]:
    """Split a list in a header; an rfc822 date contains a comma, a text may be quoted."""
    if member.type_name == "timestamp" and member.serialization.get("timestampFormat", "rfc822") == "rfc822":
        yield from (date.strip() for date in _HTTP_DATES.findall(text) if date.strip())
        return
    position = 0
    while position < len(text):
        match = _QUOTED_LIST.match(text, position)
        if match is None or match.end() == position:
            raise WireError(f"A list in a header is not well-formed: {text[:64]!r}.")
        quoted, plain = match.groups()
        yield re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain.strip()
        position = match.end()


def _json_value(text: str) -> Any:
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise WireError("A header must hold JSON in base64.") from error


def _with_prefix(prefix: str, headers: Mapping[str, str]) -> dict[str, str] | None:
    found = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
    return found or None


def _to_header(member: Shape, value: Any) -> str | None:
    if member.serialization.get("jsonvalue"):
        return scalars.format_blob(value if isinstance(value, str) else json.dumps(value))
    if isinstance(member, ListShape):
        return ", ".join(_header_items(member.member, value)) if value else None
    return scalars.format_text(member, value, scalars.HEADER_FORMAT)


def _header_items(member: Shape, values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        text = scalars.format_text(member, value, scalars.HEADER_FORMAT)
        needs_quotes = member.type_name == "string" and ("," in text or '"' in text)
        yield '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if needs_quotes else text
