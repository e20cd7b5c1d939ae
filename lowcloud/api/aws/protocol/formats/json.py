"""JSON bodies: the json protocol (1.0 and 1.1) and the bodies of rest-json."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lowcloud.api.aws.errors import WireError
from lowcloud.api.aws.protocol.formats import scalars

_NAMES = {"string": "a String", "integer": "an Integer", "long": "a Long", "boolean": "a Boolean"}


def loads(body: bytes) -> Any:
    """Parse a JSON document. Raises WireError."""
    if len(body) > scalars.MAX_ITEMS and sum(map(body.count, b"{[,")) > scalars.MAX_ITEMS:
        raise WireError(f"The request body has more than {scalars.MAX_ITEMS} values.")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"The request body is not JSON: {error}"[:256]) from error


def parse_structure(shape: StructureShape, document: Any) -> dict[str, Any]:
    """Parse the members of a JSON object; null counts as absent, unknown members are ignored."""
    if shape.is_document_type:
        return cast(dict[str, Any], document)
    if not isinstance(document, dict):
        raise _unexpected(document, "a Structure")
    members = {}
    for name, member in shape.members.items():
        value = document.get(member.serialization.get("name", name))
        if value is not None:
            members[name] = parse(member, value)
    if shape.is_tagged_union and len(members) != 1 and len([v for v in document.values() if v is not None]) > 1:
        raise WireError(f"{shape.name} takes exactly one of its members.")
    return members


def parse(shape: Shape, value: Any) -> Any:
    """Parse a value of the shape's type. Raises WireError."""
    parser = _PARSERS.get(shape.type_name)
    return parser(shape, value) if parser else value


def dumps(shape: Shape | None, output: Mapping[str, Any]) -> bytes:
    """Serialise a structure as a JSON object."""
    return encode(to_document(shape, output) if shape is not None else {})


def encode(document: Any) -> bytes:
    """Serialise a document as compact JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def to_document(shape: Shape, value: Any) -> Any:
    """Convert a value of the shape's type for json.dumps; members that are None are left out."""
    kind = shape.type_name
    if kind == "structure":
        structure = cast(StructureShape, shape)
        return value if structure.is_document_type else _structure(structure, value)
    if kind == "list":
        member = cast(ListShape, shape).member
        return [None if item is None else to_document(member, item) for item in value]
    if kind == "map":
        member = cast(MapShape, shape).value
        return {key: None if item is None else to_document(member, item) for key, item in value.items()}
    if kind == "timestamp":
        return scalars.format_timestamp(value, shape.serialization.get("timestampFormat", scalars.JSON_FORMAT))
    if kind == "blob":
        return scalars.format_blob(value)
    if kind in ("float", "double"):
        return _float(value)
    return json.dumps(value) if shape.serialization.get("jsonvalue") else value


def _structure(shape: StructureShape, value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        member.serialization.get("name", name): to_document(member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _float(value: float) -> float | str:
    text = scalars.format_float(value)
    return text if text in ("NaN", "Infinity", "-Infinity") else value


def _parse_list(shape: ListShape, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _unexpected(value, "a List")
    return [None if item is None else parse(shape.member, item) for item in scalars.cut_to_maximum(shape, value)]


def _parse_map(shape: MapShape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected(value, "a Map")
    return {scalars.check_text(key): parse(shape.value, item) for key, item in value.items() if item is not None}


def _parse_string(shape: Shape, value: Any) -> str:
    if not isinstance(value, str):
        raise _unexpected(value, "a String")
    return cast(str, loads(value.encode())) if shape.serialization.get("jsonvalue") else scalars.check_text(value)


def _parse_integer(shape: Shape, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unexpected(value, _NAMES[shape.type_name])
    return scalars.check_integer(shape, value)


def _parse_float(_shape: Shape, value: Any) -> float:
    if isinstance(value, str) and (named := scalars.named_float(value)) is not None:
        return named
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unexpected(value, "a Float")
    try:
        return float(value)
    except OverflowError as error:
        raise WireError("A number is too large for a Double.") from error


def _parse_boolean(_shape: Shape, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _unexpected(value, "a Boolean")
    return value


def _parse_timestamp(shape: Shape, value: Any) -> datetime:
    return scalars.parse_timestamp(value, shape.serialization.get("timestampFormat", scalars.JSON_FORMAT))


def _parse_blob(_shape: Shape, value: Any) -> bytes:
    if not isinstance(value, str):
        raise _unexpected(value, "a Blob")
    return scalars.parse_blob(value)


_PARSERS = scalars.by_type(
    (parse_structure, _parse_list, _parse_map),
    (_parse_string, _parse_integer, _parse_float, _parse_boolean, _parse_timestamp, _parse_blob),
)


def _unexpected(value: Any, expected: str) -> WireError:
    """Return AWS's error for a JSON value of the wrong type."""
    if isinstance(value, dict):
        return WireError(f"Start of structure or map found where {expected} was expected.")
    if isinstance(value, list):
        return WireError(f"Start of list found where {expected} was expected.")
    found = {bool: "TRUE_VALUE" if value else "FALSE_VALUE", str: "STRING_VALUE", float: "DECIMAL_VALUE"}
    return WireError(f"{found.get(type(value), 'NUMBER_VALUE')} can not be converted to {expected}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
