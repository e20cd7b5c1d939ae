"""Applies a transform to the raw rows of requests (CSV, JSON or JSON Lines) before a model's predictor.

Nothing is guessed: a cell that its column cannot have, a missing or unknown name, a blank line and a row without names
that could be read in two ways are refused.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np

from lowcloud.runtime.feature_transforms import Transform
from lowcloud.runtime.feature_transforms.cells import Texts
from lowcloud.runtime.formats import BadRequestError, UnsupportedMediaTypeError
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.schemas.tables import BLANKS, LONGEST_CELL

CSV = "text/csv"
CONTENT_TYPES = (CSV, "application/json", "application/jsonlines", "application/jsonl")
KINDS = {"number": "a number", "time": "a time in the format of training", "boolean": "true or false", "text": "a text"}
LOGGED_LEVELS = 100
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
        self._required = set(self._used)
        self._known = {source.name for source in transform.sources}
        self._layouts = _layouts(transform)
        self._levels = [
            (i, name, transform.levels[name]) for i, name in enumerate(self._used) if name in transform.levels
        ]
        self._logged: set[tuple[str, str | None]] = set()
        transform.row([None] * len(self._used))  # builds what rows need, before the first request

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Respond as the predictor does. Raises formats.BadRequestError and UnsupportedMediaTypeError."""
        rows = self.decode(body, content_type)
        found = self._transform_each(rows) if len(rows) < BATCH else self._transform_columns(rows)
        lines = [",".join(map(repr, row)) for row in found]
        return self._predictor.respond("\n".join(lines).encode(), CSV, accept)

    def _transform_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        found = []
        for number, cells in enumerate(rows, 1):
            values = self._transform.read(cells)
            for i, value in enumerate(values):
                if value != value:
                    self._check_missing(cells[i], number, i)
            for i, name, levels in self._levels:
                if values[i] not in levels:
                    self._log_unknown(name, values[i])  # type: ignore[arg-type]
            found.append(self._transform.features_of(values))
        return found

    def _transform_columns(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        columns = self._transform.read_columns(rows)
        for i, values in enumerate(columns.values()):
            if isinstance(values, np.ndarray):
                for row in np.flatnonzero(np.isnan(values)).tolist():
                    self._check_missing(rows[row][i], row + 1, i)
        for _, name, levels in self._levels:
            column = columns[name]
            assert isinstance(column, Texts)
            for level in column.levels:
                if level not in levels:
                    self._log_unknown(name, level)
        return self._transform.block(columns).tolist()  # type: ignore[no-any-return]

    def _log_unknown(self, name: str, level: str | None) -> None:
        """Write to the log, once, that a text is encoded as unknown."""
        if (name, level) in self._logged or len(self._logged) > LOGGED_LEVELS:
            return
        self._logged.add((name, level))
        if len(self._logged) > LOGGED_LEVELS:
            print("Further values that training did not have are not written to the log.", flush=True)
            return
        shown = "a missing value" if level is None else repr(level[:60])
        print(f"Column {name!r}: {shown} has no category in the training data, and counts as unknown.", flush=True)

    def _check_missing(self, cell: Any, number: int, column: int) -> None:
        """Raise BadRequestError for a cell without a value that does not mean a missing one."""
        if not self._transform.rules.is_missing(cell):
            source = self._transform.used[column]
            raise BadRequestError(
                f"Row {number}, column {source.name!r}: {str(cell)[:60]!r} is not {KINDS[source.kind]}. "
                "Correct it, or leave it empty if the value is missing."
            )

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
        text = text.removeprefix("\ufeff").rstrip("\r\n")
        if not text:
            return []
        csv.field_size_limit(LONGEST_CELL)  # of this process, which serves this model alone
        try:
            quoted = csv.reader(io.StringIO(text, newline=""), strict=True) if '"' in text else None
            cells = list(quoted) if quoted else [line.rstrip("\r").split(",") for line in text.split("\n")]
        except csv.Error as error:
            raise BadRequestError(f"The request is not valid CSV: {error}.") from None
        names = [name.strip(BLANKS) for name in cells[0]]
        has_header = sum(name in self._known for name in names) * 2 > len(names)
        rows = cells[1:] if has_header else cells
        for i, row in enumerate(rows, 1):
            if not any(row) and len(row) < 2:
                raise BadRequestError(f"Row {i} is blank. Remove blank lines: each row gets one prediction.")
        if not has_header:
            return [self._positional(row, i) for i, row in enumerate(rows, 1)]
        self._check_names(names, "The header")
        indices = [names.index(name) for name in self._used]
        return [self._pick(row, indices, len(names), i) for i, row in enumerate(rows, 1)]

    def _json(self, text: str, is_lines: bool) -> list[Sequence[Any]]:
        try:
            document = [json.loads(line) for line in text.rstrip().split("\n")] if is_lines else json.loads(text)
        except (ValueError, RecursionError):
            what = "JSON: each line must be one row" if is_lines and text.strip() else "JSON"
            raise BadRequestError(f"The request is not valid {what}.") from None
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
        layouts = self._layouts.get(len(row), [])
        if len(layouts) == 1:
            return [row[index] for index in layouts[0].values()]
        if layouts:
            raise BadRequestError(
                f"Row {number} has {len(row)} values, which may be with or without the columns that training left out. "
                f"Send {', '.join(self._used)} in this order, or send names: a header in CSV, objects in JSON."
            )
        expected = " or ".join(str(length) for length in sorted(self._layouts) if len(self._layouts[length]) == 1)
        raise BadRequestError(f"Row {number} has {len(row)} values; {expected} were expected: {', '.join(self._used)}.")

    def _pick(self, row: Sequence[str], places: Sequence[int], width: int, number: int) -> list[str]:
        if len(row) != width:
            raise BadRequestError(f"Row {number} has {len(row)} values; the header has {width}.")
        return [row[place] for place in places]

    def _check_names(self, names: Collection[str], place: str) -> None:
        """Raise BadRequestError unless all columns that are used are named, once, and no unknown ones."""
        distinct = set(names)
        if len(distinct) == len(names) and self._known >= distinct >= self._required:
            return
        for name, count in Counter(list(names)).items():
            if name not in self._known:
                hint = did_you_mean(name, self._used, f"The columns are {', '.join(self._used)}.")
                raise BadRequestError(f"{place}: there is no column {name!r}. {hint}")
            if count > 1:
                raise BadRequestError(f"{place} has the column {name!r} twice.")
        for name in self._used:
            if name not in distinct:
                raise BadRequestError(f"{place} does not have the column {name!r}; a missing value is empty or null.")


def _layouts(transform: Transform) -> dict[int, list[dict[str, int]]]:
    """Return the places of the used columns in rows without names, by length; several if a length is ambiguous.

    A row may have the columns of features only, or all columns, with or without the target and those left out.
    """
    used = [source.name for source in transform.used]
    found: dict[int, list[dict[str, int]]] = {len(used): [{name: i for i, name in enumerate(used)}]}
    for roles in product(("target", ""), ("dropped", "")):
        names = [source.name for source in transform.sources if source.role not in roles]
        layout = {name: names.index(name) for name in used}
        if layout not in found.setdefault(len(names), []):
            found[len(names)].append(layout)
    return found


def _is_cell(value: Any) -> bool:
    return not isinstance(value, list | dict)
