"""Matches the rows of the truth with those of the predictions: by a column that both have, otherwise by order."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.processing.program import require_columns
from lowcloud.schemas.tables import BLANKS

TRUTH, PREDICTIONS = "truth", "predictions"
ORDER = "order"


@dataclass(frozen=True)
class MatchedRows:
    """Truth and predictions side by side; `matched_by` is the column that joined two tables, or "order"."""

    frame: pl.DataFrame
    matched_by: str | None = None  # None: they were in one table
    warnings: tuple[str, ...] = ()


def match(left: pl.DataFrame, right: pl.DataFrame, key: str, compared: Collection[str]) -> MatchedRows:
    """Join truth and predictions by a column: the given one, or else one that identifies the rows of both.

    Columns that are `compared` are no keys. Raises ClientError.
    """
    shared = [name for name in left.columns if name in right.columns and name not in compared]
    shared = [name for name in shared if not name.startswith(("column_", "score_"))]  # "column_" without a header
    shared.sort(key=lambda name: not _is_called_id(name))
    key = key or next((name for name in shared if _identifies(left[name], right[name])), "")
    key = key or next((name for name in shared if _is_called_id(name)), "")
    if key:
        return MatchedRows(_join(left, right, key), key)
    if len(left) != len(right):
        raise ClientError(
            f"{TRUTH} has {len(left)} rows and {PREDICTIONS} {len(right)}: rows are matched by their order. "
            "Pass the column that joins them in id."
        )
    warning = (
        f"The rows of {TRUTH} and {PREDICTIONS} were matched by their order. Pass the column that joins them in id."
    )
    for name in shared:
        differs = normalise_labels(left[name]).ne_missing(normalise_labels(right[name]))
        if differs.any():
            warning += f" Column {name!r} of both differs in {int(differs.sum())} rows: is the order the same?"
            break
    right = right.rename({name: f"{PREDICTIONS}.{name}" for name in right.columns if name in left.columns})
    return MatchedRows(pl.concat([left, right], how="horizontal"), ORDER, (warning,))


def normalise_labels(series: pl.Series) -> pl.Series:
    """Convert labels to texts, such that 1, 1.0 and "1.0" are equal."""
    if series.dtype == pl.Boolean:
        return series.cast(pl.String)
    cast = series.cast(pl.Float64, strict=False)
    is_whole = (cast == cast.floor()) & (cast.abs() < 2**53)
    texts = series.cast(pl.String).str.strip_chars(BLANKS)
    return cast.set(~is_whole.fill_null(False), None).cast(pl.Int64).cast(pl.String).fill_null(texts)


def _is_called_id(name: str) -> bool:
    return name.lower() in ("id", "key", "uuid", "index") or name.lower().endswith(("_id", " id", "-id"))


def _identifies(left: pl.Series, right: pl.Series) -> bool:
    """Return whether both have the same values, each once."""
    one, other = normalise_labels(left), normalise_labels(right)
    is_key = len(one) == len(other) and not one.null_count() and one.is_unique().all()
    return bool(is_key) and set(one) == set(other)


def _join(left: pl.DataFrame, right: pl.DataFrame, key: str) -> pl.DataFrame:
    for frame, place in ((left, TRUTH), (right, PREDICTIONS)):
        require_columns([key], frame.columns, "id")
        keys = normalise_labels(frame[key])  # 1 and 01 would both match either row
        duplicates = frame.filter(keys.is_duplicated())
        if len(duplicates):
            raise ClientError(f"{place}, column {key!r}: {duplicates[key][0]!r} occurs more than once.")
    left, right = left.with_columns(normalise_labels(left[key])), right.with_columns(normalise_labels(right[key]))
    lacking = left.join(right, on=key, how="anti")
    if len(lacking):
        raise ClientError(
            f"{PREDICTIONS} has no row for {len(lacking)} of the {len(left)} rows in {TRUTH}, "
            f"e.g. for {key}={lacking[key][0]!r}."
        )
    return left.join(right, on=key, how="left", maintain_order="left", suffix=f".{PREDICTIONS}")
