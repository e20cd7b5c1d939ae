"""Channels: the named inputs of a job, how each reaches its program, and its entry in the program's configuration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from lowcloud import contract
from lowcloud.core.errors import InvalidError


class Mode(StrEnum):
    """The way in which the bytes of a channel reach the program."""

    FILE = "file"  # files, staged before it starts
    LAZY = "lazy"  # files that are visible immediately, and whose bytes are fetched when they are read
    PIPE = "pipe"  # one stream, in a new named pipe for every epoch


class DataSourceType(StrEnum):
    """The type of object that the key of a channel refers to."""

    PREFIX = "prefix"  # all objects whose keys begin with it
    MANIFEST = "manifest"  # an object that lists objects
    AUGMENTED = "augmented"  # an object whose lines are records, some values of which are objects


@dataclass(frozen=True)
class Channel:
    """One named input, staged on every host or divided among the hosts."""

    name: str
    bucket: str
    prefix: str  # or the key of a manifest
    content_type: str | None = None
    is_gzip: bool = False  # decompressed in a pipe; files are left as they are
    is_sharded: bool = False
    kind: DataSourceType = DataSourceType.PREFIX
    mode: Mode = Mode.FILE
    attributes: tuple[str, ...] = ()  # of an augmented manifest's lines, in the order they are sent in
    seed: int | None = None  # of the shuffle of objects or lines, which is another in every epoch of a pipe
    is_wrapped: bool = False  # every object becomes one RecordIO record in a pipe
    path: str = ""  # where it is staged, relative to the replica's base; "" for its folder of training data
    is_optional: bool = False  # it may have no objects

    @property
    def place(self) -> str:
        """Where it is staged, relative to the replica's base: a folder, or the prefix of the names of its pipes."""
        return self.path or f"{contract.DATA}/{self.name}"

    @property
    def uri(self) -> str:
        """What it was made from."""
        return f"s3://{self.bucket}/{self.prefix}"


def from_record(record: Mapping[str, Any]) -> Channel:
    """Return the channel of a record made by dataclasses.asdict, of this version or an earlier one."""
    known = {member.name for member in fields(Channel)}
    values = {name: value for name, value in record.items() if name in known}
    if record.get("is_manifest"):
        values["kind"] = DataSourceType.MANIFEST
    values["kind"] = DataSourceType(values.get("kind", DataSourceType.PREFIX))
    values["mode"] = Mode(values.get("mode", Mode.FILE))
    values["attributes"] = tuple(values.get("attributes", ()))
    return Channel(**values)


def check(channels: Iterable[Channel]) -> None:
    """Check that the channels of a job can be staged as requested. Raises InvalidError."""
    seen: list[Channel] = []
    for channel in channels:
        _check_alone(channel)
        for other in seen:
            if _conflict(channel, other):
                raise InvalidError(
                    f"The inputs {other.name!r} and {channel.name!r} cannot be staged at {other.place!r} and "
                    f"{channel.place!r}. Give each a folder of its own."
                )
        seen.append(channel)


def configuration_of(channel: Channel) -> dict[str, str]:
    """Return the entry of a channel in input/config/inputdataconfig.json."""
    modes = {Mode.FILE: "File", Mode.LAZY: "FastFile", Mode.PIPE: "Pipe"}
    return {
        "TrainingInputMode": modes[channel.mode],
        "S3DistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
        "RecordWrapperType": "RecordIO" if channel.is_wrapped else "None",
        **({"ContentType": channel.content_type} if channel.content_type else {}),
        **({"CompressionType": "Gzip"} if channel.is_gzip else {}),
    }


def _conflict(one: Channel, other: Channel) -> bool:
    """Return whether they have the same place, or one is within the other's folder and nothing can be added there."""
    outer, inner = sorted((one, other), key=lambda channel: len(channel.place))
    is_within = inner.place.startswith(f"{outer.place}/")
    return one.place == other.place or one.name == other.name or (is_within and outer.mode == Mode.LAZY)


def _check_alone(channel: Channel) -> None:
    parts = channel.place.split("/")
    if channel.place.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in channel.place:
        raise InvalidError(f"The input {channel.name!r} cannot be staged at {channel.place!r}.")
    if channel.kind == DataSourceType.AUGMENTED and channel.mode != Mode.PIPE:
        raise InvalidError(
            f"The input {channel.name!r} is an augmented manifest, which reaches a program in Pipe mode only. Set its "
            "input mode to Pipe."
        )
    if channel.kind == DataSourceType.AUGMENTED and not channel.attributes:
        raise InvalidError(
            f"The input {channel.name!r} is an augmented manifest. Name the attributes to send in AttributeNames."
        )
    if channel.attributes and channel.kind != DataSourceType.AUGMENTED:
        raise InvalidError(f"The input {channel.name!r} has AttributeNames, which only an augmented manifest has.")
    if channel.is_wrapped and channel.mode != Mode.PIPE:
        raise InvalidError(
            f"The input {channel.name!r} requests RecordIO wrapping, which exists in Pipe mode only. Set its input "
            "mode to Pipe, or leave RecordWrapperType out."
        )
