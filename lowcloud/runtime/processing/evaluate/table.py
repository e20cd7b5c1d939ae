"""Reads truth and predictions from files into one validated table with the columns to compare."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.processing import tables
from lowcloud.runtime.processing.evaluate import matching
from lowcloud.runtime.processing.evaluate.matching import PREDICTIONS, TRUTH
from lowcloud.runtime.processing.program import Arguments, require_columns
from lowcloud.schemas.tables import BLANKS

LABEL, PREDICTED, SCORE = "label", "predicted_label", "score"
PREDICTION_NAMES = (PREDICTED, "prediction", "predictions", "predicted")
SCORE_NAMES = (SCORE, "scores", "probability", "probabilities")
CLASSES = 30  # distinct integers up to which task=auto treats labels as classes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ComparedRows:
    """The rows to compare: truth and predictions as texts or numbers, and scores (rows,) or (rows, classes)."""

    truth: pl.Series
    predicted: pl.Series | None
    scores: Floats | None
    weights: Floats
    score_names: tuple[str, ...]
    left_out: int
    source: str


def read(base: Path, settings: Arguments) -> matching.MatchedRows:
    """Read all columns of one table, or of truth and predictions joined. Raises ClientError."""
    folder = base / "input"
    truth, predictions = folder / TRUTH, folder / PREDICTIONS
    if not (truth.is_dir() and predictions.is_dir()):
        return matching.MatchedRows(tables.read(folder, settings, skip=("model",), is_evaluation=True))
    left, right = (_part(place, settings) for place in (truth, predictions))
    compared = {settings.text(name) for name in ("label", "prediction", "scores", "weight")}
    compared |= {LABEL, *PREDICTION_NAMES, *SCORE_NAMES}
    return matching.match(left, right, settings.text("id"), compared)


def select_columns(frame: pl.DataFrame, settings: Arguments, label: str | None = None) -> ComparedRows:
    """Select the columns given by the arguments or by their names, without incomplete rows. Raises ClientError."""
    if not len(frame):
        raise ClientError("The input has no rows. Check that the S3 prefix contains files with data.")
    label = label or find_column(frame, settings, "label")
    score_names = [_resolve_column(frame, name, "scores") for name in settings.names("scores")]
    predicted = (
        _resolve_column(frame, settings.text("prediction"), "prediction") if settings.has("prediction") else None
    )
    if not score_names and predicted is None:
        predicted, score_names = _guess(frame, label)
    weight = _resolve_column(frame, settings.text("weight"), "weight") if settings.has("weight") else None
    used = [name for name in (label, predicted, *score_names, weight) if name is not None]
    frame, left_out = _complete(frame.select(list(dict.fromkeys(used))), settings)
    weights = np.ones(len(frame)) if weight is None else read_numbers(frame[weight], "weights")
    if not (weights >= 0).all() or not weights.sum():
        raise ClientError(f"Column {weight!r} must contain non-negative weights that are not all 0.")
    return ComparedRows(
        truth=frame[label],
        predicted=None if predicted is None else frame[predicted],
        scores=_scores(frame, score_names) if score_names else None,
        weights=weights,
        score_names=tuple(score_names),
        left_out=left_out,
        source=label,
    )


def find_column(frame: pl.DataFrame, settings: Arguments, argument: str) -> str:
    """Return the column that an argument names; for the default label, the first column if none has that name."""
    name = settings.text(argument)
    if name == LABEL and LABEL not in frame.columns:
        return frame.columns[0]
    return _resolve_column(frame, name, argument)


def read_numbers(series: pl.Series, what: str) -> Floats:
    """Convert a series to numbers (rows,). Raises ClientError at the first cell that is not a number."""
    cast = series.cast(pl.Float64, strict=False)
    bad = ~cast.is_finite().fill_null(False)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise ClientError(f"Column {series.name!r}, row {row + 1}: {series[row]!r} is not a finite number ({what}).")
    return cast.to_numpy()


def _part(folder: Path, settings: Arguments) -> pl.DataFrame:
    """Read one of two tables; the names in columns apply to a table with that number of columns."""
    values = dict(settings.values)
    first = tables.width(tables.files(folder), settings)
    if first != len(settings.names("columns")):
        values.pop("columns", None)
    return tables.read(folder, Arguments(values), is_evaluation=True)


def _resolve_column(frame: pl.DataFrame, name: str, argument: str) -> str:
    if name not in frame.columns and name.isdigit() and int(name) < len(frame.columns):
        return frame.columns[int(name)]
    require_columns([name], frame.columns, argument)
    return name


def _guess(frame: pl.DataFrame, label: str) -> tuple[str | None, list[str]]:
    """Find the columns of prediction and scores without arguments: by name, or as the only other column."""
    others = [name for name in frame.columns if name != label]
    predicted = next((name for name in PREDICTION_NAMES if name in others), None)
    scores = next(([name] for name in SCORE_NAMES if name in others), [])
    scores = scores or [name for name in others if name.startswith(f"{SCORE}_")]
    if predicted or scores:
        return predicted, scores
    if len(others) == 1:
        cast = frame[others[0]].cast(pl.Float64, strict=False).drop_nulls()
        is_score = len(cast) > 0 and bool(((cast >= 0) & (cast <= 1)).all()) and bool((cast != cast.floor()).any())
        is_score |= frame[others[0]].dtype == pl.String and bool(frame[others[0]].str.starts_with("[").any())
        return (None, others) if is_score else (others[0], [])
    shown = ", ".join(map(repr, others[:30])) or "none"
    raise ClientError(f"No column of predictions was found. Name it in prediction or scores; the columns are {shown}.")


def _complete(frame: pl.DataFrame, settings: Arguments) -> tuple[pl.DataFrame, int]:
    """Return the complete rows, and the number of incomplete ones."""
    missing = {"", *(word.lower() for word in settings.names("missing_words"))}
    frame = frame.with_columns(_without_blank(series, missing) for series in frame.get_columns())
    lacking = frame.select(pl.any_horizontal(pl.all().is_null())).to_series()
    if lacking.any() and settings.text("missing") == "fail":
        row = int(lacking.arg_max() or 0)
        name = next(name for name in frame.columns if frame[name][row] is None)
        raise ClientError(
            f"Column {name!r}, row {row + 1} has no value ({int(lacking.sum())} rows are incomplete). "
            "Fill it in, or pass missing=drop."
        )
    kept = frame.filter(~lacking)
    if not len(kept):
        raise ClientError("No row has both a label and a prediction.")
    return kept, len(frame) - len(kept)


def _without_blank(series: pl.Series, missing: Collection[str]) -> pl.Series:
    """Return the series with null for NaN and for texts that mean a missing value."""
    if series.dtype == pl.String:
        text = series.str.strip_chars(BLANKS).str.to_lowercase()
        return series.set(text.is_in(list(missing)), None)
    return series.fill_nan(None) if series.dtype.is_float() else series


def _scores(frame: pl.DataFrame, names: Sequence[str]) -> Floats:
    """Return scores (rows,) of one column of numbers, or (rows, classes) of several columns or of one with lists."""
    first = frame[names[0]]
    if len(names) > 1:
        return np.column_stack([read_numbers(frame[name], "a score") for name in names])
    if first.dtype == pl.String and first.str.strip_chars(BLANKS).str.starts_with("[").all():
        try:
            lists = [json.loads(text) for text in first]
            found = np.array(lists, np.float64)
        except (ValueError, TypeError):
            raise ClientError(
                f"Column {names[0]!r} must contain lists of numbers of the same length in all rows."
            ) from None
        if found.ndim != 2 or not np.isfinite(found).all():
            raise ClientError(
                f"Column {names[0]!r} must contain lists of finite numbers of the same length in all rows."
            )
        return found[:, 0] if found.shape[1] == 1 else found
    if first.dtype in (pl.List, pl.Array):
        found = np.array(first.to_list(), np.float64)
        return found[:, 0] if found.shape[1] == 1 else found
    return read_numbers(first, "a score")
