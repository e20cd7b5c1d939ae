"""Turns tables, files and URLs into input channels: uploaded once, in the format that the model's code reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lowcloud.schemas import transform
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk import storage, wording
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data import built_in_tables, sources, tables
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.files import format_of, suffix_of
from lowcloud.sdk.data.reading import Reading
from lowcloud.sdk.data.sources import OTHER_FORMATS, Size
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    from lowcloud.sdk.storage import Content

Source: TypeAlias = sources.Source
Data: TypeAlias = Source | Mapping[str, Source]

CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
CSV = "text/csv"
PARQUET = "application/x-parquet"
TABLES = ("train", "validation", "test")  # channels of built-in algorithms with a label in each row

BUILT_IN_CHANNELS = (*TABLES, "model", "code", transform.CHANNEL)


class ModelKind(StrEnum):
    """The kind of code that reads the data, which determines the format of tables."""

    BUILT_IN = "built-in"  # CSV without a header, label in the first column
    SCRIPT = "script"  # CSV with a header; arrays as .npy
    FUNCTION = "function"  # restored to the type that was given


@dataclass(frozen=True)
class Channel:
    """One named input of a job: its URL, and how to restore it for a function."""

    name: str
    url: str
    content_type: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Consumer:
    """What reads the data: the model's kind and, of a built-in algorithm, its name and the parameters given for it."""

    model_kind: ModelKind
    algorithm: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allows_missing: bool = True  # whether features may have missing values
    is_raw: bool = False  # whether a built-in algorithm gets files as they are, and numbers alone


@dataclass(frozen=True)
class Prepared:
    """Checked data, before anything is sent: files or the URL of each channel, and what is known about the tables."""

    channels: tuple[Channel, ...]
    files: Mapping[str, Mapping[str, "Content"]]  # of channels without a URL
    columns: Columns | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # to be added to those given
    notes: tuple[str, ...] = ()

    def upload(self, cloud: Cloud) -> list[Channel]:
        """Send the files, and return the channels."""
        return [
            replace(one, url=storage.upload(cloud, self.files[one.name])) if one.name in self.files else one
            for one in self.channels
        ]


def measure(data: Data, validation: Source | float | None, model_kind: ModelKind) -> Size:
    """Return how many files and bytes would be sent. Raises InvalidInputError for what cannot be."""
    return sources.measure(_sources(data, validation), is_table=model_kind is ModelKind.BUILT_IN)


def prepare(
    cloud: Cloud,
    data: Data,
    validation: Source | float | None,
    target: str | int | None,
    consumer: Consumer,
    reading: Reading | None = None,
    *,
    allow_large: bool = False,
) -> Prepared:
    """Read, check and encode the data; nothing is sent. Raises InvalidInputError."""
    named = _sources(data, validation)
    if target is not None and consumer.model_kind is not ModelKind.BUILT_IN:
        raise InvalidInputError(
            f"{wording.argument('target')} is for built-in algorithms; your own code selects the label itself."
        )
    is_built_in = consumer.model_kind is ModelKind.BUILT_IN
    if not allow_large:
        sources.check_size(sources.measure(named, is_table=is_built_in))
    fraction = validation if isinstance(validation, float) else None
    if not is_built_in:
        return _for_own_code(named, fraction, consumer.model_kind)
    _check_channels(named, consumer.algorithm)
    has_transform = transform.CHANNEL in named
    labelled = {name: source for name, source in named.items() if name in TABLES}
    options = built_in_tables.Options(
        consumer.algorithm,
        consumer.parameters,
        target,
        fraction,
        reading or Reading(),
        allows_missing=consumer.allows_missing,
        is_raw=consumer.is_raw,
        allow_large=allow_large,
        has_transform=has_transform,
    )
    encoded = built_in_tables.read(cloud, labelled, options)
    channels: list[Channel] = []
    files: dict[str, Mapping[str, Content]] = {}
    for name, source in {**dict.fromkeys(encoded.tables), **named}.items():
        if name in encoded.tables:
            channels.append(Channel(name, "", CSV))
            files[name] = {f"{name}.csv": encoded.tables[name]}
        else:
            channel, content = _as_it_is(cloud, name, source, consumer.model_kind)
            channels.append(channel)
            files |= {name: content} if content else {}
    if encoded.transform:
        channels.append(Channel(transform.CHANNEL, ""))
        files[transform.CHANNEL] = {transform.FILE: encoded.transform}
    return Prepared(tuple(channels), files, encoded.columns, encoded.parameters, encoded.notes)


