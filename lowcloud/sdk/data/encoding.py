"""Encodes texts, categories, booleans and dates of a table as numbers, by a transform that is stored with the model.

The transform is the document that the program `preprocess` writes (docs/processing-programs.md), so an endpoint applies
it to raw rows; `encode` computes the same numbers for training.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.expressions import Call, ColumnReference, format_expression
from lowcloud.schemas.tables import distinct_names
from lowcloud.schemas.transform import FORMAT, VERSION
from lowcloud.sdk import wording
from lowcloud.sdk.data import cells
from lowcloud.sdk.data.labels import Target
from lowcloud.sdk.data.reading import Places, Reading, format_names
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

MOST_LEVELS = 200  # of a column of texts
ONE_HOT_LEVELS = {"xgboost": 20}  # above, trees get the number of the level instead of one column for each
FEW_LEVELS = 10  # that may be all different, in a small table
PARTS = ("year", "month", "day", "weekday")

Document = dict[str, Any]


def fit(
    frame: "pl.DataFrame", label: str, target: Target, algorithm: str, reading: Reading, places: Places
) -> Document:
    """Return the transform of a typed table. Raises InvalidInputError for a column that cannot be encoded."""
    features: list[Document] = []
    derived: list[Document] = []
    columns: list[Document] = []
    for name in frame.columns:
        kind = cells.kind_of(frame[name])
        columns.append({"name": name, "kind": kind, "role": "target" if name == label else "feature"})
        if name == label:
            continue
        if kind == "text":
            features.append(_fit_texts(frame[name], algorithm, places))
        elif kind == "time":
            parts = [*PARTS, *(["hour"] if _has_hours(frame[name]) else [])]
            for part in parts:
                expression = format_expression(Call(part, (ColumnReference(name),)))
                derived.append({"name": f"{name}.{part}", "expression": expression})
                features.append({"kind": "scaled", "column": f"{name}.{part}"})
        else:
            features.append({"kind": "scaled", "column": name})
    if taken := {one["name"] for one in derived} & set(frame.columns):
        raise InvalidInputError(
            f"{places.what} has a column {min(taken)!r}, which is also the name of a part of a date. Rename it."
        )
    return {
        "format": FORMAT,
        "version": VERSION,
        "columns": columns,
        "target": {
            "name": label,
            "task": "regression" if target.classes is None else "binary" if len(target.classes) == 2 else "multiclass",
            "classes": None if target.classes is None else [str(one) for one in target.classes],
        },
        "reading": {"missing_words": sorted(filter(None, reading.missing)), "trim": True, "date_format": None},
        "derived": derived,
        "features": features,
        "outputs": [name for feature in features for name in _names(feature)],
    }


def encode(frame: "pl.DataFrame", document: Document, places: Places) -> "pl.DataFrame":
    """Return the numbers of a typed table, one column for each of the document's outputs."""
    import polars as pl

    columns: list[pl.Series] = []
    booleans = {one["name"] for one in document["columns"] if one["kind"] == "boolean"}
    for feature in document["features"]:
        name, kind = feature["column"], feature["kind"]
        if kind == "one_hot":
            columns += [frame[name].eq_missing(level).cast(pl.Int8) for level in _literals(feature["levels"])]
        elif kind == "lookup":
            codes = [int(value) for [value] in feature["values"]]
            unknown = int(feature["unknown"][0])
            columns.append(frame[name].replace_strict(feature["levels"], codes, default=unknown, return_dtype=pl.Int64))
        elif name in frame.columns:
            columns.append(cells.yes_or_no(frame[name], places).cast(pl.Int8) if name in booleans else frame[name])
        else:
            source, _, part = name.rpartition(".")
            columns.append(_part(frame[source], part))
    return pl.DataFrame(
        [column.rename(str(at)) for at, column in enumerate(columns)],
        schema=[str(at) for at in range(len(columns))],
    ).rename({str(at): name for at, name in enumerate(distinct_names(document["outputs"]))})


