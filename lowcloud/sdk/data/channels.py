"""Turns tables, files and URLs into input channels: uploaded once, in the format that the model's code reads."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk import storage
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data import columns, tables
from lowcloud.sdk.data.columns import Columns, format_names
from lowcloud.sdk.errors import InvalidInputError, translate_errors

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Source: TypeAlias = Union["pd.DataFrame", "pl.DataFrame", "NDArray[Any]", str, Path]
Data: TypeAlias = Source | Mapping[str, Source]

CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
CSV = "text/csv"
CONTENT_TYPES = {
    ".csv": CSV,
    ".libsvm": "text/libsvm",
    ".svm": "text/libsvm",
    ".parquet": "application/x-parquet",
    ".pbr": "application/x-recordio-protobuf",
    ".rec": "application/x-recordio-protobuf",
    ".recordio": "application/x-recordio-protobuf",
}
ACCEPTED = "a DataFrame, an array, a file, a folder, an s3:// URL, or a mapping of channel names to these"


class ModelKind(StrEnum):
    """The kind of code that reads the data, which determines the format of tables."""

    BUILT_IN = "built-in"  # CSV without a header, label in the first column
    SCRIPT = "script"  # CSV with a header; arrays as .npy
    FUNCTION = "function"  # restored to the type that was given


@dataclass(frozen=True)
class Channel:
    """One named input of a job: its URL, and how to restore it for a function."""

    name: str
    url: str
    content_type: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    columns: Columns | None = None  # of a table with column names, for a built-in algorithm


def create_channels(
    cloud: Cloud,
    data: Data,
    validation: Source | float | None,
    target: str | int | None,
    model_kind: ModelKind,
    *,
    allows_missing: bool = True,
) -> list[Channel]:
    """Upload the data and return the channels of a job. `allows_missing`: features may have missing values.

    Raises InvalidInputError; all tables are checked before anything is uploaded.
    """
    if target is not None and model_kind is not ModelKind.BUILT_IN:
        raise InvalidInputError("target is for built-in algorithms; your own code selects the label itself.")
    is_split = isinstance(validation, float)
    named = {
        name: _load(source, target, model_kind, is_split=is_split, allows_missing=allows_missing)
        for name, source in _sources(data, validation).items()
    }
    if isinstance(validation, float):
        named = _split_validation(named["train"], validation)
    return [_channel(cloud, name, one, target, model_kind) for name, one in named.items()]


def label_first(table: "pl.DataFrame", target: str | int | None, what: str) -> "pl.DataFrame":
    """Return the table with the label first and all columns numeric. Raises InvalidInputError."""
    import polars as pl
    import polars.selectors as cs

    names = table.columns
    if isinstance(target, int) and not -len(names) <= target < len(names):
        raise InvalidInputError(f"There is no column {target} in {what}, which has {len(names)} columns.")
    label = names[target] if isinstance(target, int) else target
    if label not in names:
        raise InvalidInputError(f"There is no column {label!r} in {what}; its columns are {format_names(names)}.")
    ordered = table.select([label, *(name for name in names if name != label)]).with_columns(cs.boolean().cast(pl.Int8))
    if not_numeric := [name for name, dtype in ordered.schema.items() if not dtype.is_numeric()]:
        raise InvalidInputError(
            f"Not numeric in {what}: {format_names(not_numeric)}. Encode such columns as numbers first, e.g. with "
            "pandas.get_dummies(data) or data[column].astype('category').cat.codes."
        )
    return ordered.with_columns(cs.float().fill_nan(None))


def _sources(data: Data, validation: Source | float | None) -> dict[str, Source]:
    """Return the data given for each channel, before a fraction is held out."""
    if isinstance(data, Mapping):
        if validation is not None:
            raise InvalidInputError(
                "validation cannot be combined with a mapping; name a channel 'validation' in the mapping instead."
            )
        named = dict(data)
    else:
        named = {"train": data}
        if validation is not None and not isinstance(validation, float):
            named["validation"] = validation
    if invalid := next((name for name in named if not CHANNEL.fullmatch(name)), None):
        raise InvalidInputError(f"{invalid!r} is not a valid channel name: use up to 64 letters, digits, - and _.")
    return named


def _load(
    source: Source, target: str | int | None, model_kind: ModelKind, *, is_split: bool, allows_missing: bool
) -> Any:
    """Return a validated table, read from its file if the data must be changed; other data unchanged."""
    what, table = "the data", source
    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    is_changed = is_split or (model_kind is ModelKind.BUILT_IN and target is not None)
    if path and is_changed and path.suffix in READERS and path.is_file():
        what, table = path.name, _read_table(path)
    if (library := tables.library_of(table)) and table.shape[:1] == (0,):  # type: ignore[union-attr]
        raise InvalidInputError(f"There are no rows in {what}.")
    if library and model_kind is ModelKind.BUILT_IN:
        _check_cells(_numbers(table, library, target, what), what, allows_missing=allows_missing)
    return table


def _check_cells(table: "pl.DataFrame", what: str, *, allows_missing: bool) -> None:
    """Raise InvalidInputError for the first missing value, of the label only if `allows_missing`."""
    if table.width == 1:
        raise InvalidInputError(f"The only column in {what} is the label {table.columns[0]!r}.")
    for name in table.columns[:1] if allows_missing else table.columns:
        if table[name].null_count():
            row = table[name].is_null().arg_true()[0]
            raise InvalidInputError(
                f"The column {name!r} has no value in row {row} of {what}, counted from 0. Drop such rows or fill in "
                "values, for example with pandas' dropna or fillna."
            )


def _split_validation(table: Any, fraction: float) -> dict[str, Any]:
    if not tables.library_of(table):
        raise InvalidInputError(
            f"validation={fraction} needs a table or a .csv or .parquet file; {table!r} is neither."
        )
    train, held_out = tables.split_rows(table, fraction)
    return {"train": train, "validation": held_out}


def _channel(cloud: Cloud, name: str, data: Source, target: str | int | None, model_kind: ModelKind) -> Channel:
    if library := tables.library_of(data):
        return _upload_table(cloud, name, data, library, target, model_kind)
    if isinstance(data, str) and "://" in data:
        storage.parse_url(data)
        content_type = _content_type_at(cloud, data) if model_kind is ModelKind.BUILT_IN else None
        return Channel(name, data, content_type, {"kind": "folder"})
    if not isinstance(data, str | Path):
        raise InvalidInputError(f"The data of channel {name!r} has type {type(data).__name__}; give {ACCEPTED}.")
    path = Path(data).expanduser()
    if path.is_dir():
        return _upload_folder(cloud, name, path, model_kind)
    if not path.is_file():
        raise InvalidInputError(f"There is no file or folder {str(path)!r}; give {ACCEPTED}.")
    if model_kind is ModelKind.BUILT_IN and path.suffix == ".csv" and (names := _header(path)):
        raise InvalidInputError(
            f"{path.name} has a header; set target= to its label column, one of {format_names(names)}."
        )
    url = storage.upload(cloud, {path.name: path})
    return Channel(name, url, _content_type(path.suffix, model_kind), {"kind": "file", "file": path.name})


def _upload_folder(cloud: Cloud, name: str, folder: Path, model_kind: ModelKind) -> Channel:
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not files:
        raise InvalidInputError(f"The folder {str(folder)!r} contains no files.")
    suffix = next(iter(files.values())).suffix
    return Channel(name, storage.upload(cloud, files), _content_type(suffix, model_kind), {"kind": "folder"})


def _numbers(data: Any, library: str, target: str | int | None, what: str) -> "pl.DataFrame":
    """Return a table as built-in algorithms need it."""
    table = tables.to_polars(data)
    if target is None and library != "numpy":
        raise InvalidInputError(f"Set target= to the label column, one of {format_names(table.columns)}.")
    return label_first(table, 0 if target is None else target, what)


def _upload_table(
    cloud: Cloud, name: str, data: Any, library: str, target: str | int | None, model_kind: ModelKind
) -> Channel:
    if model_kind is ModelKind.BUILT_IN:
        table = _numbers(data, library, target, "the data")
        file, content = f"{name}.csv", table.write_csv(include_header=False).encode()
        return Channel(name, storage.upload(cloud, {file: content}), CSV, columns=_columns(data, table.columns[0]))
    if library == "numpy":
        file = f"{name}.npy"
        return Channel(name, storage.upload(cloud, {file: _npy(data)}), None, {"kind": "numpy", "file": file})
    if model_kind is ModelKind.SCRIPT:
        file, content = f"{name}.csv", tables.to_polars(data).write_csv().encode()
        return Channel(name, storage.upload(cloud, {file: content}), CSV)
    file = f"{name}.parquet"
    content, description = tables.to_parquet(data)
    return Channel(name, storage.upload(cloud, {file: content}), None, {**description, "file": file})


def _columns(data: Any, label: str) -> Columns | None:
    if tables.library_of(data) == "numpy":
        return None
    names = list(data.columns)
    return columns.of_table(names, [str(name) for name in names].index(label))


def _npy(array: Any) -> bytes:
    from io import BytesIO

    import numpy as np

    target = BytesIO()
    try:
        np.save(target, array, allow_pickle=False)
    except ValueError:
        raise InvalidInputError(
            f"An array of {array.dtype} cannot be sent; convert it to numbers or strings."
        ) from None
    return target.getvalue()


def _read_csv(path: Path) -> Any:
    """Return a table, or an array if the file has no header."""
    import polars as pl

    if _header(path):
        return pl.read_csv(path, infer_schema_length=None)
    return pl.read_csv(path, has_header=False, infer_schema_length=None).to_numpy()


def _read_parquet(path: Path) -> Any:
    import polars as pl

    return pl.read_parquet(path)


READERS = {".csv": _read_csv, ".parquet": _read_parquet}


def _read_table(path: Path) -> Any:
    tables.require_polars()
    import polars as pl

    try:
        return READERS[path.suffix](path)
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(f"{path} cannot be read as a table: {error}") from None


def _header(path: Path) -> list[str]:
    """Return the header of a CSV file, empty if its first line contains only numbers."""
    with path.open(newline="", errors="replace") as file:
        first = next(csv.reader(file), [])
    return first if any(cell and not _is_number(cell) for cell in first) else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _content_type(suffix: str, model_kind: ModelKind) -> str | None:
    return CONTENT_TYPES.get(suffix.lower(), CSV) if model_kind is ModelKind.BUILT_IN else None


def _content_type_at(cloud: Cloud, url: str) -> str | None:
    bucket, prefix = storage.parse_url(url)
    with translate_errors():
        found = cloud.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", [])
    return _content_type(Path(found[0]["Key"]).suffix, ModelKind.BUILT_IN) if found else None
