"""CBOR bodies (RFC 8949) of the rpc-v2-cbor protocol, with strict decoding of untrusted input.

Only what the protocol uses is supported: integers, floats, texts, byte strings, arrays, maps, simple values and the
tag for time. Nesting is bounded, and lengths are checked against the size of the body.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lowcloud.api.aws.errors import WireError
from lowcloud.api.aws.protocol.formats import scalars

MAX_DEPTH = 64
EPOCH_TAG = 1
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE, _BREAK = 31, 0xFF
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


@dataclass(frozen=True, slots=True)
class Time:
    """An item with the tag for seconds since the epoch."""

    seconds: float


def loads(body: bytes) -> Any:
    """Decode exactly one CBOR item. Raises WireError."""
    reader = _Reader(body)
    try:
        item = reader.item(0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise WireError("The request body is not CBOR, or it ends early.") from error
    if reader.position != len(body):
        raise WireError("The request body has bytes after its CBOR item.")
    return item


def parse_structure(shape: StructureShape, item: Any) -> dict[str, Any]:
    """Parse the members of a CBOR map; null counts as absent. Raises WireError."""
    if not isinstance(item, dict):
        raise _unexpected(item, shape)
    return {
        name: parse(member, item[key])
        for name, member in shape.members.items()
        if item.get(key := member.serialization.get("name", name)) is not None
    }


def parse(shape: Shape, item: Any) -> Any:
    """Parse a value of the shape's type. Raises WireError."""
    parser = _PARSERS.get(shape.type_name)
    if parser is None:
        raise _unexpected(item, shape)
    return parser(shape, item)


def dumps(shape: Shape | None, output: Mapping[str, Any]) -> bytes:
    """Encode a structure as a CBOR map."""
    out = bytearray()
    if shape is None:
        _head(out, _MAP, 0)
    else:
        _encode(out, shape, output)
    return bytes(out)


def error_body(
    error_type: str, message_name: str, message: str, shape: Shape | None, fields: Mapping[str, Any]
) -> bytes:
    """Encode an error as a CBOR map with __type, the message and the members of its shape."""
    members = _present(cast(StructureShape, shape), fields) if shape is not None else {}
    members.pop(message_name, None)
    out = bytearray()
    _head(out, _MAP, 2 + len(members))
    for text in ("__type", error_type, message_name, message):
        _text(out, text)
    for name, (member, value) in members.items():
        _text(out, name)
        _encode(out, member, value)
    return bytes(out)


class _Reader:
    """Decodes items from a position in a body."""

    def __init__(self, body: bytes):
        self._body = body
        self._count = 0
        self.position = 0

    def item(self, depth: int) -> Any:
        self._count += 1
        if depth > MAX_DEPTH:
            raise WireError("The request body is nested too deeply.")
        if self._count > scalars.MAX_ITEMS:
            raise WireError(f"The request body has more than {scalars.MAX_ITEMS} values.")
        initial = self._body[self.position]
        self.position += 1
        major, info = initial >> 5, initial & 31
        if major == _SIMPLE:
            return self._simple(info)
        if info == _INDEFINITE:
            return self._indefinite(major, depth)
        return self._definite(major, self._argument(info), depth)

    def _definite(self, major: int, argument: int, depth: int) -> Any:
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._take(argument).decode()
        if major == _ARRAY:
            self._check_count(argument)
            return [self.item(depth + 1) for _ in range(argument)]
        if major == _MAP:
            self._check_count(argument * 2)
            return dict(self._pair(depth) for _ in range(argument))
        return self._tagged(argument, depth)

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (_BYTES, _TEXT):
            return self._chunks(major)
        if major == _ARRAY:
            items = []
            while not self._at_break():
                items.append(self.item(depth + 1))
            return items
        if major == _MAP:
            pairs = {}
            while not self._at_break():
                key, value = self._pair(depth)
                pairs[key] = value
            return pairs
        raise WireError("An indefinite length is used where CBOR allows none.")

    def _chunks(self, major: int) -> bytes | str:
        chunks = []
        while not self._at_break():
            initial = self._body[self.position]
            self.position += 1
            if initial >> 5 != major or initial & 31 == _INDEFINITE:
                raise WireError("A CBOR string consists of chunks of another type.")
            chunks.append(self._take(self._argument(initial & 31)))
        return b"".join(chunks) if major == _BYTES else "".join(chunk.decode() for chunk in chunks)

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self.item(depth + 1)
        if not isinstance(key, str):
            raise WireError("The keys of a CBOR map must be texts.")
        return key, self.item(depth + 1)

    def _tagged(self, tag: int, depth: int) -> Any:
        item = self.item(depth + 1)
        if tag != EPOCH_TAG:
            raise WireError(f"CBOR tag {tag} is not part of this protocol.")
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise WireError("A CBOR time must be a number.")
        return Time(float(item))

    def _simple(self, info: int) -> Any:
        if info in _FLOATS:
            (value,) = struct.unpack(_FLOATS[info], self._take(1 << (info - 24)))
            return value
        if info not in (20, 21, 22, 23):
            raise WireError("The request body contains an undefined simple value.")
        return {20: False, 21: True}.get(info)

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise WireError("The request body contains an undefined length.")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._body):
            raise IndexError("the body ends early")
        piece = self._body[self.position : end]
        self.position = end
        return piece

    def _check_count(self, items: int) -> None:
        if items > len(self._body) - self.position:  # every item has at least one byte
            raise IndexError("the body ends early")

    def _at_break(self) -> bool:
        if self._body[self.position] == _BREAK:
            self.position += 1
            return True
        return False


