"""POST policies: the expiration and the conditions of a browser upload.

Source: Amazon S3 API Reference, "POST policy". Names of fields are compared in lower case.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError

_EXEMPT = ("file", "policy", "x-amz-signature", "awsaccesskeyid", "signature")


@dataclass(frozen=True)
class SizeLimits:
    """The limits of the size of the file, in bytes."""

    minimum: int
    maximum: int


@dataclass(frozen=True)
class _Condition:
    operator: str  # "eq" or "starts-with"
    field: str
    expected: str

    def holds(self, value: str) -> bool:
        if self.operator == "eq":
            return value == self.expected
        values = value.split(",") if self.field == "content-type" else [value]
        return all(each.strip().startswith(self.expected) for each in values)

    def __str__(self) -> str:
        return json.dumps([self.operator, f"${self.field}", self.expected])


def check_policy(encoded: str, fields: Mapping[str, str], original: Mapping[str, str], now: float) -> SizeLimits | None:
    """Check the fields against the policy (base64). `original` has the fields before substitution of ${filename}.

    Raises AwsError: AccessDenied, or InvalidPolicyDocument for a malformed policy.
    """
    policy = _decode(encoded)
    if _expiration(policy) <= now:
        raise _denied("Policy expired.")
    conditions, limits = [], None
    for item in _items(policy):
        if isinstance(item, SizeLimits):
            limits = item
        else:
            conditions.append(item)
    for condition in conditions:
        value, original_value = fields.get(condition.field, ""), original.get(condition.field, "")
        if not condition.holds(value) and not (condition.operator == "eq" and original_value == condition.expected):
            raise _denied(f"Policy Condition failed: {condition}")
    covered = {condition.field for condition in conditions}
    extra = [
        name for name in fields if name not in covered and name not in _EXEMPT and not name.startswith("x-ignore-")
    ]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")
    return limits


def _decode(encoded: str) -> dict[str, Any]:
    try:
        policy = json.loads(b64decode(encoded))
    except (ValueError, RecursionError) as error:
        raise _invalid("Invalid JSON.") from error
    if not isinstance(policy, dict):
        raise _invalid("Invalid JSON.")
    return policy


def _expiration(policy: Mapping[str, Any]) -> float:
    """Return the expiration in seconds since the epoch."""
    text = policy.get("expiration")
    if text is None:
        raise _invalid("Policy missing expiration.")
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _invalid(f"Invalid 'expiration' value: {str(text)[:64]!r}") from error
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _items(policy: Mapping[str, Any]) -> Iterator[_Condition | SizeLimits]:
    items = policy.get("conditions")
    if not isinstance(items, list):
        raise _invalid("Policy missing conditions.")
    for item in items:
        if isinstance(item, dict) and len(item) == 1:
            ((field, value),) = item.items()
            yield _condition("eq", f"${field}", value)
        elif isinstance(item, list) and len(item) == 3 and isinstance(item[0], str):
            operator = item[0].lower()
            yield _limits(item) if operator == "content-length-range" else _condition(operator, item[1], item[2])
        else:
            raise _invalid(f"Invalid Condition: {json.dumps(item)[:128]}")


def _condition(operator: str, field: Any, expected: Any) -> _Condition:
    if operator not in ("eq", "starts-with") or not isinstance(field, str) or not isinstance(expected, str | int):
        raise _invalid(f"Invalid Condition: {json.dumps([operator, field, expected])[:128]}")
    if not field.startswith("$"):
        raise _invalid("Invalid Condition: the name of a field must begin with $.")
    return _Condition(operator, field.removeprefix("$").lower(), str(expected))


def _limits(item: list[Any]) -> SizeLimits:
    try:
        return SizeLimits(int(item[1]), int(item[2]))
    except (TypeError, ValueError, OverflowError) as error:
        raise _invalid("Invalid Condition: content-length-range requires two numbers.") from error


def _denied(reason: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {reason}", 403)


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", f"Invalid Policy: {reason}")