def _sources(data: Data, validation: Source | float | None) -> dict[str, Source]:
    """Return the data given for each channel, before a fraction is held out."""
    if isinstance(validation, int) or (isinstance(validation, float) and not 0 < validation < 1):
        raise InvalidInputError(
            f"{wording.argument('validation', validation)} is neither data nor a fraction of the rows: give "
            "a number between 0 and 1, such as 0.2 for a fifth of them."
        )
    if isinstance(data, Mapping):
        if validation is not None and "validation" in data:
            raise InvalidInputError(
                "The validation data is given twice: by "
                f"{wording.argument('validation')} and by {wording.either('the mapping', '--channel')}."
            )
        named = dict(data)
    else:
        named = {"train": data}
    if isinstance(validation, float) and "train" not in named:
        raise InvalidInputError(
            f"{wording.argument('validation', validation)} holds out rows of the channel 'train', which is not given."
        )
    if validation is not None and not isinstance(validation, float):
        named["validation"] = validation
    if invalid := next((name for name in named if not CHANNEL.fullmatch(name)), None):
        raise InvalidInputError(f"{invalid!r} is not a valid channel name: use up to 64 letters, digits, - and _.")
    for name, source in named.items():
        if not (tables.library_of(source) or isinstance(source, str | Path)):
            raise InvalidInputError(
                f"The data of channel {name!r} has type {type(source).__name__}; give {sources.accepted()}."
            )
        if sources.is_url(source):
            storage.parse_url(str(source))
    return named


def _check_channels(named: Mapping[str, Source], algorithm: str) -> None:
    """Raise InvalidInputError for a channel that no built-in algorithm reads."""
    for name in named:
        if name not in BUILT_IN_CHANNELS:
            hint = did_you_mean(name, BUILT_IN_CHANNELS, f"Channels are {', '.join(BUILT_IN_CHANNELS)}.")
            raise InvalidInputError(f"{algorithm} has no channel {name!r}. {hint}")


def _for_own_code(named: Mapping[str, Source], fraction: float | None, model_kind: ModelKind) -> Prepared:
    """Return the data as it is for a script or a function."""
    given: dict[str, Any] = dict(named)
    if fraction is not None:
        if not tables.library_of(given["train"]):
            raise InvalidInputError(_cannot_hold_out(fraction, given["train"]))
        given["train"], given["validation"] = tables.split_rows(given["train"], fraction)
    channels: list[Channel] = []
    files: dict[str, Mapping[str, Content]] = {}
    for name, source in given.items():
        channel, content = _as_it_is(None, name, source, model_kind)
        channels.append(channel)
        files |= {name: content} if content else {}
    is_script = model_kind is ModelKind.SCRIPT  # a function gets the index
    notes = [note for name, source in named.items() for note in sources.index_notes(source, name) if is_script]
    return Prepared(tuple(channels), files, notes=tuple(notes))


def _cannot_hold_out(fraction: float, source: Any) -> str:
    held_out = wording.argument("validation", fraction)
    return wording.either(
        f"{held_out} needs a table in memory; {source!r} is none.",
        f"{held_out} is for built-in algorithms; give a script its validation data, with --validation DATA.",
    )


def _as_it_is(
    cloud: Cloud | None, name: str, source: Any, model_kind: ModelKind
) -> tuple[Channel, Mapping[str, "Content"]]:
    """Return the channel of data that is not changed, and its files; none for a URL."""
    if library := tables.library_of(source):
        return _table(name, source, library, model_kind)
    is_built_in = model_kind is ModelKind.BUILT_IN
    if sources.is_url(source):
        content_type = _content_type_at(cloud, source) if is_built_in and cloud else None
        return Channel(name, source, content_type, {"kind": "folder"}), {}
    found = sources.local_files(source, is_table=is_built_in and name in TABLES)
    content_type = _content_type(*next(iter(found.items()))) if is_built_in and name in TABLES else None
    if Path(source).expanduser().is_dir():
        return Channel(name, "", content_type, {"kind": "folder"}), found
    return Channel(name, "", content_type, {"kind": "file", "file": next(iter(found))}), found


def _table(name: str, data: Any, library: str, model_kind: ModelKind) -> tuple[Channel, Mapping[str, "Content"]]:
    """Return the channel of a table in memory for a script or a function."""
    if data.shape[:1] == (0,):
        raise InvalidInputError("There are no rows in the data.")
    if library == "numpy":
        file = f"{name}.npy"
        return Channel(name, "", None, {"kind": "numpy", "file": file}), {file: tables.to_npy(data)}
    if model_kind is not ModelKind.FUNCTION:
        return Channel(name, "", CSV), {f"{name}.csv": tables.to_polars(data).write_csv().encode()}
    content, description = tables.to_parquet(data)
    file = f"{name}.parquet"
    return Channel(name, "", None, {**description, "file": file}), {file: content}


def _content_type(name: str, path: Path | None = None) -> str:
    other = sources.other_format(name, path) if path else OTHER_FORMATS.get(suffix_of(name))
    return other or (PARQUET if format_of(name) == "parquet" else CSV)


def _content_type_at(cloud: Cloud, url: str) -> str | None:
    name, _ = next(sources.objects(cloud, url), ("", None))
    return _content_type(name) if name else None
