"""Requests and responses of an endpoint, in the formats of SageMaker's linear-learner documentation.

Content types: text/csv, application/json, application/jsonlines, application/x-recordio-protobuf. Rows are read as
strictly as in training, and a blank line between rows is refused: skipped, it would shift all predictions after it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError, csv_rows, recordio

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
RECORDIO = "application/x-recordio-protobuf"
LARGEST = float(np.finfo(np.float32).max)  # training reads features as float32

Matrix = NDArray[np.float64]
Score = float | list[float]


@dataclass(frozen=True)
class Predictions:
    """One score per row (a list of them for multiple classes), and the labels of a classifier."""

    scores: Sequence[Score]
    labels: Sequence[int] | None = None


@dataclass(frozen=True)
class RowFormat:
    """What the rows of requests must be like, as the model was trained."""

    features: int
    names: tuple[str, ...] = ()  # of the features, if its training data had names
    allows_missing: bool = False  # an empty cell, null or an absent key is NaN; otherwise an absent key is 0
    delimiters: bytes = b""  # of CSV, in addition to the comma

    @property
    def empty(self) -> float | None:
        return nan if self.allows_missing else None


def decode_request(body: bytes, content_type: str, expected: RowFormat) -> Matrix:
    """Decode the rows (rows, features) of a request. Raises BadRequestError and UnsupportedMediaTypeError."""
    decode = DECODERS.get(content_type) or DECODERS.get(content_type.partition(";")[0].strip().lower())
    if decode is None:
        raise UnsupportedMediaTypeError(
            f"Content type {content_type[:80]!r} is not supported. Send {CSV}, {JSON}, {JSON_LINES} or {RECORDIO}."
        )
    rows = decode(body, expected)
    with np.errstate(over="ignore"):
        is_bad = (np.isinf if expected.allows_missing else _is_not_finite)(rows.astype(np.float32))
    if is_bad.any():
        row, column = (int(place[0]) for place in np.nonzero(is_bad))
        raise BadRequestError(f"Row {row + 1}, feature {column + 1} is not a finite number (as float32).")
    return rows


def _is_not_finite(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    return ~np.isfinite(rows)


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


def _decode_csv(body: bytes, expected: RowFormat) -> Matrix:
    lines = csv_rows.lines_of(body)
    if not lines:
        raise BadRequestError("The request has no rows.")
    if b'"' not in body and b"_" not in body:
        try:
            rows = np.array([[float(cell) for cell in line.split(csv_rows.COMMA)] for line in lines])
        except ValueError:
            pass  # read cell by cell below
        else:
            if rows.shape[1] == expected.features and np.isfinite(rows).all():
                return rows
    delimiter = csv_rows.find_delimiter(lines[0], expected.delimiters)
    return np.array([_csv_row(line, row, delimiter, expected) for row, line in enumerate(lines, 1)])


def _csv_row(line: bytes, row: int, delimiter: bytes, expected: RowFormat) -> list[float]:
    check_not_blank(line, row)
    try:
        return csv_rows.read_row(line, expected.features, expected.empty, delimiter)
    except csv_rows.RowError as error:
        if row == 1 and csv_rows.looks_like_header(line, delimiter):
            raise BadRequestError(
                f"Row 1 looks like a header ({csv_rows.shown(line.strip())}). Send rows of {expected.features} numbers "
                "without a header."
            ) from None
        if isinstance(error, csv_rows.WidthError):
            raise _width_error(f"Row {row}", error.cells, expected.features) from None
        place = f"Row {row}" if error.column is None else f"Row {row}, feature {error.column}"
        raise BadRequestError(f"{place}{error.problem}. {error.remedy}") from None


def check_not_blank(line: bytes, row: int) -> None:
    """Raise BadRequestError for a blank line."""
    if csv_rows.is_blank(line):
        raise BadRequestError(f"Row {row} is blank. Remove blank lines: each line gets one prediction.")


def _width_error(place: str, found: int, features: int) -> BadRequestError:
    return BadRequestError(f"{place} has {found} features; the model needs {features}.")


def _parse_json(text: str | bytes, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError(f"{place} is not valid JSON.") from None


def _decode_json(body: bytes, expected: RowFormat) -> Matrix:
    document = _parse_json(body, "The request")
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadRequestError('The request must look like {"instances": [{"features": [1.5, 2, ...]}]}.')
    return np.stack([_instance(entry, expected, f"Instance {i}") for i, entry in enumerate(instances, 1)])


def _decode_json_lines(body: bytes, expected: RowFormat) -> Matrix:
    lines = csv_rows.lines_of(body)
    if not lines:
        raise BadRequestError("The request has no rows.")
    rows = []
    for number, line in enumerate(lines, 1):
        check_not_blank(line, number)
        rows.append(_instance(_parse_json(line, f"Line {number}"), expected, f"Line {number}"))
    return np.stack(rows)


def _instance(entry: Any, expected: RowFormat, place: str) -> Matrix:
    """Decode a row: {"features": [...]}, {"data": {"features": {"values": [...], "keys": ..., "shape": ...}}} or names.

    An object of names has all features of a model whose training data had names.
    """
    if isinstance(entry, dict) and _is_named(entry, expected):
        return _numbers(_by_name(entry, expected, place), expected.empty, place)
    if isinstance(entry, dict) and isinstance(data := entry.get("data"), dict):
        entry = data
    values = entry.get("features") if isinstance(entry, dict) else None
    if not isinstance(values, dict):
        return _row(_numbers(values, expected.empty, place), None, expected, place)
    row = _numbers(values.get("values"), expected.empty, place)
    try:
        keys = None if values.get("keys") is None else np.array(values["keys"], dtype=np.uint64)
    except (TypeError, ValueError, OverflowError):
        raise BadRequestError(f"{place}: keys must be a list of feature numbers from 0.") from None
    return _row(row, None if keys is not None and len(row) and not keys.size else keys, expected, place)


def _is_named(entry: dict[str, Any], expected: RowFormat) -> bool:
    """Return whether an object has a number for each feature. A feature itself may be called "features"."""
    lists = [key for key in ("data", "features") if key in entry]
    return not lists or (lists[0] in expected.names and not isinstance(entry[lists[0]], list | dict))


def _by_name(entry: dict[str, Any], expected: RowFormat, place: str) -> list[Any]:
    if not expected.names:
        raise BadRequestError(
            f'{place} must have its numbers in "features": [...], in the order of the training data, which had no '
            "names of columns."
        )
    unknown = [name for name in entry if name not in expected.names]
    lacking = [name for name in expected.names if name not in entry]
    if unknown or lacking:
        what = f"there is no feature {unknown[0]!r}" if unknown else f"the feature {lacking[0]!r} is not given"
        raise BadRequestError(f"{place}: {what}; the features are {', '.join(expected.names[:50])}.")
    return [entry[name] for name in expected.names]


def _numbers(values: Any, empty: float | None, place: str) -> Matrix:
    """Return a list of JSON numbers as an array."""
    if not isinstance(values, list):
        raise BadRequestError(f"{place}: features must be a list of numbers.")
    if empty is not None and None in values:
        values = [empty if value is None else value for value in values]
    if not set(map(type, values)) <= {int, float}:
        column, bad = next((i, value) for i, value in enumerate(values, 1) if type(value) not in (int, float))
        raise BadRequestError(f"{place}, feature {column}: {json.dumps(bad)[:60]} is not a number.")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise BadRequestError(f"{place} has an integer that is too large.") from None


def _row(values: Matrix, keys: NDArray[np.uint64] | None, expected: RowFormat, place: str) -> Matrix:
    """Return the dense row of a tensor; keys are the positions of sparse values."""
    if keys is None:
        if len(values) != expected.features:
            raise _width_error(place, len(values), expected.features)
        return values
    if np.unique(keys).size < keys.size:
        raise BadRequestError(f"{place} has a key twice.")
    if keys.shape != values.shape or (keys.size and int(keys.max()) >= expected.features):
        raise BadRequestError(f"{place}: there must be as many keys as values, each below {expected.features}.")
    dense = np.full(expected.features, nan if expected.allows_missing else 0.0)
    dense[keys] = values
    return dense


def _decode_recordio(body: bytes, expected: RowFormat) -> Matrix:
    data = memoryview(body)
    rows: list[Matrix] = []
    try:
        for start, end in recordio.split(data):
            place = f"Record {len(rows) + 1}"
            tensor = recordio.decode(data[start:end]).features.get("values")
            if tensor is None:
                raise BadRequestError(f'{place} has no features named "values".')
            rows.append(_row(tensor.values.astype(np.float64), tensor.keys, expected, place))
    except recordio.MalformedRecordError as error:
        raise BadRequestError(f"Record {len(rows) + 1}: {error}.") from None
    if not rows:
        raise BadRequestError("The request has no records.")
    return np.stack(rows)


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


DECODERS: dict[str, Callable[[bytes, RowFormat], Matrix]] = {
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