def _parse_list(shape: ListShape, item: Any) -> list[Any]:
    if not isinstance(item, list):
        raise _unexpected(item, shape)
    return [None if value is None else parse(shape.member, value) for value in scalars.cut_to_maximum(shape, item)]


def _parse_map(shape: MapShape, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _unexpected(item, shape)
    return {key: parse(shape.value, value) for key, value in item.items() if value is not None}


def _parse_string(shape: Shape, item: Any) -> str:
    if not isinstance(item, str):
        raise _unexpected(item, shape)
    return item


def _parse_integer(shape: Shape, item: Any) -> int:
    if isinstance(item, float) and item.is_integer():
        item = int(item)
    if isinstance(item, bool) or not isinstance(item, int):
        raise _unexpected(item, shape)
    return scalars.check_integer(shape, item)


def _parse_float(shape: Shape, item: Any) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise _unexpected(item, shape)
    return float(item)


def _parse_boolean(shape: Shape, item: Any) -> bool:
    if not isinstance(item, bool):
        raise _unexpected(item, shape)
    return item


def _parse_timestamp(shape: Shape, item: Any) -> datetime:
    if not isinstance(item, Time):
        raise _unexpected(item, shape)
    return scalars.parse_timestamp(item.seconds, "unixTimestamp")


def _parse_blob(shape: Shape, item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise _unexpected(item, shape)
    return item


_PARSERS = scalars.by_type(
    (parse_structure, _parse_list, _parse_map),
    (_parse_string, _parse_integer, _parse_float, _parse_boolean, _parse_timestamp, _parse_blob),
)


def _unexpected(item: Any, shape: Shape) -> WireError:
    return WireError(f"A CBOR {type(item).__name__} can not be converted to a {shape.type_name.capitalize()}.")


def _encode(out: bytearray, shape: Shape, value: Any) -> None:
    kind = shape.type_name
    if value is None:
        out.append(0xF6)
    elif kind == "structure":
        members = _present(cast(StructureShape, shape), value)
        _head(out, _MAP, len(members))
        for name, (member, item) in members.items():
            _text(out, name)
            _encode(out, member, item)
    elif kind == "list":
        _head(out, _ARRAY, len(value))
        for item in value:
            _encode(out, cast(ListShape, shape).member, item)
    elif kind == "map":
        _head(out, _MAP, len(value))
        for key, item in value.items():
            _text(out, key)
            _encode(out, cast(MapShape, shape).value, item)
    else:
        _encode_scalar(out, kind, value)


def _encode_scalar(out: bytearray, kind: str, value: Any) -> None:
    if kind == "boolean":
        out.append(0xF5 if value else 0xF4)
    elif kind in ("integer", "long"):
        _head(out, _UNSIGNED, value) if value >= 0 else _head(out, _NEGATIVE, -1 - value)
    elif kind in ("float", "double"):
        _float(out, value)
    elif kind == "timestamp":
        _head(out, _TAG, EPOCH_TAG)
        _float(out, value.timestamp() if isinstance(value, datetime) else value)
    elif kind == "blob":
        raw = value.encode() if isinstance(value, str) else value
        _head(out, _BYTES, len(raw))
        out += raw
    else:
        _text(out, value)


def _present(shape: StructureShape, value: Mapping[str, Any]) -> dict[str, tuple[Shape, Any]]:
    return {
        member.serialization.get("name", name): (member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            out.append(major << 5 | info)
            out += argument.to_bytes(size, "big")
            return
    raise ValueError(f"{argument} does not fit into CBOR's 64 bits")


def _text(out: bytearray, text: str) -> None:
    raw = text.encode()
    _head(out, _TEXT, len(raw))
    out += raw


def _float(out: bytearray, value: float) -> None:
    single = math.isfinite(value) and abs(value) < 3e38 and struct.unpack(">f", struct.pack(">f", value))[0] == value
    out += struct.pack(">Bf", 0xFA, value) if single else struct.pack(">Bd", 0xFB, value)
