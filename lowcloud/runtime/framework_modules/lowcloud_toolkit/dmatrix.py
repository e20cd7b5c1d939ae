"""XGBoost matrices from the files of a channel and from requests."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lowcloud_toolkit import arrays
from lowcloud_toolkit.errors import ClientError, UnsupportedFormatError

CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF = "csv", "libsvm", "parquet", "recordio-protobuf"
CONTENT_TYPES = {
    CSV: ("csv", "text/csv"),
    LIBSVM: ("libsvm", "text/libsvm", "text/x-libsvm"),
    PARQUET: ("parquet", "application/x-parquet"),
    RECORDIO_PROTOBUF: ("recordio-protobuf", "application/x-recordio-protobuf"),
}
DELIMITERS = ",;\t|: "


def get_content_type(content_type_cfg_val: str | None) -> str:
    """Return the format of a content type: csv, libsvm, parquet or recordio-protobuf. Raises ClientError."""
    if content_type_cfg_val is None:
        return LIBSVM
    media_type = arrays.media_type(content_type_cfg_val)
    for form, names in CONTENT_TYPES.items():
        if media_type in names:
            return form
    raise ClientError(f"{content_type_cfg_val} is not one of {', '.join(sum(CONTENT_TYPES.values(), ()))}.")


def get_dmatrix(data_path: str | Sequence[str], content_type: str, csv_weights: int = 0, is_pipe: bool = False) -> Any:
    """Return the matrix of a file, or of all files of a folder; None if there is none.

    CSV and parquet have the label in the first column, CSV with `csv_weights` weights in the second.
    Raises ClientError.
    """
    if is_pipe:
        raise ClientError("get_dmatrix does not read pipes here. Use the input mode File or FastFile.")
    form = get_content_type(content_type)
    places = [data_path] if isinstance(data_path, str) else list(data_path)
    files = [file for place in places for file in sorted(_files(place))]
    return READERS[form](files, csv_weights) if files else None


def csv_to_dmatrix(input_data: str | bytes, dtype: Any = None) -> Any:
    """Return the matrix of a request's CSV, which has no label; an empty field is a missing value."""
    import xgboost

    text = input_data.decode() if isinstance(input_data, bytes) else input_data
    return xgboost.DMatrix(_numbers(text.strip(), _delimiter(text), "The request"))


def libsvm_to_dmatrix(string_like: str | bytes) -> Any:
    """Return the matrix of a request's libsvm rows, with or without labels."""
    import xgboost

    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    lines = (line if ":" not in line.split(None, 1)[0] else f"0 {line}" for line in text.splitlines() if line.strip())
    return xgboost.DMatrix(_sparse(list(lines), "The request")[0])


def decode(obj: str | bytes, content_type: str) -> Any:
    """Return the matrix of a request. Raises UnsupportedFormatError."""
    media_type = arrays.media_type(content_type)
    if media_type in CONTENT_TYPES[CSV]:
        return csv_to_dmatrix(obj)
    if media_type in CONTENT_TYPES[LIBSVM]:
        return libsvm_to_dmatrix(obj)
    raise UnsupportedFormatError(content_type)


def _read_csv(files: Sequence[str], weighted: int) -> Any:
    import numpy as np
    import xgboost

    parts = []
    for file in files:
        with open(file, newline="") as opened:
            text = opened.read()
        parts.append(_numbers(text, _delimiter(text), file))
    rows = np.vstack(parts)
    first = 2 if weighted else 1
    return xgboost.DMatrix(rows[:, first:], label=rows[:, 0], weight=rows[:, 1] if weighted else None)


def _read_libsvm(files: Sequence[str], _weighted: int) -> Any:
    import xgboost

    lines: list[str] = []
    for file in files:
        with open(file) as opened:
            lines += opened.read().splitlines()
    matrix, labels, weights = _sparse(lines, ", ".join(files))
    return xgboost.DMatrix(matrix, label=labels, weight=weights)


def _read_parquet(files: Sequence[str], _weighted: int) -> Any:
    import pandas
    import xgboost

    rows = pandas.concat([pandas.read_parquet(file) for file in files], ignore_index=True)
    return xgboost.DMatrix(rows.iloc[:, 1:].to_numpy(), label=rows.iloc[:, 0].to_numpy())


def _refuse_recordio(files: Sequence[str], _weighted: int) -> Any:
    raise ClientError(f"{files[0]}: get_dmatrix does not read recordio-protobuf here. Use csv, libsvm or parquet.")


READERS: dict[str, Callable[[Sequence[str], int], Any]] = {
    CSV: _read_csv,
    LIBSVM: _read_libsvm,
    PARQUET: _read_parquet,
    RECORDIO_PROTOBUF: _refuse_recordio,
}


def _files(place: str) -> Iterator[str]:
    """Yield a file, or the files below a folder except those whose name or folder begins with . or _ (_SUCCESS)."""
    if os.path.isfile(place):
        yield place
    for folder, folders, names in os.walk(place, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (os.path.join(folder, name) for name in names if not name.startswith((".", "_")))


def _delimiter(text: str) -> str:
    line = text.lstrip().partition("\n")[0].strip()
    try:
        return csv.Sniffer().sniff(line, DELIMITERS).delimiter if line else ","
    except csv.Error:  # one column
        return ","


def _numbers(text: str, delimiter: str, place: str) -> Any:
    import numpy as np

    rows: list[list[float]] = []
    for number, fields in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        if not fields:
            continue
        if rows and len(fields) != len(rows[0]):
            raise ClientError(f"{place}: line {number} has {len(fields)} fields, the first has {len(rows[0])}.")
        try:
            rows.append([float(field) if field.strip() else float("nan") for field in fields])
        except ValueError as error:
            raise ClientError(f"{place}: line {number}: {error}. Numbers without a header are expected.") from error
    return np.array(rows, dtype=np.float32, ndmin=2)


def _sparse(lines: Sequence[str], place: str) -> tuple[Any, list[float], list[float]]:
    """Return the rows of libsvm lines `label[:weight] index:value ...`, their labels and weights."""
    from scipy.sparse import csr_matrix

    labels, weights, ends = [], [], [0]
    values: list[float] = []
    columns: list[int] = []
    for number, line in enumerate(lines, 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            label, _, weight = fields[0].partition(":")
            labels.append(float(label))
            weights.append(float(weight or 1))
            entries = {}
            for field in fields[1:]:
                index, _, value = field.partition(":")
                entries[int(index)] = float(value)
            if len(entries) < len(fields) - 1:
                raise ValueError("an index occurs twice")
            columns += entries.keys()
            values += entries.values()
        except ValueError as error:
            raise ClientError(f"{place}: line {number} is not libsvm: {error}.") from error
        ends.append(len(values))
    return csr_matrix((values, columns, ends)), labels, weights
