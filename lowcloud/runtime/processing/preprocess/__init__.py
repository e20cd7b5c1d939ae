"""`python -m lowcloud.runtime.processing.preprocess --target y ...`: raw tables into what algorithms learn from.

Reads CSV and parquet below processing/input, and writes below processing/output the parts train, validation and test,
transform/transform.json and report/. What is measured is measured on the training part alone. The raw table is in
memory, as columns of 8 bytes a cell and each distinct text once; the wide one is written block by block.
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
from lowcloud.runtime.feature_transforms.cells import Numbers, Rules, Vector
from lowcloud.runtime.processing import tables
from lowcloud.runtime.processing.preprocess import columns as typed
from lowcloud.runtime.processing.preprocess import fitting, report, splitting, targets, writing
from lowcloud.runtime.processing.program import Arguments, require, run
from lowcloud.schemas.preprocess import SCHEMA

TRANSFORM = "transform"  # of an earlier run, as an input: applied instead of fitting one


def main(words: Sequence[str]) -> int:
    """Preprocess what lies in the folder of processing; the exit code."""
    return run(words, SCHEMA, preprocess)


def preprocess(base: Path, settings: Arguments) -> None:
    """From base/input to base/output. Raises ClientError."""
    frame = tables.read(base / "input", settings, skip=(TRANSFORM,))
    _say(f"Read {len(frame)} rows of {len(frame.columns)} columns.")
    known = _known(base / "input" / TRANSFORM / FILE)
    _check_names(frame, settings, known)
    counts = {"read": len(frame)}
    if settings.flag("drop_duplicates"):
        frame = frame.unique(maintain_order=True, keep="first")
        counts["duplicates"] = counts["read"] - len(frame)
    if not len(frame):
        raise ClientError("The input has columns but no rows. Check that the S3 prefix holds files with data.")
    table, names = _read_columns(frame, settings, known), frame.columns
    del frame
    target, labels, kept = _target(table, settings, known)
    counts["without target"] = len(kept) - int(kept.sum())
    values: dict[str, Vector] = {name: column.values[kept] for name, column in table.items()}
    rows = int(kept.sum())
    if not rows:
        raise ClientError(f"No row has a target: column {settings.text('target')!r} is empty throughout.")
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
        fitted = fitting.Fitted(known)
    for name, part in parts.items():
        own = fitted.own if name == "train" else {}
        writing.write(base / "output", name, fitted.transform, values, labels, part, own, settings.text("format"))
        _say(f"Wrote {len(part)} rows of {len(fitted.transform.names)} features to {name}.")
    save(fitted.transform, base / "output" / TRANSFORM / FILE)
    report.write(base / "output" / "report", table, values, labels, parts, fitted, counts, settings)


def _known(path: Path) -> Transform | None:
    try:
        return load(path) if path.exists() else None
    except UnreadableTransformError as error:
        raise ClientError(f"The transform given as an input cannot be used: {error}") from None


def _check_names(frame: pl.DataFrame, settings: Arguments, known: Transform | None) -> None:
    there = frame.columns
    for argument in ("target", "split_column"):
        if settings.has(argument):
            require([settings.text(argument)], there, argument)
    for argument in ("drop",):
        require(settings.names(argument), there, argument)
    derived = [part.partition("=")[0].strip().strip("`") for part in settings.text("derive").split(";")]
    require(list(settings.pairs("types")), there, "types")
    for argument in ("impute_columns", "normalise_columns"):
        require([name for name in settings.pairs(argument) if "." not in name], [*there, *derived], argument)
    require(list(settings.pairs("encode_columns")), there, "encode_columns")
    lacking = [source.name for source in known.used if source.name not in there] if known else []
    if lacking:
        raise ClientError(f"The input lacks the column {lacking[0]!r}, which the given transform reads.")


def _read_columns(frame: pl.DataFrame, settings: Arguments, known: Transform | None) -> dict[str, typed.Column]:
    """The columns that are used, with their kinds: those named, those of a known transform, or as guessed."""
    rules = known.rules if known else _rules(settings)
    kinds = settings.pairs("types")
    wanted = set(frame.columns) - set(settings.names("drop"))
    if known:
        kinds = {source.name: source.kind for source in known.sources}
        wanted = {source.name for source in known.used}
    wanted |= {settings.text(name) for name in ("target", "split_column") if settings.has(name)}
    tolerance, target = settings.number("type_tolerance"), settings.text("target")
    table = {
        name: typed.read(frame[name], rules, kinds.get(name), tolerance) for name in frame.columns if name in wanted
    }
    if target and target not in kinds and table[target].kind in ("boolean", "time"):
        table[target] = typed.read(frame[target], rules, "text", tolerance)  # its classes keep their words
    return table


def _target(
    table: dict[str, typed.Column], settings: Arguments, known: Transform | None
) -> tuple[TargetColumn | None, Numbers | None, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The target, the labels of kept rows, and which rows those are."""
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
        raise ClientError(f"Row {int((~kept).argmax()) + 1} has no value in column {name!r}, the target.")
    if not kept.any():
        return None, None, kept
    present = typed.Column(name, column.kind, column.values[kept])
    target, labels = targets.read(present, settings)
    return target, labels, kept


def _rules(settings: Arguments) -> Rules:
    words = frozenset(settings.names("missing_words"))
    return Rules(words, settings.flag("trim"), settings.text("date_format") or None)


def _sources(names: Sequence[str], table: dict[str, typed.Column], settings: Arguments) -> tuple[SourceColumn, ...]:
    def role(name: str) -> str:
        if name == settings.text("target"):
            return "target"
        is_kept = name in table and _is_feature(name, settings)
        return "feature" if is_kept else "dropped"

    return tuple(SourceColumn(name, table[name].kind if name in table else "text", role(name)) for name in names)


def _is_feature(name: str, settings: Arguments) -> bool:
    """A column that groups rows is no feature: it would tell which part a row is in."""
    is_group = settings.text("split") == "group" and name == settings.text("split_column")
    return name != settings.text("target") and not is_group and name not in settings.names("drop")


def _say(sentence: str) -> None:
    print(sentence, flush=True)


__all__ = ["main", "preprocess"]
