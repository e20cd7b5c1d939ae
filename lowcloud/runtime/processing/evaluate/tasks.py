"""Which task rows are of, and their classes: rows of a table into what is measured."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.processing.evaluate.binary import Binary
from lowcloud.runtime.processing.evaluate.multiclass import Multiclass
from lowcloud.runtime.processing.evaluate.regression import Regression
from lowcloud.runtime.processing.evaluate.table import CLASSES, Rows, numbers, words
from lowcloud.runtime.processing.program import Arguments

Subject = Binary | Multiclass | Regression


def subject(rows: Rows, settings: Arguments, known: tuple[str, ...] | None = None) -> tuple[Subject, tuple[str, ...]]:
    """What is measured, and the names of its classes; `known` are those of a model. Raises ClientError."""
    task = settings.text("task")
    if task == "auto":
        task = _task(rows)
    if task == "regression":
        guesses = _single(rows) if rows.predicted is None else numbers(rows.predicted, "a prediction")
        return Regression(numbers(rows.truth, "the truth"), guesses), ()
    classes = _classes(rows, task, settings, known)
    truth = _codes(rows.truth, classes)
    bins = settings.count("calibration_bins")
    if task == "binary" and len(classes) == 2:
        scores = rows.scores
        if scores is not None and scores.ndim == 2:
            scores = scores[:, 1]
        predicted = _decided(rows, classes, scores, settings)
        return Binary(truth, predicted, scores, bins), classes
    predicted = _decided(rows, classes, rows.scores, settings)
    return Multiclass(truth, predicted, rows.scores, classes, bins), classes


def _decided(
    rows: Rows, classes: tuple[str, ...], scores: NDArray[np.float64] | None, settings: Arguments
) -> NDArray[np.int64]:
    """The decisions (rows,): as given, else by the largest score, or by the threshold where there is one score."""
    if rows.predicted is not None:
        return _codes(rows.predicted, classes)
    assert scores is not None
    if scores.ndim == 2:
        return np.asarray(scores.argmax(axis=1), np.int64)
    return (scores >= settings.number("threshold")).astype(np.int64)


def _task(rows: Rows) -> str:
    if rows.scores is not None and rows.scores.ndim == 2:
        return "multiclass" if rows.scores.shape[1] > 2 else "binary"
    labels = rows.truth if rows.predicted is None else pl.concat([words(rows.truth), words(rows.predicted)])
    distinct = words(labels).unique()
    values = distinct.cast(pl.Float64, strict=False)
    if values.null_count() == 0:
        is_whole = bool((values == values.floor()).all())
        if not is_whole or len(distinct) > CLASSES:
            return "regression"
    if rows.predicted is None and len(distinct) > 2:
        return "regression"
    return "binary" if len(distinct) <= 2 else "multiclass"


def _single(rows: Rows) -> NDArray[np.float64]:
    assert rows.scores is not None
    if rows.scores.ndim == 2:
        raise ClientError("A regression has one prediction a row; several score columns were given.")
    return rows.scores


def _classes(rows: Rows, task: str, settings: Arguments, known: tuple[str, ...] | None) -> tuple[str, ...]:
    """The classes in order: as given, else sorted (by number where all are numbers), the positive one last."""
    wide = 0 if rows.scores is None or rows.scores.ndim == 1 else rows.scores.shape[1]
    if settings.has("classes"):
        classes = list(words(pl.Series(settings.names("classes"))))
    elif known:
        classes = list(known)
    else:
        series = [rows.truth, *([] if rows.predicted is None else [rows.predicted])]
        classes = _sorted({word for one in series for word in words(one).unique()})
        if len(classes) < max(wide, 2) and set(classes) <= {str(i) for i in range(max(wide, 2))}:
            classes = [str(i) for i in range(max(wide, 2))]  # a class that no row is of, among 0, 1, ...
    positive = settings.text("positive")
    if positive and positive not in classes:
        raise ClientError(f"Argument positive: there is no label {positive!r}, but {', '.join(classes[:10])}.")
    if len(classes) < 2:
        raise ClientError(
            f"Column {rows.source!r} has one label only ({classes[0]!r}). Name all classes in classes, comma-separated."
        )
    if task == "binary" and len(classes) > 2:
        raise ClientError(
            f"Column {rows.source!r} has {len(classes)} labels where task=binary takes two: {classes[:5]}."
        )
    if wide and wide != len(classes):
        raise ClientError(f"There are {wide} scores a row and {len(classes)} classes ({', '.join(classes[:10])}).")
    if task == "multiclass" and rows.scores is not None and not wide:
        raise ClientError(f"Many classes need a score for each; column {rows.score_names[0]!r} holds one number.")
    if positive and len(classes) == 2 and classes[1] != positive:
        if wide:
            raise ClientError("Argument positive cannot be used with a score for each class: order them with classes.")
        classes.reverse()
    return tuple(classes)


def _sorted(found: set[str]) -> list[str]:
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)


def _codes(series: pl.Series, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Each row's place in the classes. Raises ClientError at a label that is none of them."""
    texts = words(series)
    codes = texts.replace_strict(list(classes), list(range(len(classes))), default=None, return_dtype=pl.Int64)
    if codes.null_count():
        row = int(codes.is_null().arg_max() or 0)
        raise ClientError(
            f"Column {series.name!r}, row {row + 1}: {texts[row]!r} is none of {', '.join(classes[:10])}."
        )
    return codes.to_numpy()