def describe(document: Document, label: str, target: Target) -> str:
    """Return what the transform does, in one line."""
    done: list[str] = []
    if target.is_mapped and target.classes is not None:
        done.append(f"labels of {label!r} are {format_names(map(str, target.classes))}")
    for feature in document["features"]:
        names = _names(feature)
        if feature["kind"] == "one_hot":
            done.append(f"{feature['column']!r} is {len(names)} column{'s' * (len(names) > 1)} of 0 and 1")
        elif feature["kind"] == "lookup":
            done.append(f"{feature['column']!r} is the number of its text")
    times = dict.fromkeys(step["name"].rpartition(".")[0] for step in document["derived"])
    done += [f"{name!r} is the parts of its date" for name in times]
    words = [one["name"] for one in document["columns"] if one["kind"] == "boolean" and one["role"] == "feature"]
    done += [f"{name!r} is 0 or 1" for name in words]
    return f"Encoded as numbers, and kept with the model: {'; '.join(done)}"


def levels_of(document: Document) -> dict[str, tuple[str | None, ...]]:
    """Return the categories of each encoded column; None is the missing value."""
    return {one["column"]: tuple(one["levels"]) for one in document["features"] if "levels" in one}


def unknown_notes(frame: "pl.DataFrame", levels: Mapping[str, Sequence[str | None]], places: Places) -> list[str]:
    """Return a note for each column with categories that training did not have, which are encoded as unknown."""
    notes = []
    for name, known in levels.items():
        unknown = [level for level in frame[name].unique(maintain_order=True) if level not in known]
        if unknown:
            shown = format_names("(missing)" if level is None else level for level in unknown)
            notes.append(
                f"{places.what}: {name!r} has values that are not in the training data, and count as unknown: {shown}"
            )
    return notes


def to_bytes(document: Document) -> bytes:
    """Return the file of a transform."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def is_needed(frame: "pl.DataFrame", label: str, target: Target) -> bool:
    """Return whether a table has columns or labels that are no numbers."""
    import polars as pl

    features = (frame[name] for name in frame.columns if name != label)
    return target.is_mapped or any(not (one.dtype.is_numeric() or one.dtype == pl.Boolean) for one in features)


def _fit_texts(column: "pl.Series", algorithm: str, places: Places) -> Document:
    import polars as pl

    levels: list[str | None] = list(column.drop_nulls().unique().sort())
    if len(levels) > MOST_LEVELS or (len(levels) > FEW_LEVELS and len(levels) * 2 > len(column)):
        are_numbers = column.cast(pl.Float64, strict=False).null_count() == column.null_count()
        as_numbers = f", or read numbers with {wording.reading(types={column.name: 'number'})}" if are_numbers else ""
        raise InvalidInputError(
            f"The column {column.name!r} in {places.what} has {len(levels)} different texts in {len(column)} rows "
            f"({format_names(map(str, levels[:3]))} ...): names, identifiers or free text, from which a built-in "
            "algorithm cannot learn. Leave the column out, replace it by categories or numbers, or encode it with the "
            f"processing program preprocess (encode=target or hash){as_numbers}."
        )
    if column.null_count():
        levels.append(None)
    if len(levels) <= ONE_HOT_LEVELS.get(algorithm, MOST_LEVELS + 1):
        return {"kind": "one_hot", "column": column.name, "levels": levels}
    values = [[float(code)] for code in range(len(levels))]
    return {
        "kind": "lookup",
        "column": column.name,
        "names": [column.name],
        "levels": levels,
        "values": values,
        "unknown": [-1.0],
    }


def _names(feature: Mapping[str, Any]) -> list[str]:
    if feature["kind"] != "one_hot":
        return [feature["column"]]
    return [f"{feature['column']}={'(missing)' if level is None else level}" for level in feature["levels"]]


def _has_hours(column: "pl.Series") -> bool:
    import polars as pl

    return column.dtype == pl.Datetime and bool((column.dt.hour() != 0).any())


def _part(column: "pl.Series", part: str) -> "pl.Series":
    import polars as pl

    if part == "weekday":
        return column.dt.weekday().cast(pl.Int64) - 1
    return getattr(column.dt, part)().cast(pl.Int64)  # type: ignore[no-any-return]


def _literals(levels: Sequence[str | None]) -> "list[pl.Series]":
    import polars as pl

    return [pl.Series([level], dtype=pl.String) for level in levels]
