"""Requests and responses of an endpoint, in the formats of SageMaker's linear-learner documentation.

Content types: text/csv, application/json, application/jsonlines, application/x-recordio-protobuf.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError, recordio

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
RECORDIO = "application/x-recordio-protobuf"

Matrix = NDArray[np.float64]
Score = float | list[float]


@dataclass(frozen=True)
class Predictions:
    """One score per row (a list of them for multiple classes), and the labels of a classifier."""

    scores: Sequence[Score]
    labels: Sequence[int] | None = None


def decode_request(body: bytes, content_type: str, features: int) -> Matrix:
    """Decode the rows (rows, features) of a request. Raises BadRequestError and UnsupportedMediaTypeError."""
    decode = DECODERS.get(content_type) or DECODERS.get(content_type.partition(";")[0].strip().lower())
    if decode is None:
        raise UnsupportedMediaTypeError(
            f"Content type {content_type[:80]!r} is not supported. Send {CSV}, {JSON}, {JSON_LINES} or {RECORDIO}."
        )
    rows = decode(body, features)
    if rows.shape[1] != features:
        raise BadRequestError(f"Each row must have {features} features, not {rows.shape[1]}.")
    if not np.isfinite(rows).all():
        row, column = (int(place[0]) for place in np.nonzero(~np.isfinite(rows)))
        raise BadRequestError(f"Row {row + 1}, feature {column + 1} is not a finite number.")
    return rows


def encode_response(predictions: Predictions, accept: str) -> tuple[bytes, str]:
    """Encode predictions in the first supported of the accepted content types; return body and content type.

    Raises NotAcceptableError.
    """
    encode = ENCODERS.get(accept)
    if encode is not None:
        return encode(predictions), accept or JSON
    for entry in accept.split(","):
        media_type = entry.partition(";")[0].strip().lower()
        media_type = (
            JSON if media_type in ("*/*", "application/*", "") else CSV if media_type == "text/*" else media_type
        )
        if media_type in ENCODERS:
            return ENCODERS[media_type](predictions), media_type
    raise NotAcceptableError(
        f"No response can be sent as {accept[:80]!r}. Accept one of {', '.join(filter(None, ENCODERS))}."
    )


def _decode_csv(body: bytes, features: int) -> Matrix:
    text = body.decode("utf-8", "replace").strip()
    if not text:
        raise BadRequestError("The request has no rows.")
    if "\n" not in text:
        try:
            return np.array([[float(cell) for cell in text.split(",")]])
        except ValueError:
            raise _cell_error([text]) from None
    lines = text.splitlines()
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in lines]
        return np.array(rows)
    except ValueError:
        raise _cell_error(lines, features) from None


def _cell_error(lines: list[str], features: int = 0) -> BadRequestError:
    """Return the error of the first invalid line."""
    for row, line in enumerate(lines, 1):
        cells = line.split(",")
        for column, cell in enumerate(cells, 1):
            try:
                float(cell)
            except ValueError:
                return BadRequestError(f"Row {row}, feature {column}: {cell.strip()[:40]!r} is not a number.")
        if features and len(cells) != features:
            return BadRequestError(f"Row {row} has {len(cells)} features; the model needs {features}.")
    return BadRequestError("The rows have different numbers of features.")


def _parse_json(text: str | bytes, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError(f"{place} is not valid JSON.") from None


def _decode_json(body: bytes, features: int) -> Matrix:
    document = _parse_json(body, "The request")
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadRequestError('The request must look like {"instances": [{"features": [1.5, 2, ...]}]}.')
    return _stack([_instance(entry, features, f"Instance {i}") for i, entry in enumerate(instances, 1)])


def _decode_json_lines(body: bytes, features: int) -> Matrix:
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise BadRequestError("The request has no rows.")
    places = [f"Line {i}" for i in range(1, len(lines) + 1)]
    return _stack(
        [_instance(_parse_json(line, place), features, place) for line, place in zip(lines, places, strict=True)]
    )


def _instance(entry: Any, features: int, place: str) -> Matrix:
    """Decode a row: {"features": [...]} or {"data": {"features": {"values": [...], "keys": ..., "shape": ...}}}."""
    if isinstance(entry, dict) and isinstance(data := entry.get("data"), dict):
        entry = data
    values = entry.get("features") if isinstance(entry, dict) else None
    tensor = values if isinstance(values, dict) else {"values": values}
    try:
        row = np.asarray(tensor.get("values"), dtype=np.float64)
        keys = None if tensor.get("keys") is None else np.asarray(tensor["keys"], dtype=np.uint64)
    except (TypeError, ValueError, OverflowError):
        raise BadRequestError(f"{place}: features must be a list of numbers.") from None
    if row.ndim != 1:
        raise BadRequestError(f"{place}: features must be a list of numbers.")
    return _row(row, keys, features, place)


def _row(values: Matrix, keys: NDArray[np.uint64] | None, features: int, place: str) -> Matrix:
    if keys is None or not keys.size:
        if len(values) != features:
            raise BadRequestError(f"{place} has {len(values)} features; the model needs {features}.")
        return values
    if keys.shape != values.shape or int(keys.max()) >= features:
        raise BadRequestError(f"{place}: there must be as many keys as values, each below {features}.")
    dense = np.zeros(features)
    dense[keys] = values
    return dense


def _stack(rows: list[Matrix]) -> Matrix:
    return np.stack(rows)


def _decode_recordio(body: bytes, features: int) -> Matrix:
    data = memoryview(body)
    rows: list[Matrix] = []
    try:
        for start, end in recordio.split(data):
            place = f"Record {len(rows) + 1}"
            tensor = recordio.decode(data[start:end]).features.get("values")
            if tensor is None:
                raise BadRequestError(f'{place} has no features named "values".')
            rows.append(_row(tensor.values.astype(np.float64), tensor.keys, features, place))
    except recordio.MalformedRecordError as error:
        raise BadRequestError(f"Record {len(rows) + 1}: {error}.") from None
    if not rows:
        raise BadRequestError("The request has no records.")
    return _stack(rows)


def _objects(predictions: Predictions) -> list[dict[str, Any]]:
    if predictions.labels is None:
        return [{"score": score} for score in predictions.scores]
    return [
        {"score": score, "predicted_label": label}
        for score, label in zip(predictions.scores, predictions.labels, strict=True)
    ]


def _encode_json(predictions: Predictions) -> bytes:
    return json.dumps({"predictions": _objects(predictions)}).encode()


def _encode_json_lines(predictions: Predictions) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in _objects(predictions)).encode()


def _encode_csv(predictions: Predictions) -> bytes:
    """Encode one line per row: predicted_label,score for classes (several scores for many), score for numbers."""
    scores = [",".join(map(repr, score)) if isinstance(score, list) else repr(score) for score in predictions.scores]
    if predictions.labels is None:
        return ("\n".join(scores) + "\n").encode()
    return "".join(f"{label},{score}\n" for label, score in zip(predictions.labels, scores, strict=True)).encode()


def _encode_recordio(predictions: Predictions) -> bytes:
    records = []
    for i, score in enumerate(predictions.scores):
        label = {"score": np.array(score if isinstance(score, list) else [score], np.float32)}
        if predictions.labels is not None:
            label["predicted_label"] = np.array([predictions.labels[i]], np.float32)
        records.append(recordio.encode(None, label))
    return b"".join(records)


DECODERS: dict[str, Callable[[bytes, int], Matrix]] = {
    CSV: _decode_csv,
    JSON: _decode_json,
    JSON_LINES: _decode_json_lines,
    "application/jsonl": _decode_json_lines,
    RECORDIO: _decode_recordio,
}
ENCODERS: dict[str, Callable[[Predictions], bytes]] = {
    CSV: _encode_csv,
    JSON: _encode_json,
    "": _encode_json,
    JSON_LINES: _encode_json_lines,
    RECORDIO: _encode_recordio,
}
