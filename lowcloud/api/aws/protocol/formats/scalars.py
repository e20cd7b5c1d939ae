"""What the formats share: scalars as text, and limits of what is parsed."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypeVar

from botocore.model import Shape

from lowcloud.api.aws.errors import WireError

MAX_ITEMS = 500_000  # of a body in JSON, CBOR or a form: a second of parsing, and more than any operation takes
INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|-?Infinity")
_FLOAT_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = -62135596800, 253402300799  # years 1 to 9999, seconds since the epoch

# Default timestamp formats by location.
HEADER_FORMAT, QUERY_FORMAT, JSON_FORMAT, XML_FORMAT = "rfc822", "iso8601", "unixTimestamp", "iso8601"


Parser = Callable[[Any, Any], Any]  # takes a shape and the value on the wire
Item = TypeVar("Item")


def by_type(containers: tuple[Parser, Parser, Parser], scalars: tuple[Parser, ...]) -> dict[str, Parser]:
    """Return a protocol's parsers by botocore's type names: structure, list, map; string, integer, float, ..."""
    kinds = ("structure", "list", "map", "string", "integer", "float", "boolean", "timestamp", "blob")
    parsers = dict(zip(kinds, (*containers, *scalars), strict=True))
    return {**parsers, "long": parsers["integer"], "double": parsers["float"]}


def cut_to_maximum(shape: Shape, items: Sequence[Item]) -> Sequence[Item]:
    """Return the first items of a list, at most one more than it may have: validation refuses that like a million."""
    maximum = shape.metadata.get("max")
    return items if maximum is None else items[: maximum + 1]


def parse_text(shape: Shape, text: str, timestamp_format: str = QUERY_FORMAT) -> Any:
    """Parse a scalar. Raises WireError."""
    kind = shape.type_name
    if kind == "boolean":
        return _parse_boolean(text)
    if kind in INTEGER_LIMITS:
        return check_integer(shape, _parse_integer(text))
    if kind in ("float", "double"):
        return _parse_float(text)
    if kind == "timestamp":
        return parse_timestamp(text, shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "blob":
        return parse_blob(text)
    return text


def format_text(shape: Shape, value: Any, timestamp_format: str = QUERY_FORMAT) -> str:
    """Format a scalar."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("float", "double"):
        return format_float(value)
    if kind == "timestamp":
        return str(format_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format)))
    if kind == "blob":
        return format_blob(value)
    return str(value)


def parse_timestamp(value: Any, form: str) -> datetime:
    """Parse a time, in UTC. A number always means seconds since the epoch. Raises WireError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WireError("A timestamp must be a number of seconds or a text.")
    try:
        seconds = _seconds(value, form)
    except (ValueError, OverflowError, TypeError) as error:
        raise WireError(f"{str(value)[:64]!r} is not a timestamp.") from error
    if not EARLIEST <= seconds <= LATEST:
        raise WireError(f"{str(value)[:64]!r} is outside the years 1 to 9999.")
    return _EPOCH + timedelta(seconds=seconds)


def format_timestamp(value: float | datetime, form: str) -> str | int | float:
    """Format a time, given in seconds since the epoch or as a datetime."""
    seconds = value.timestamp() if isinstance(value, datetime) else value
    if form == "unixTimestamp":
        return int(seconds) if seconds == int(seconds) else round(seconds, 3)
    moment = _EPOCH + timedelta(seconds=seconds)
    if form == "rfc822":
        return _http_date(moment.replace(microsecond=0))
    precision = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def format_float(value: float) -> str:
    """Format a float as AWS does, with NaN and Infinity by name."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def parse_blob(text: str) -> bytes:
    """Decode base64. Raises WireError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("A blob must be base64.") from error


def format_blob(value: bytes | str) -> str:
    """Encode bytes, or the UTF-8 of a text, in base64."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def check_integer(shape: Shape, value: int) -> int:
    """Return the value if it fits into 32 or 64 bits. Raises WireError."""
    limit = INTEGER_LIMITS[shape.type_name]
    if not -limit <= value < limit:
        raise WireError(f"{str(value)[:32]} does not fit into {'an Integer' if limit == 2**31 else 'a Long'}.")
    return value


def check_text(text: str) -> str:
    """Return the text if it is valid Unicode. Raises WireError for an unpaired surrogate."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise WireError("A string contains an unpaired surrogate.") from error
    return text


def named_float(text: Any) -> float | None:
    """Return NaN, Infinity or -Infinity by its name, or None."""
    return _FLOAT_NAMES.get(text) if isinstance(text, str) else None


def _parse_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise WireError(f"{text[:64]!r} can not be converted to a Boolean.")
    return text.lower() == "true"


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise WireError(f"{text[:64]!r} can not be converted to an Integer.")
    return int(text)


def _parse_float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise WireError(f"{text[:64]!r} can not be converted to a Float.")
    return _FLOAT_NAMES[text] if text in _FLOAT_NAMES else float(text)


def _seconds(value: str | int | float, form: str) -> float:
    if not isinstance(value, str):
        return float(value)
    if _FLOAT.fullmatch(value) and value not in _FLOAT_NAMES:
        return float(value)
    if form == "rfc822":
        return _aware(parsedate_to_datetime(value)).timestamp()
    return _aware(datetime.fromisoformat(value)).timestamp()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
