"""The fitted transform: a plain JSON file that the program `preprocess` writes, applied alike there and in serving.

`load(path).row(cells)` makes the model's numbers of one raw row in microseconds; `block` and `rows` those of many.
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
from lowcloud.runtime.feature_transforms.cells import Numbers, Rules, Value, Vector
from lowcloud.runtime.feature_transforms.expressions import check, compile_row, compute_column
from lowcloud.runtime.feature_transforms.features import Feature
from lowcloud.schemas.expressions import columns_of, read

FORMAT = "lowcloud/transform"
VERSION = 1
FILE = "transform.json"


class UnreadableTransformError(Exception):
    """A file is not a transform of a known version."""


@dataclass(frozen=True)
class SourceColumn:
    """A column of the raw table. Kinds: number, text, time, boolean. Roles: feature, target, dropped."""

    name: str
    kind: str
    role: str = "feature"


@dataclass(frozen=True)
class TargetColumn:
    """What is predicted: with `classes`, the label i in the output stands for classes[i]."""

    name: str
    task: str
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Transform:
    """Raw columns -> derived columns -> features. `derived` are names and expressions, each over those before it."""

    sources: tuple[SourceColumn, ...]
    features: tuple[Feature, ...]
    derived: tuple[tuple[str, str], ...] = ()
    target: TargetColumn | None = None
    rules: Rules = field(default_factory=Rules)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the numbers of a row of output, without the target."""
        return tuple(chain.from_iterable(feature.names for feature in self.features))

    @cached_property
    def used(self) -> tuple[SourceColumn, ...]:
        """The raw columns that features are made of, in the table's order."""
        trees = {name: columns_of(read(text)) for name, text in self.derived}
        wanted = {feature.column for feature in self.features}
        for name in reversed(trees):
            if name in wanted:
                wanted |= trees[name]
        return tuple(source for source in self.sources if source.name in wanted)

    def row(self, cells: Sequence[Any]) -> list[float]:
        """The numbers of one row, whose raw cells (texts, or values of JSON) are those of `used`, in order."""
        row: list[Value] = [read(cell) for read, cell in zip(self._readers, cells, strict=True)]
        for compute in self._computes:
            row.append(compute(row))
        out: list[float] = []
        for emit in self._emitters:
            emit(row, out)
        return out

    def rows(self, cells: Sequence[Sequence[Any]]) -> Numbers:
        """The same of many rows, (rows, names)."""
        columns = zip(self.used, zip(*cells, strict=True), strict=True)
        return self.block({source.name: self.rules.column(source.kind, column) for source, column in columns})

    def block(self, columns: Mapping[str, Vector]) -> Numbers:
        """The numbers of rows whose values are known by column, (rows, names)."""
        rows = len(next(iter(columns.values())))
        columns = self.derive(columns, rows)
        out = np.empty((rows, len(self.names)))
        place = 0
        for feature in self.features:
            width = len(feature.names)
            out[:, place : place + width] = feature.block(columns[feature.column])
            place += width
        return out

    def derive(self, columns: Mapping[str, Vector], rows: int) -> dict[str, Vector]:
        """The columns and those derived from them."""
        columns = dict(columns)
        for name, text in self.derived:
            tree = read(text)
            if columns_of(tree) <= columns.keys():
                columns[name] = compute_column(tree, columns, rows)
        return columns

    @cached_property
    def _readers(self) -> tuple[Any, ...]:
        return tuple(self.rules.reader(source.kind) for source in self.used)

    @cached_property
    def _live(self) -> tuple[tuple[str, str], ...]:
        """The derived columns that features are made of."""
        wanted = {feature.column for feature in self.features}
        live = []
        for name, text in reversed(self.derived):
            if name in wanted:
                live.append((name, text))
                wanted |= columns_of(read(text))
        return tuple(reversed(live))

    @cached_property
    def _places(self) -> dict[str, int]:
        names = [*(source.name for source in self.used), *(name for name, _ in self._live)]
        return {name: place for place, name in enumerate(names)}

    @cached_property
    def _computes(self) -> tuple[Any, ...]:
        return tuple(compile_row(read(text), self._places) for _, text in self._live)

    @cached_property
    def _emitters(self) -> tuple[Any, ...]:
        return tuple(feature.emitter(self._places[feature.column]) for feature in self.features)


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
    """Read what `save` wrote; data only, nothing in it runs. Raises UnreadableTransformError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document["format"], document["version"]
        if found != (FORMAT, VERSION):
            raise UnreadableTransformError(f"{path.name} holds {found[0]} version {found[1]}, not {FORMAT} {VERSION}.")
        target, rules = document["target"], document["reading"]
        transform = Transform(
            sources=tuple(SourceColumn(**column) for column in document["columns"]),
            features=tuple(map(features.from_document, document["features"])),
            derived=tuple((step["name"], step["expression"]) for step in document["derived"]),
            target=target
            and TargetColumn(target["name"], target["task"], target["classes"] and tuple(target["classes"])),
            rules=Rules(frozenset(rules["missing_words"]), rules["trim"], rules["date_format"]),
        )
        kinds = {source.name: source.kind for source in transform.sources}
        for name, text in transform.derived:
            check(read(text), kinds)
            kinds[name] = "number"
        transform.row([None] * len(transform.used))  # whatever does not fit together fails here
        if list(transform.names) != document["outputs"]:
            raise UnreadableTransformError(f"{path.name} does not give the outputs that it names.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UnreadableTransformError(f"{path.name} is no readable {FORMAT}: {error!r}") from error
    return transform
