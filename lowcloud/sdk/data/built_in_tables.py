"""The tables of built-in algorithms: read, matched by name, encoded as numbers, and written as their CSV.

The channel `train` decides: which columns there are, in which order and of which kind, how they are encoded, and which
labels there are. The other channels follow it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk import wording
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data import cells, encoding, files, labels, sources, tables
from lowcloud.sdk.data.columns import RAW_COLUMNS, Columns, match
from lowcloud.sdk.data.files import RawTable
from lowcloud.sdk.data.labels import Target
from lowcloud.sdk.data.reading import Places, Reading, format_names
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

TRAIN = "train"


@dataclass(frozen=True)
class Options:
    """How the tables are read: the arguments of train() that matter here."""

    algorithm: str
    parameters: Mapping[str, Any]
    target: str | int | None
    fraction: float | None  # of the rows, for validation
    reading: Reading
    allows_missing: bool
    is_raw: bool
    allow_large: bool  # whether large data is read from a URL
    has_transform: bool  # the rows are already transformed, by one that is given


@dataclass(frozen=True)
class EncodedTables:
    """The CSV of each channel that was read, and what was found out about the tables."""

    tables: Mapping[str, bytes]
    columns: Columns | None = None
    transform: bytes = b""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Table:
    """A typed table: the label first, then the features in the order of training."""

    frame: "pl.DataFrame"
    places: Places

    @property
    def label(self) -> str:
        return self.frame.columns[0]


def read(cloud: Cloud, named: Mapping[str, Any], options: Options) -> EncodedTables:
    """Return the tables of these channels; data that is to be used as it is, is left out. Raises InvalidInputError."""
    raw = {name: table for name, source in named.items() if (table := _read_source(cloud, name, source, options))}
    if TRAIN not in raw:
        return _without_training_table(raw, options)
    import polars as pl

    notes = [note for table in raw.values() for note in table.notes]
    train = raw[TRAIN]
    label = _label(train, options.target)
    kinds = {name: kind for name, kind in options.reading.types.items() if name in train.frame.columns}
    if lacking := [name for name in options.reading.types if name not in train.frame.columns]:
        hint = did_you_mean(lacking[0], train.frame.columns, f"Its columns are {format_names(train.frame.columns)}.")
        raise InvalidInputError(f"reading: there is no column {lacking[0]!r} in {train.places.what}. {hint}")
    typed = _typed(train, label, kinds, options.reading, notes)
    kinds = {name: cells.kind_of(typed.frame[name]) for name in typed.frame.columns} | kinds
    kinds[label] = "text" if typed.frame[label].dtype == pl.String else kinds[label]  # labels keep their spelling
    names = dict(zip(train.frame.columns, train.names, strict=True))
    features = tuple(names[name] for name in typed.frame.columns[1:])
    found = {TRAIN: typed}
    for name, other in raw.items():
        if name != TRAIN:
            like_train = _like(other, train, (names[label], *features), typed.frame.columns)
            found[name] = _typed(like_train, label, kinds, options.reading, notes)
    for one in found.values():
        _check(one, options)
    spelling = labels.spelling(train.frame[label], typed.frame[label])
    if options.fraction is not None:
        found |= _split(typed, options.fraction)
    return _encoded(found, features, names[label], kinds, options, spelling, notes)


def _read_source(cloud: Cloud, name: str, source: Any, options: Options) -> RawTable | None:
    is_table = bool(tables.library_of(source))
    if options.is_raw and not is_table:
        if options.target is not None or options.fraction is not None:
            raise InvalidInputError(
                f"{wording.argument('raw', True)} sends files as they are; "
                f"{wording.argument('target')} and a fraction for validation need a table."
            )
        return None
    known = (options.target,) if isinstance(options.target, str) else ()
    is_needed = options.target is not None or options.fraction is not None
    what = "the data" if name == TRAIN else f"the {name} data"
    table = sources.read_table(
        cloud, source, what, options.reading, known, is_read_from_url=is_needed, allow_large=options.allow_large
    )
    if table is None:
        if is_needed and name == TRAIN:
            is_target = options.target is not None
            argument = wording.argument("target") if is_target else wording.argument("validation", options.fraction)
            accepted = wording.either(f"{files.ACCEPTED}, or in memory", files.ACCEPTED)
            raise InvalidInputError(
                f"{argument} needs a table ({accepted}); the rows of {source!r} have their label in them."
            )
        return None
    return files.without_index(table, options.reading, known)


def _without_training_table(raw: Mapping[str, RawTable], options: Options) -> EncodedTables:
    """Return the labels that follow from the parameters, if the algorithm reads the channel train itself."""
    if raw:
        name, table = next(iter(raw.items()))
        raise InvalidInputError(
            f"The channel {name!r} is a table ({table.places.what}), but {TRAIN!r} is none; give both in one form."
        )
    target = Target() if options.is_raw else labels.read_target(options.algorithm, options.parameters, None)
    columns = Columns((), "", classes=target.classes, scores=target.scores) if target.classes else None
    return EncodedTables({}, columns)


def _label(table: RawTable, target: str | int | None) -> str:
    names = table.frame.columns
    what = table.places.what
    if target is None and table.is_named:
        has = " has a header" if what != "the data" else " has column names"
        raise InvalidInputError(
            f"{what}{has}. Set {wording.argument('target')} to the label column, one of {format_names(names)}."
        )
    target = 0 if target is None else target
    if isinstance(target, int) and target in table.names:  # a DataFrame's columns can have any numbers for names
        target = table.names.index(target)
    if isinstance(target, int) and not -len(names) <= target < len(names):
        raise InvalidInputError(f"There is no column {target} in {what}, which has {len(names)} columns.")
    label = names[target] if isinstance(target, int) else target
    if label not in names:
        hint = did_you_mean(label, names, f"Its columns are {format_names(names)}.")
        raise InvalidInputError(f"There is no column {label!r} in {what}. {hint}")
    if len(names) == 1:
        raise InvalidInputError(f"The only column in {what} is the label {label!r}.")
    return label


def _typed(table: RawTable, label: str, kinds: Mapping[str, str], reading: Reading, notes: list[str]) -> _Table:
    frame = table.frame.select(label, *(name for name in table.frame.columns if name != label))
    return _Table(cells.parse(frame, reading, table.places, kinds, notes), table.places)


def _like(table: RawTable, train: RawTable, wanted: tuple[str | int, ...], columns: list[str]) -> RawTable:
    """Return another channel's table with the `wanted` names of the training data, as `columns`, by name or position.

    Raises InvalidInputError.
    """
    if table.is_named and train.is_named:
        positions = match(wanted, table.names, "", f"{table.places.what} has other columns than {train.places.what}")
    elif set(table.names) == set(wanted):  # numbers, which a DataFrame can have in any order
        positions = [table.names.index(one) for one in wanted]
    elif len(table.names) == len(wanted):
        positions = [train.names.index(one) for one in wanted]
    else:
        raise InvalidInputError(
            f"{table.places.what} has {len(table.names)} columns, the training data has {len(wanted)}."
        )
    frame = table.frame[:, positions]
    return RawTable(frame.rename(dict(zip(frame.columns, columns, strict=True))), wanted, table.places)


def _check(table: _Table, options: Options) -> None:
    """Raise InvalidInputError for the first missing value, of the label only if features may be missing."""
    tables.check_present(
        table.frame,
        (
            column.name
            for column in table.frame
            if column.name == table.label or not (options.allows_missing or cells.kind_of(column) == "text")
        ),
        table.places,
    )


def _split(table: _Table, fraction: float) -> dict[str, _Table]:
    train, held_out = tables.split_rows(table.frame, fraction)
    return {TRAIN: _Table(train, table.places), "validation": _Table(held_out, table.places)}


def _encoded(
    found: Mapping[str, _Table],
    features: tuple[str | int, ...],
    label: str | int,
    kinds: Mapping[str, str],
    options: Options,
    spelling: Mapping[labels.Label, labels.Label],
    notes: list[str],
) -> EncodedTables:
    train = found[TRAIN]
    if options.is_raw or options.has_transform:
        _check_numbers(train)
        columns = RAW_COLUMNS if options.has_transform else Columns(features, label)
        return EncodedTables({name: _csv(table.frame) for name, table in found.items()}, columns, notes=tuple(notes))
    target = labels.read_target(options.algorithm, options.parameters, train.frame.to_series(0))
    spelled = target.spelled(spelling)
    notes += labels.regression_notes(options.algorithm, options.parameters, train.frame.to_series(0))
    document = None
    if encoding.is_needed(train.frame, train.label, target):
        document = encoding.fit(train.frame, train.label, target, options.algorithm, options.reading, train.places)
        notes.append(encoding.describe(document, train.label, spelled))
        for table in found.values():
            notes += encoding.unknown_notes(table.frame, encoding.levels_of(document), table.places)
    contents = {name: _csv(_numbers(table, target, document)) for name, table in found.items()}
    feature_kinds = tuple(kinds[name] for name in train.frame.columns[1:])
    levels = encoding.levels_of(document) if document else {}
    columns = Columns(features, label, feature_kinds, spelled.classes, target.scores, document is not None, levels)
    transform = encoding.to_bytes(document) if document else b""
    return EncodedTables(contents, columns, transform, target.parameters, tuple(notes))


def _numbers(table: _Table, target: Target, document: encoding.Document | None) -> "pl.DataFrame":
    """Return the label and the features as numbers."""
    frame = table.frame
    label = frame.to_series(0)
    if target.classes is not None:
        codes = labels.to_codes(label, target.classes, table.places)
        label = codes if target.is_mapped or label.dtype.is_temporal() else label
    if document is None:
        return frame.with_columns(label)
    encoded = encoding.encode(frame, document, table.places)
    return encoded.insert_column(0, label.rename(_unused(label.name, encoded.columns)))


def _unused(name: str, names: list[str]) -> str:
    return name if name not in names else _unused(f"{name} ", names)


def _check_numbers(table: _Table) -> None:
    import polars as pl

    texts = [name for name, kind in table.frame.schema.items() if not (kind.is_numeric() or kind == pl.Boolean)]
    if texts:
        raise InvalidInputError(
            f"Not numeric in {table.places.what}: {format_names(texts)}. "
            f"With {wording.argument('raw', True)} or a given transform, texts and dates are not encoded."
        )


def _csv(frame: "pl.DataFrame") -> bytes:
    import polars as pl
    import polars.selectors as cs

    return frame.with_columns(cs.boolean().cast(pl.Int8)).write_csv(include_header=False).encode()
