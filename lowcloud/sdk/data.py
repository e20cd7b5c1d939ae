"""Data as people have it, made into channels: uploaded once, in the form that what trains on it reads."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk import columns, frames, storage
from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.columns import Columns, listed
from lowcloud.sdk.errors import InvalidInputError, asking

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


class Style(StrEnum):
    """What reads the data, and so which form tables take."""

    BUILT_IN = "built-in"  # CSV without a header, the label in front
    SCRIPT = "script"  # CSV with a header; arrays as .npy
    FUNCTION = "function"  # as they were given


@dataclass(frozen=True)
class Channel:
    """One named input of a job: where it lies, and how a function is to be given it."""

    name: str
    url: str
    content_type: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    columns: Columns | None = None  # of a table with names, for a built-in


def channels(
    cloud: Cloud,
    data: Data,
    validation: Source | float | None,
    target: str | int | None,
    style: Style,
    *,
    takes_missing: bool = True,
) -> list[Channel]:
    """The channels of a job; `takes_missing` where its features may lack values.

    Raises InvalidInputError, for tables before anything is stored.
    """
    if target is not None and style is not Style.BUILT_IN:
        raise InvalidInputError("target is for built-in algorithms: your own code finds the label in the data itself.")
    is_split = isinstance(validation, float)
    named = {
        name: _loaded(source, target, style, is_split=is_split, takes_missing=takes_missing)
        for name, source in _given(data, validation).items()
    }
    if isinstance(validation, float):
        named = _split(named["train"], validation)
    return [_channel(cloud, name, one, target, style) for name, one in named.items()]


def label_first(table: "pl.DataFrame", target: str | int | None, what: str) -> "pl.DataFrame":
    """Numbers alone, the label in the first column, as built-in algorithms read them. Raises InvalidInputError."""
    import polars as pl
    import polars.selectors as cs

    names = table.columns
    if isinstance(target, int) and not -len(names) <= target < len(names):
        raise InvalidInputError(f"There is no column {target} in {what}, which has {len(names)}.")
    label = names[target] if isinstance(target, int) else target
    if label not in names:
        raise InvalidInputError(f"There is no column {label!r} in {what}; it has {listed(names)}.")
    ordered = table.select([label, *(name for name in names if name != label)]).with_columns(cs.boolean().cast(pl.Int8))
    if odd := [name for name, kind in ordered.schema.items() if not kind.is_numeric()]:
        raise InvalidInputError(
            f"{listed(odd)} of {what} {'is' if len(odd) == 1 else 'are'} not numeric. Make numbers of them first, as "
            "pandas.get_dummies(data) and data[column].astype('category').cat.codes do."
        )
    return ordered.with_columns(cs.float().fill_nan(None))


def _given(data: Data, validation: Source | float | None) -> dict[str, Source]:
    """What was given for each channel, before a fraction is split off."""
    if isinstance(data, Mapping):
        if validation is not None:
            raise InvalidInputError(
                "validation goes with data of one piece; name a channel 'validation' in the mapping."
            )
        named = dict(data)
    else:
        named = {"train": data}
        if validation is not None and not isinstance(validation, float):
            named["validation"] = validation
    if odd := next((name for name in named if not CHANNEL.fullmatch(name)), None):
        raise InvalidInputError(f"{odd!r} cannot be the name of a channel: take up to 64 letters, digits, - and _.")
    return named


def _loaded(source: Source, target: str | int | None, style: Style, *, is_split: bool, takes_missing: bool) -> Any:
    """A table that can be trained on, also of a file that is to be changed; other data as it is."""
    what, table = "the data", source
    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    is_changed = is_split or (style is Style.BUILT_IN and target is not None)
    if path and is_changed and path.suffix in READERS and path.is_file():
        what, table = path.name, _read_table(path)
    if (library := frames.library(table)) and table.shape[:1] == (0,):  # type: ignore[union-attr]
        raise InvalidInputError(f"There is no row in {what}.")
    if library and style is Style.BUILT_IN:
        _check_cells(_numbers(table, library, target, what), what, takes_missing=takes_missing)
    return table


def _check_cells(table: "pl.DataFrame", what: str, *, takes_missing: bool) -> None:
    """Raises InvalidInputError naming the first column and row without a value; only the label's if `takes_missing`."""
    if table.width == 1:
        raise InvalidInputError(f"There is no column in {what} but the label {table.columns[0]!r}.")
    for name in table.columns[:1] if takes_missing else table.columns:
        if table[name].null_count():
            row = table[name].is_null().arg_true()[0]
            raise InvalidInputError(
                f"The column {name!r} has no value in row {row} of {what}, counted from 0. Leave such rows out or fill "
                "them, as dropna and fillna of pandas do."
            )


