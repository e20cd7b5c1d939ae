"""Determines the task and the classes of compared rows, and creates their evaluation."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import NUMBER
from lowcloud.runtime.processing.evaluate.binary import BinaryEvaluation
from lowcloud.runtime.processing.evaluate.matching import normalise_labels
from lowcloud.runtime.processing.evaluate.multiclass import MulticlassEvaluation
from lowcloud.runtime.processing.evaluate.regression import RegressionEvaluation
from lowcloud.runtime.processing.evaluate.table import CLASSES, ComparedRows, read_numbers
from lowcloud.runtime.processing.program import Arguments
from lowcloud.schemas.tables import BLANKS, CODE

Evaluation = BinaryEvaluation | MulticlassEvaluation | RegressionEvaluation


def build_evaluation(
    rows: ComparedRows, settings: Arguments, known: tuple[str, ...] | None = None
) -> tuple[Evaluation, tuple[str, ...]]:
    """Return the evaluation and the names of its classes; `known` are those of a model. Raises ClientError."""
    task = settings.text("task")
    if task == "auto":
        task = _task(rows)
    if task == "regression":
        guesses = _single(rows) if rows.predicted is None else read_numbers(rows.predicted, "a prediction")
        return RegressionEvaluation(read_numbers(rows.truth, "the truth"), guesses), ()
    classes = _classes(rows, task, settings, known)
    truth = _codes(rows.truth, classes)
    bins = settings.count("calibration_bins")
    if task == "binary" and len(classes) == 2:
        scores = rows.scores
        if scores is not None and scores.ndim == 2:
            scores = scores[:, 1]
        predicted = _predicted_classes(rows, classes, scores, settings)
        return BinaryEvaluation(truth, predicted, scores, bins), classes
    predicted = _predicted_classes(rows, classes, rows.scores, settings)
    return MulticlassEvaluation(truth, predicted, rows.scores, classes, bins), classes


def _predicted_classes(
    rows: ComparedRows, classes: tuple[str, ...], scores: NDArray[np.float64] | None, settings: Arguments
) -> NDArray[np.int64]:
    """Return the predictions (rows,): as given, otherwise by the largest score, or the threshold for a single score."""
    if rows.predicted is not None:
        return _codes(rows.predicted, classes)
    assert scores is not None
    if scores.ndim == 2:
        return np.asarray(scores.argmax(axis=1), np.int64)
    return (scores >= settings.number("threshold")).astype(np.int64)


def _task(rows: ComparedRows) -> str:
    if rows.scores is not None and rows.scores.ndim == 2:
        return "multiclass" if rows.scores.shape[1] > 2 else "binary"
    labels = (
        rows.truth
        if rows.predicted is None
        else pl.concat([normalise_labels(rows.truth), normalise_labels(rows.predicted)])
    )
    distinct = normalise_labels(labels).unique()
    values = distinct.cast(pl.Float64, strict=False)
    if values.null_count() == 0:
        is_whole = bool((values == values.floor()).all())
        if not is_whole or len(distinct) > CLASSES:
            return "regression"
    if rows.predicted is None and len(distinct) > 2:
        return "regression"
    return "binary" if len(distinct) <= 2 else "multiclass"


def _single(rows: ComparedRows) -> NDArray[np.float64]:
    assert rows.scores is not None
    if rows.scores.ndim == 2:
        raise ClientError("A regression has one prediction per row; several score columns were given.")
    return rows.scores


def _classes(rows: ComparedRows, task: str, settings: Arguments, known: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the classes in order: as given, otherwise sorted (numerically if all are numbers), positive last."""
    columns = 0 if rows.scores is None or rows.scores.ndim == 1 else rows.scores.shape[1]
    if settings.has("classes"):
        classes = list(normalise_labels(pl.Series(settings.names("classes"))))
    elif known:
        classes = list(known)
    else:
        _check_codes(rows.truth)
        found = set(normalise_labels(rows.truth).unique())
        if rows.predicted is not None:
            predicted = set(normalise_labels(rows.predicted).unique())
            _check_spelling(rows, found, predicted)
            found |= predicted
        classes = _sorted(found)
        if len(classes) < max(columns, 2) and set(classes) <= {str(i) for i in range(max(columns, 2))}:
            classes = [str(i) for i in range(max(columns, 2))]  # a class without rows among 0, 1, ...
    positive = settings.text("positive")
    if positive and positive not in classes:
        raise ClientError(
            f"Argument positive: there is no label {positive!r}; the labels are {', '.join(classes[:10])}."
        )
    if len(classes) < 2:
        raise ClientError(
            f"Column {rows.source!r} has only one label ({classes[0]!r}). List all classes in classes, comma-separated."
        )
    if task == "binary" and len(classes) > 2:
        raise ClientError(
            f"Column {rows.source!r} has {len(classes)} labels, but task=binary needs two: {classes[:5]}."
        )
    if columns and columns != len(classes):
        raise ClientError(f"There are {columns} scores per row and {len(classes)} classes ({', '.join(classes[:10])}).")
    if task == "multiclass" and rows.scores is not None and not columns:
        raise ClientError(f"Several classes need one score each; column {rows.score_names[0]!r} contains one number.")
    if positive and len(classes) == 2 and classes[1] != positive:
        if columns:
            raise ClientError("Argument positive cannot be used with one score per class: order them with classes.")
        classes.reverse()
    return tuple(classes)


def _check_codes(column: pl.Series) -> None:
    """Raise ClientError if labels such as 007 and 7, which count as equal, are different codes."""
    spelled = column.cast(pl.String).str.strip_chars(BLANKS).unique().drop_nulls()
    numbers = normalise_labels(spelled)
    clash = numbers.filter(spelled.str.contains(CODE) & numbers.is_duplicated())
    if len(clash):
        shown = " and ".join(map(repr, sorted(spelled.filter(numbers == clash[0]))[:2]))
        raise ClientError(
            f"Column {column.name!r} has the labels {shown}, which are equal as numbers. Write each label in one way, "
            "or codes with a letter before them."
        )


def _check_spelling(rows: ComparedRows, truth: set[str], predicted: set[str]) -> None:
    """Raise ClientError if truth and predictions have no class in common, as with yes and no, and 1 and 0."""
    assert rows.predicted is not None
    are_alike = _are_numbers(truth) == _are_numbers(predicted)
    if not truth & predicted and not (
        are_alike and len(truth | predicted) == 2
    ):  # two classes may be predicted wrongly
        shown = [", ".join(_sorted(found)[:5]) for found in (truth, predicted)]
        raise ClientError(
            f"Columns {rows.truth.name!r} ({shown[0]}) and {rows.predicted.name!r} ({shown[1]}) share no class. "
            "Write the classes in the same way in both."
        )


def _are_numbers(words: set[str]) -> bool:
    return all(NUMBER.fullmatch(word) for word in words)


def _sorted(found: set[str]) -> list[str]:
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)


def _codes(series: pl.Series, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the class index of each row. Raises ClientError at a label that is not a class."""
    texts = normalise_labels(series)
    codes = texts.replace_strict(list(classes), list(range(len(classes))), default=None, return_dtype=pl.Int64)
    if codes.null_count():
        row = int(codes.is_null().arg_max() or 0)
        raise ClientError(
            f"Column {series.name!r}, row {row + 1}: {texts[row]!r} is not one of {', '.join(classes[:10])}."
        )
    return codes.to_numpy()
