"""Applies a transform to the raw rows of requests (CSV, JSON or JSON Lines) before a model's predictor."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lowcloud.runtime.feature_transforms import Transform
from lowcloud.runtime.formats import BadRequestError, UnsupportedMediaTypeError

CSV = "text/csv"
CONTENT_TYPES = (CSV, "application/json", "application/jsonlines", "application/jsonl")
BATCH = 32  # from this number of rows on, processing columns is faster


class TransformingPredictor(Protocol):
    """A loaded model."""

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]: ...


class TransformedPredictor:
    """Answers requests with raw rows: transforms them and calls the predictor."""

    def __init__(self, predictor: TransformingPredictor, transform: Transform):
        self._predictor = predictor
        self._transform = transform
        self._used = [source.name for source in transform.used]
        without_target = [source.name for source in transform.sources if source.role != "target"]
        all_columns = [source.name for source in transform.sources]
        # A row may have only the columns of features, all but the target, or all; columns not needed are ignored.
        self._layouts = {len(names): names for names in (all_columns, without_target, self._used)}
        self._known = set(all_columns)
        transform.row([None] * len(self._used))  # builds what rows need, before the first request

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Respond as the predictor does. Raises formats.BadRequestError and UnsupportedMediaTypeError."""
        rows = self.decode(body, content_type)
        if len(rows) < BATCH:
            lines = [",".join(map(repr, self._transform.row(row))) for row in rows]
        else:
            lines = [",".join(map(repr, row)) for row in self._transform.rows(rows).tolist()]
        return self._predictor.respond("\n".join(lines).encode(), CSV, accept)

    def decode(self, body: bytes, content_type: str) -> Sequence[Sequence[Any]]:
        """Decode the raw rows of a request, with cells in the order of the transform's `used` columns."""
        media_type = content_type.partition(";")[0].strip().lower() or CSV
        if media_type not in CONTENT_TYPES:
            raise UnsupportedMediaTypeError(
                f"Content type {content_type[:80]!r} is not supported. Send raw rows as {', '.join(CONTENT_TYPES)}."
            )
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequestError("The request is not valid UTF-8.") from None
        rows = self._csv(text) if media_type == CSV else self._json(text, is_lines=media_type != "application/json")
        if not rows:
            raise BadRequestError("The request has no rows.")
        return rows

    def _csv(self, text: str) -> list[Sequence[Any]]:
        text = text.strip("\r\n")
        if not text:
            return []
        try:
            quoted = csv.reader(io.StringIO(text, newline="")) if '"' in text else None
            cells = list(quoted) if quoted else [line.rstrip("\r").split(",") for line in text.split("\n")]
        except csv.Error as error:
            raise BadRequestError(f"The request is not valid CSV: {error}.") from None
        names = [name.strip() for name in cells[0]]
        if len(names) == len(set(names)) and self._known.issuperset(names):  # a header
            places = self._column_indices(names, "The header")
            return [self._pick(row, places, len(names), i) for i, row in enumerate(cells[1:], 1)]
        return [self._positional(row, i) for i, row in enumerate(cells, 1)]

    def _json(self, text: str, is_lines: bool) -> list[Sequence[Any]]:
        try:
            document = (
                [json.loads(line) for line in text.splitlines() if line.strip()] if is_lines else json.loads(text)
            )
        except (ValueError, RecursionError):
            raise BadRequestError("The request is not valid JSON.") from None
        if isinstance(document, dict):
            document = document.get("instances", document)
        if isinstance(document, dict) or (isinstance(document, list) and document and _is_cell(document[0])):
            document = [document]
        if not isinstance(document, list):
            raise BadRequestError('The request must look like {"instances": [{"column": value, ...}, ...]}.')
        return [self._instance(entry, i) for i, entry in enumerate(document, 1)]

    def _instance(self, entry: Any, number: int) -> Sequence[Any]:
        if isinstance(entry, dict) and entry.keys() == {"features"} and "features" not in self._known:
            entry = entry["features"]
        if isinstance(entry, Mapping):
            self._check_names(entry, f"Row {number}")
            cells: Sequence[Any] = [entry.get(name) for name in self._used]
        elif isinstance(entry, list):
            cells = self._positional(entry, number)
        else:
            raise BadRequestError(f"Row {number} must be an object of columns or a list of values.")
        if not all(map(_is_cell, cells)):
            raise BadRequestError(f"Row {number} has a list or an object instead of a value.")
        return cells

    def _positional(self, row: Sequence[Any], number: int) -> Sequence[Any]:
        if len(row) == len(self._used):
            return row
        names = self._layouts.get(len(row))
        if names is None:
            expected = " or ".join(map(str, sorted(self._layouts)))
            raise BadRequestError(
                f"Row {number} has {len(row)} values; {expected} were expected: {', '.join(self._used)}."
            )
        return [row[names.index(name)] for name in self._used]

    def _column_indices(self, names: Sequence[str], place: str) -> list[int]:
        missing = [name for name in self._used if name not in names]
        if missing:
            raise BadRequestError(f"{place} does not have the column {missing[0]!r}.")
        return [names.index(name) for name in self._used]

    def _pick(self, row: Sequence[str], places: Sequence[int], width: int, number: int) -> list[str]:
        if len(row) != width:
            raise BadRequestError(f"Row {number} has {len(row)} values; the header has {width}.")
        return [row[place] for place in places]

    def _check_names(self, names: Iterable[str], place: str) -> None:
        for name in names:
            if name not in self._known:
                raise BadRequestError(f"{place}: there is no column {name!r}; the columns are {', '.join(self._used)}.")


def _is_cell(value: Any) -> bool:
    return not isinstance(value, list | dict)
