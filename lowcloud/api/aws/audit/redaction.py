"""Redaction: the parameters of a request as they may be kept, without what is or could be secret."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.model import Shape

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"  # AWS's word
LIMIT = 20_000  # characters of all parameters together, about
_SECRET = re.compile(
    "password|passphrase|secret|token|credential|private.?key|customer.?key|signature|environment|hyper.?parameter|"
    "argument|entrypoint|body|content$|payload|values?$",
    re.IGNORECASE,
)
# Values of tags and of filters are no secrets: policies and searches are about them.
_PLAIN_VALUES = re.compile("^(Tag|Tags|Tagging|TagSet|Filters|Key|KmsKeyId)$", re.IGNORECASE)


def redact(shape: Shape | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters without secrets, as JSON values; empty with a note if they are too long to keep."""
    kept: dict[str, Any] = _redact(shape, parameters, False)
    if len(str(kept)) > LIMIT:
        return {"omitted": "requestParameters too large"}
    return kept


def _redact(shape: Shape | None, value: Any, is_tag: bool) -> Any:
    if shape is not None and shape.metadata.get("sensitive"):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _member(shape, str(name), one, is_tag) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        inner = getattr(shape, "member", None)
        return [_redact(inner, one, is_tag) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) else HIDDEN  # bytes and streams are bodies


def _member(shape: Shape | None, name: str, value: Any, is_tag: bool) -> Any:
    is_tag = is_tag or bool(_PLAIN_VALUES.match(name))
    if _SECRET.search(name) and not (is_tag and name.lower() in ("value", "values")) and not isinstance(value, bool):
        return HIDDEN
    members = getattr(shape, "members", None)
    inner = members.get(name) if members is not None else getattr(shape, "value", None)
    return _redact(inner, value, is_tag)