def _split(table: Any, fraction: float) -> dict[str, Any]:
    if not frames.library(table):
        raise InvalidInputError(
            f"validation={fraction} splits a table or a .csv or .parquet file; {table!r} is neither."
        )
    train, held_back = frames.split(table, fraction)
    return {"train": train, "validation": held_back}


def _channel(cloud: Cloud, name: str, data: Source, target: str | int | None, style: Style) -> Channel:
    if library := frames.library(data):
        return _of_table(cloud, name, data, library, target, style)
    if isinstance(data, str) and "://" in data:
        storage.split(data)
        content_type = _type_at(cloud, data) if style is Style.BUILT_IN else None
        return Channel(name, data, content_type, {"kind": "folder"})
    if not isinstance(data, str | Path):
        raise InvalidInputError(f"The data of channel {name!r} is a {type(data).__name__}; give {ACCEPTED}.")
    path = Path(data).expanduser()
    if path.is_dir():
        return _of_folder(cloud, name, path, style)
    if not path.is_file():
        raise InvalidInputError(f"There is no file or folder {str(path)!r}; give {ACCEPTED}.")
    if style is Style.BUILT_IN and path.suffix == ".csv" and (names := _names(path)):
        raise InvalidInputError(
            f"{path.name} names its columns; say which is the label, target= one of {listed(names)}."
        )
    url = storage.put(cloud, {path.name: path})
    return Channel(name, url, _type_of(path.suffix, style), {"kind": "file", "file": path.name})


def _of_folder(cloud: Cloud, name: str, folder: Path, style: Style) -> Channel:
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not files:
        raise InvalidInputError(f"The folder {str(folder)!r} holds no file.")
    suffix = next(iter(files.values())).suffix
    return Channel(name, storage.put(cloud, files), _type_of(suffix, style), {"kind": "folder"})


def _numbers(data: Any, library: str, target: str | int | None, what: str) -> "pl.DataFrame":
    """A table as built-in algorithms read it."""
    table = frames.to_polars(data)
    if target is None and library != "numpy":
        raise InvalidInputError(f"Say which column is the label: target=... one of {listed(table.columns)}.")
    return label_first(table, 0 if target is None else target, what)


def _of_table(cloud: Cloud, name: str, data: Any, library: str, target: str | int | None, style: Style) -> Channel:
    if style is Style.BUILT_IN:
        table = _numbers(data, library, target, "the data")
        file, content = f"{name}.csv", table.write_csv(include_header=False).encode()
        return Channel(name, storage.put(cloud, {file: content}), CSV, columns=_columns(data, table.columns[0]))
    if library == "numpy":
        file = f"{name}.npy"
        return Channel(name, storage.put(cloud, {file: _npy(data)}), None, {"kind": "numpy", "file": file})
    if style is Style.SCRIPT:
        file, content = f"{name}.csv", frames.to_polars(data).write_csv().encode()
        return Channel(name, storage.put(cloud, {file: content}), CSV)
    file = f"{name}.parquet"
    content, description = frames.to_parquet(data)
    return Channel(name, storage.put(cloud, {file: content}), None, {**description, "file": file})


def _columns(data: Any, label: str) -> Columns | None:
    if frames.library(data) == "numpy":
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
        raise InvalidInputError(f"An array of {array.dtype} cannot be sent; make it one of numbers or texts.") from None
    return target.getvalue()


def _read_csv(path: Path) -> Any:
    """A table, or an array where the columns have no names."""
    import polars as pl

    if _names(path):
        return pl.read_csv(path, infer_schema_length=None)
    return pl.read_csv(path, has_header=False, infer_schema_length=None).to_numpy()


def _read_parquet(path: Path) -> Any:
    import polars as pl

    return pl.read_parquet(path)


READERS = {".csv": _read_csv, ".parquet": _read_parquet}


def _read_table(path: Path) -> Any:
    frames.require_polars()
    import polars as pl

    try:
        return READERS[path.suffix](path)
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(f"{path} cannot be read as a table: {error}") from None


def _names(path: Path) -> list[str]:
    """What a CSV file calls its columns; nothing where it begins with numbers."""
    with path.open(newline="", errors="replace") as file:
        first = next(csv.reader(file), [])
    return first if any(cell and not _is_number(cell) for cell in first) else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _type_of(suffix: str, style: Style) -> str | None:
    return CONTENT_TYPES.get(suffix.lower(), CSV) if style is Style.BUILT_IN else None


def _type_at(cloud: Cloud, url: str) -> str | None:
    bucket, prefix = storage.split(url)
    with asking():
        found = cloud.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", [])
    return _type_of(Path(found[0]["Key"]).suffix, Style.BUILT_IN) if found else None
