"""The fitted feature transform: a JSON file written by the program `preprocess`, applied in the same way when serving.

`load(path).row(cells)` computes the model's features of one raw row in microseconds; `block` and `rows` those of many.
docs/processing-programs.md describes the file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lowcloud.runtime.feature_transforms import features
from lowcloud.runtime.feature_transforms.cells import Numbers, ReadingRules, Value, Vector
from lowcloud.runtime.feature_transforms.expressions import check, compile_row, compute_column
from lowcloud.runtime.feature_transforms.features import Feature, Lookup, OneHot
from lowcloud.schemas.expressions import columns_of, parse
from lowcloud.schemas.transform import FILE, FORMAT, VERSION

__all__ = ["FILE", "SourceColumn", "TargetColumn", "Transform", "UnreadableTransformError", "load", "save"]


class UnreadableTransformError(Exception):
    """A file is not a feature transform of a known version."""


@dataclass(frozen=True)
class SourceColumn:
    """A column of the raw table. Kinds: number, text, time, boolean. Roles: feature, target, dropped."""

    name: str
    kind: str
    role: str = "feature"


@dataclass(frozen=True)
class TargetColumn:
    """The target column; with `classes`, label i in the output is the class classes[i]."""

    name: str
    task: str
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Transform:
    """Raw columns -> derived columns -> features. `derived` has names and expressions over the columns before them."""

    sources: tuple[SourceColumn, ...]
    features: tuple[Feature, ...]
    derived: tuple[tuple[str, str], ...] = ()
    target: TargetColumn | None = None
    rules: ReadingRules = field(default_factory=ReadingRules)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the output columns, without the target."""
        return tuple(chain.from_iterable(feature.names for feature in self.features))

    @cached_property
    def used(self) -> tuple[SourceColumn, ...]:
        """The raw columns that features depend on, in the table's order."""
        trees = {name: columns_of(parse(text)) for name, text in self.derived}
        required = {feature.column for feature in self.features}
        for name in reversed(trees):
            if name in required:
                required |= trees[name]
        return tuple(source for source in self.sources if source.name in required)

    @cached_property
    def levels(self) -> dict[str, frozenset[str | None]]:
        """The texts of each column that have an encoding of their own; None is the missing value."""
        encoded = (feature for feature in self.features if isinstance(feature, OneHot | Lookup))
        return {
            feature.column: frozenset(feature.levels) | ({None} if feature.fill in feature.levels else frozenset())
            for feature in encoded
        }

    def row(self, cells: Sequence[Any]) -> list[float]:
        """Transform one row, given the raw cells (texts or JSON values) of the columns `used`, in order."""
        return self.features_of(self.read(cells))

    def read(self, cells: Sequence[Any]) -> list[Value]:
        """Parse the raw cells of one row; those that are missing or invalid are NaN or None."""
        return [parse(cell) for parse, cell in zip(self._readers, cells, strict=True)]

    def features_of(self, values: Sequence[Value]) -> list[float]:
        """Transform the parsed values of one row."""
        row = list(values)
        for compute in self._computes:
            row.append(compute(row))
        out: list[float] = []
        for emit in self._emitters:
            emit(row, out)
        return out

    def rows(self, cells: Sequence[Sequence[Any]]) -> Numbers:
        """Transform many rows in the same way, to (rows, names)."""
        return self.block(self.read_columns(cells))

    def read_columns(self, cells: Sequence[Sequence[Any]]) -> dict[str, Vector]:
        """Parse the raw cells of many rows, to columns."""
        columns = zip(self.used, zip(*cells, strict=True), strict=True)
        return {source.name: self.rules.column(source.kind, column) for source, column in columns}

    def block(self, columns: Mapping[str, Vector]) -> Numbers:
        """Transform rows given as columns of values, to (rows, names)."""
        rows = len(next(iter(columns.values())))
        columns = self.derive(columns, rows)
        out = np.empty((rows, len(self.names)))
        position = 0
        for feature in self.features:
            width = len(feature.names)
            out[:, position : position + width] = feature.block(columns[feature.column])
            position += width
        return out

    def derive(self, columns: Mapping[str, Vector], rows: int) -> dict[str, Vector]:
        """Return the columns together with those derived from them."""
        columns = dict(columns)
        for name, text in self.derived:
            tree = parse(text)
            if columns_of(tree) <= columns.keys():
                columns[name] = compute_column(tree, columns, rows)
        return columns

    @cached_property
    def _readers(self) -> tuple[Any, ...]:
        return tuple(self.rules.reader(source.kind) for source in self.used)

    @cached_property
    def _used_derived(self) -> tuple[tuple[str, str], ...]:
        """The derived columns that features depend on."""
        required = {feature.column for feature in self.features}
        used = []
        for name, text in reversed(self.derived):
            if name in required:
                used.append((name, text))
                required |= columns_of(parse(text))
        return tuple(reversed(used))

    @cached_property
    def _positions(self) -> dict[str, int]:
        names = [*(source.name for source in self.used), *(name for name, _ in self._used_derived)]
        return {name: position for position, name in enumerate(names)}

    @cached_property
    def _computes(self) -> tuple[Any, ...]:
        return tuple(compile_row(parse(text), self._positions) for _, text in self._used_derived)

    @cached_property
    def _emitters(self) -> tuple[Any, ...]:
        return tuple(feature.emitter(self._positions[feature.column]) for feature in self.features)


def save(transform: Transform, path: Path) -> None:
    """Write the transform as JSON."""
    target = transform.target
    rules = {**asdict(transform.rules), "missing_words": sorted(transform.rules.missing_words)}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "columns": [asdict(source) for source in transform.sources],
        "target": None if target is None else asdict(target),
        "reading": rules,
        "derived": [{"name": name, "expression": text} for name, text in transform.derived],
        "features": [features.to_document(feature) for feature in transform.features],
        "outputs": list(transform.names),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Transform:
    """Load a stored transform, which contains no code. Raises UnreadableTransformError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        stored = document["format"], document["version"]
        if stored != (FORMAT, VERSION):
            raise UnreadableTransformError(f"{path.name} has {stored[0]} version {stored[1]}, not {FORMAT} {VERSION}.")
        target, rules = document["target"], document["reading"]
        transform = Transform(
            sources=tuple(SourceColumn(**column) for column in document["columns"]),
            features=tuple(map(features.from_document, document["features"])),
            derived=tuple((step["name"], step["expression"]) for step in document["derived"]),
            target=target
            and TargetColumn(target["name"], target["task"], target["classes"] and tuple(target["classes"])),
            rules=ReadingRules(frozenset(rules["missing_words"]), rules["trim"], rules["date_format"]),
        )
        kinds = {source.name: source.kind for source in transform.sources}
        for name, text in transform.derived:
            check(parse(text), kinds)
            kinds[name] = "number"
        transform.row([None] * len(transform.used))  # raises an error if the parts are inconsistent
        if list(transform.names) != document["outputs"]:
            raise UnreadableTransformError(f"{path.name} does not produce the outputs that it lists.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UnreadableTransformError(f"{path.name} is not a readable {FORMAT}: {error!r}") from error
    return transform
