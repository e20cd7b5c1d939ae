"""`python -m lowcloud.runtime.processing.preprocess --target y ...`: converts raw tables to training data.

Reads CSV and Parquet files in processing/input, and writes to processing/output the parts train, validation and test,
transform/transform.json and report/. All statistics come from the training part only. The raw table is in memory, with
8 bytes per cell and each distinct text once; the output is written block by block.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import (
    FILE,
    SourceColumn,
    TargetColumn,
    Transform,
    UnreadableTransformError,
    load,
    save,
)
from lowcloud.runtime.feature_transforms.cells import Numbers, ReadingRules, Texts, Vector
from lowcloud.runtime.processing import tables
from lowcloud.runtime.processing.preprocess import columns as typed
from lowcloud.runtime.processing.preprocess import fitting, report, splitting, targets, writing
from lowcloud.runtime.processing.program import Arguments, require_columns, run
from lowcloud.schemas.preprocess import SCHEMA

TRANSFORM = "transform"  # of an earlier run, as an input: applied instead of being fitted


def main(command_line: Sequence[str]) -> int:
    """Preprocess the input of the processing folder; return the exit code."""
    return run(command_line, SCHEMA, preprocess)


def preprocess(base: Path, settings: Arguments) -> None:
    """Preprocess base/input to base/output. Raises ClientError."""
    frame = tables.read(base / "input", settings, skip=(TRANSFORM,))
    _log(f"Read {len(frame)} rows of {len(frame.columns)} columns.")
    known = _load_given_transform(base / "input" / TRANSFORM / FILE)
    _check_names(frame, settings, known)
    counts = {"read": len(frame)}
    if settings.flag("drop_duplicates"):
        frame = frame.unique(maintain_order=True, keep="first")
        counts["duplicates"] = counts["read"] - len(frame)
    if not len(frame):
        raise ClientError("The input has columns but no rows. Check that the S3 prefix contains files with data.")
    table, names = _read_columns(frame, settings, known), frame.columns
    for column in table.values():
        if column.unreadable:
            _log(f"Column {column.name!r}: {column.unreadable} cells are not of type {column.kind} and became missing.")
    texts = {name: one.values.levels for name, one in table.items() if isinstance(one.values, Texts)}
    if texts:
        _log(f"Columns of texts: {', '.join(f'{name!r} ({len(texts[name])} different)' for name in texts)}.")
    del frame
    target, labels, kept = _target(table, settings, known)
    counts["without target"] = len(kept) - int(kept.sum())
    values: dict[str, Vector] = {name: column.values[kept] for name, column in table.items()}
    rows = int(kept.sum())
    if not rows:
        raise ClientError(f"No row has a target: column {settings.text('target')!r} is empty in all rows.")
    parts = splitting.split(
        rows,
        settings,
        labels,
        target is not None and target.classes is not None,
        values.get(settings.text("split_column")),
    )
    train = parts["train"]
    if known is None:
        training = {name: column[train] for name, column in values.items() if _is_feature(name, settings)}
        training_labels = None if labels is None else labels[train]
        fitted = fitting.fit(
            _sources(names, table, settings), training, training_labels, target, _rules(settings), settings
        )
    else:
        fitted = fitting.FittedTransform(known)
    for name, part in parts.items():
        out_of_fold = fitted.out_of_fold if name == "train" else {}
        writing.write(
            base / "output", name, fitted.transform, values, labels, part, out_of_fold, settings.text("format")
        )
        _log(f"Wrote {len(part)} rows of {len(fitted.transform.names)} features to {name}.")
    save(fitted.transform, base / "output" / TRANSFORM / FILE)
    report.write(base / "output" / "report", table, values, labels, parts, fitted, counts, settings)


def _load_given_transform(path: Path) -> Transform | None:
    try:
        return load(path) if path.exists() else None
    except UnreadableTransformError as error:
        raise ClientError(f"The transform given as an input is invalid: {error}") from None


def _check_names(frame: pl.DataFrame, settings: Arguments, known: Transform | None) -> None:
    existing = frame.columns
    for argument in ("target", "split_column"):
        if settings.has(argument):
            require_columns([settings.text(argument)], existing, argument)
    for argument in ("drop",):
        require_columns(settings.names(argument), existing, argument)
    derived = [part.partition("=")[0].strip().strip("`") for part in settings.text("derive").split(";")]
    require_columns(list(settings.pairs("types")), existing, "types")
    for argument in ("impute_columns", "normalise_columns"):
        require_columns([name for name in settings.pairs(argument) if "." not in name], [*existing, *derived], argument)
    require_columns(list(settings.pairs("encode_columns")), existing, "encode_columns")
    lacking = [source.name for source in known.used if source.name not in existing] if known else []
    if lacking:
        raise ClientError(f"The input does not have the column {lacking[0]!r}, which the given transform needs.")


def _read_columns(frame: pl.DataFrame, settings: Arguments, known: Transform | None) -> dict[str, typed.TypedColumn]:
    """Read the columns that are used, with their kinds: as given, as in a known transform, or as detected."""
    rules = known.rules if known else _rules(settings)
    kinds = settings.pairs("types")
    used = set(frame.columns) - set(settings.names("drop"))
    if known:
        kinds = {source.name: source.kind for source in known.sources}
        used = {source.name for source in known.used}
    used |= {settings.text(name) for name in ("target", "split_column") if settings.has(name)}
    tolerance, target = settings.number("type_tolerance"), settings.text("target")
    table = {name: typed.read(frame[name], rules, kinds.get(name), tolerance) for name in frame.columns if name in used}
    if target and target not in kinds and table[target].kind in ("boolean", "time"):
        table[target] = typed.read(frame[target], rules, "text", tolerance)  # its classes keep their texts
    return table


def _target(
    table: dict[str, typed.TypedColumn], settings: Arguments, known: Transform | None
) -> tuple[TargetColumn | None, Numbers | None, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the target, the labels of the rows to keep, and a mask of these rows."""
    name = settings.text("target")
    if not name:
        return None, None, np.ones(len(next(iter(table.values())).values), bool)
    column = table[name]
    kept = ~targets.are_missing(column)
    if known is not None and known.target is not None and known.target.name == name:
        labels = targets.labels(column, known.target)
        kept &= ~np.isnan(labels)
        return known.target, labels[kept], kept
    if not kept.all() and settings.text("missing_target") == "fail":
        raise ClientError(f"Row {int((~kept).argmax()) + 1} has no value in the target column {name!r}.")
    if not kept.any():
        return None, None, kept
    present = typed.TypedColumn(name, column.kind, column.values[kept])
    target, labels = targets.read(present, settings)
    return target, labels, kept


def _rules(settings: Arguments) -> ReadingRules:
    words = frozenset(settings.names("missing_words"))
    return ReadingRules(words, settings.flag("trim"), settings.text("date_format") or None)


def _sources(
    names: Sequence[str], table: dict[str, typed.TypedColumn], settings: Arguments
) -> tuple[SourceColumn, ...]:
    def role(name: str) -> str:
        if name == settings.text("target"):
            return "target"
        is_kept = name in table and _is_feature(name, settings)
        return "feature" if is_kept else "dropped"

    return tuple(SourceColumn(name, table[name].kind if name in table else "text", role(name)) for name in names)


def _is_feature(name: str, settings: Arguments) -> bool:
    """Return whether a column is a feature. A column that groups rows is not: it would identify the part of a row."""
    is_group = settings.text("split") == "group" and name == settings.text("split_column")
    return name != settings.text("target") and not is_group and name not in settings.names("drop")


def _log(message: str) -> None:
    print(message, flush=True)


__all__ = ["main", "preprocess"]
