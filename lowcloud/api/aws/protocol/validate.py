"""Validation of an input against its model: required members, enums, lengths, ranges, patterns. AWS's messages."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError

MAX_ERRORS = 10
MAX_SHOWN_LENGTH = 1024  # of a value in a message


def validate(operation: OperationModel, request: Mapping[str, Any], code: str) -> None:
    """Raise AwsError naming every invalid member."""
    shape = operation.input_shape
    if shape is None:
        return
    errors: list[str] = []
    for error in _structure(shape, request, ""):
        errors.append(error)
        if len(errors) == MAX_ERRORS:
            break
    if errors:
        count = "1 validation error" if len(errors) == 1 else f"{len(errors)} validation errors"
        raise AwsError(code, f"{count} detected: {'; '.join(errors)}")


def refuse_unsupported(request: Mapping[str, Any], refused: tuple[str, ...], code: str, status: int = 400) -> None:
    """Raise AwsError for a member that Lowcloud does not support.

    "A.B" is B of A, or of each item of A if it is a list; "A=x" is A with the value x.
    """
    for member, name, names in _split(refused):
        if member in request and _is_given(request, names):
            raise AwsError(code, f"{name} is not supported by Lowcloud yet.", status)


@cache
def _split(refused: tuple[str, ...]) -> list[tuple[str, str, list[str]]]:
    """Return the first member, the name and the parts of each refused name."""
    return [(re.split("[.=]", name)[0], name, name.split(".")) for name in refused]


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """Convert a model's pattern to Python's syntax. None if Python cannot express it: the operation checks it then."""
    pattern = pattern.replace(_ASTRAL_IN_UTF_16, r"\U00010000-\U0010FFFF")
    pattern = _BRACKETS_OR_NAME.sub(_with_python_names, pattern).replace(r"\z", r"\Z")
    try:
        return re.compile(pattern)
    except re.error:
        return None


_ASTRAL_IN_UTF_16 = r"\uD800\uDC00-\uDBFF\uDFFF"  # all characters beyond the BMP, as surrogate pairs

# Approximate ranges for Unicode classes, for which Python's re has no names.
_CLASS_NAMES = {
    "L": "A-Za-z\u00aa-\u02af\u0370-\u2fef\u3005-\ud7ff\uf900-\ufaff\U00010000-\U0003ffff",
    "M": "\u0300-\u036f",
    "Z": r"\s",
    "S": "$+<=>^`|~\u00a2-\u00a9\u20a0-\u20bf\u2190-\u23ff",
    "N": r"\d",
    "P": r"!-#%-*,-/:;?@\[-\]_{}\u00a1\u2010-\u2027",
    "Alpha": "A-Za-z",
    "Alnum": "A-Za-z0-9",
    "Digit": "0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "ASCII": r"\x00-\x7f",
    "XDigit": "0-9A-Fa-f",
    "Space": r"\s",
}
_NAME = re.compile(r"\\p\{(?:Is)?(" + "|".join(_CLASS_NAMES) + r")\}")
_BRACKETS_OR_NAME = re.compile(r"\[(?:\\.|[^\]\\])*\]|" + _NAME.pattern)


def _with_python_names(match: re.Match[str]) -> str:
    """Replace \\p{...} by ranges, inside a bracketed class or as one."""
    text = match[0]
    ranges = _NAME.sub(lambda name: _CLASS_NAMES[name[1]], text)
    return ranges if text.startswith("[") else f"[{ranges}]"


def _structure(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if shape.is_document_type:
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failed(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        member = shape.members.get(name)
        if member is not None and item is not None:
            yield from _check(member, item, _join(path, name))


def _list(shape: ListShape, value: Any, path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    for index, item in enumerate(value, 1):
        if item is None:
            yield _failed(None, f"{path}.{index}.member", "Member must not be null")
        else:
            yield from _check(shape.member, item, f"{path}.{index}.member")


def _map(shape: MapShape, value: Any, path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    for key, item in value.items():
        for name, member, part in (("key", shape.key, key), ("value", shape.value, item)):
            inner = list(_check(member, part, f"{path}.{key}.member"))
            if inner and member.type_name == "string":
                constraints = ", ".join(error.partition("constraint: ")[2] for error in inner)
                yield _failed(value, path, f"Map {name} must satisfy constraint: [{constraints}]")
            else:
                yield from inner


def _string(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if not limits:
        return
    if "enum" in limits and value not in limits["enum"]:
        yield _failed(value, path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
    is_short = "max" not in limits or len(value) <= limits["max"]
    yield from _length(shape, value, path)
    # Patterns are matched against values of valid length only: backtracking on a long value could take forever.
    if "pattern" in limits and is_short:
        pattern = compile_pattern(limits["pattern"])
        if pattern is not None and not pattern.fullmatch(value):
            yield _failed(value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}")


def _number(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "min" in limits and value < limits["min"]:
        yield _failed(value, path, f"Member must have value greater than or equal to {limits['min']}")
    if "max" in limits and value > limits["max"]:
        yield _failed(value, path, f"Member must have value less than or equal to {limits['max']}")


def _blob(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, bytes):
        yield from _length(shape, value, path)


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "blob": _blob,
}


def _check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    check = _CHECKS.get(shape.type_name)
    return check(shape, value, path) if check is not None else iter(())


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "min" in limits and len(value) < limits["min"]:
        yield _failed(value, path, f"Member must have length greater than or equal to {limits['min']}")
    if "max" in limits and len(value) > limits["max"]:
        yield _failed(value, path, f"Member must have length less than or equal to {limits['max']}")


def _failed(value: Any, path: str, constraint: str) -> str:
    shown = "Value null" if value is None else f"Value '{_format(value)}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _format(value: Any) -> str:
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}={_format(item)}" for key, item in list(value.items())[:MAX_SHOWN_LENGTH]) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(_format(item) for item in value[:MAX_SHOWN_LENGTH]) + "]"
    elif isinstance(value, bytes):
        text = f"{len(value)} bytes"
    else:
        text = str(value)
    return text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}..."


def _join(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _is_given(value: Any, names: list[str]) -> bool:
    if isinstance(value, list):
        return any(_is_given(item, names) for item in value)
    if not isinstance(value, Mapping):
        return False
    name, _, refused_value = names[0].partition("=")
    item = value.get(name)
    if refused_value:
        return bool(item == refused_value)
    if item is None or item is False or item in ("", [], {}):  # requests nothing; clients send such values by default
        return False
    return len(names) == 1 or _is_given(item, names[1:])
