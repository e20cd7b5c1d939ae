"""The documents of HuggingFace's endpoints: `{"inputs": ..., "parameters": ...}` in JSON or CSV, answers as arrays."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from lowcloud_toolkit import arrays, content_types
from lowcloud_toolkit.errors import GenericInferenceToolkitError, UnsupportedFormatError


def decode_json(content: str | bytes) -> Any:
    """Return a JSON document."""
    return json.loads(content)


def decode_csv(string_like: str | bytes) -> dict[str, Any]:
    """Return the rows of CSV with a header as a document: its one column, or a list of rows. Raises for no header."""
    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    rows = list(csv.DictReader(io.StringIO(text)))
    names = set(rows[0]) if rows else set()
    if "inputs" in names:
        return {"inputs": [row["inputs"] for row in rows]}
    if {"question", "context"} <= names:
        return {"inputs": rows}
    raise GenericInferenceToolkitError(400, "The CSV needs a header with inputs, or with question and context.")


def encode_json(content: Any) -> str:
    """Return an answer as JSON."""
    return arrays.array_to_json(content)


def encode_csv(content: Any) -> str:
    """Return a list of answers as CSV with a header. Raises for anything else."""
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise GenericInferenceToolkitError(400, "The answer is not a list of objects, which CSV would need.")
    target = io.StringIO()
    writer = csv.DictWriter(target, sorted({name for one in content for name in one}))
    writer.writeheader()
    writer.writerows(content)
    return target.getvalue()


def decode(content: Any, content_type: str = content_types.JSON) -> Any:
    """Return the document of a request. Raises UnsupportedFormatError."""
    media_type = arrays.media_type(content_type)
    if media_type == content_types.CSV:
        return decode_csv(content)
    if media_type == content_types.JSON:
        return decode_json(content)
    raise UnsupportedFormatError(content_type)


def encode(content: Any, content_type: str = content_types.JSON) -> str:
    """Return an answer in a content type. Raises UnsupportedFormatError."""
    media_type = arrays.media_type(content_type)
    if media_type == content_types.CSV:
        return encode_csv(content)
    if media_type in (content_types.JSON, content_types.ANY):
        return encode_json(content)
    raise UnsupportedFormatError(content_type, status_code=406)
