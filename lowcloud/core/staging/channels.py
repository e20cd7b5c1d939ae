"""Channels: named inputs of a job, how each reaches its program, and what the program is told of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from lowcloud import contract
from lowcloud.core.errors import InvalidError


class Mode(StrEnum):
    """How a channel's bytes reach the program."""

    FILE = "file"  # files, laid before it starts
    LAZY = "lazy"  # files that are there at once, and whose bytes come when they are read
    PIPE = "pipe"  # one stream, in a new named pipe for every epoch


class DataSourceType(StrEnum):
    """What the key of a channel names."""

    PREFIX = "prefix"  # all objects whose keys begin so
    MANIFEST = "manifest"  # an object that lists objects
    AUGMENTED = "augmented"  # an object whose lines are records, some values of which are objects


@dataclass(frozen=True)
class Channel:
    """One named input, laid into a folder of every host or shared out among the hosts."""

    name: str
    bucket: str
    prefix: str  # or the key of a manifest
    content_type: str | None = None
    is_gzip: bool = False  # unpacked on its way through a pipe; files stay as they are
    is_sharded: bool = False
    kind: DataSourceType = DataSourceType.PREFIX
    mode: Mode = Mode.FILE
    attributes: tuple[str, ...] = ()  # of an augmented manifest's lines, in the order they are sent in
    seed: int | None = None  # shuffles the objects or lines, anew for every epoch of a pipe
    is_wrapped: bool = False  # every object becomes one RecordIO record on its way through a pipe
    path: str = ""  # where it is laid, relative to the replica's base; "" for its folder of training data
    is_optional: bool = False  # nothing is laid where there is nothing

    @property
    def place(self) -> str:
        """Where it is laid, relative to the replica's base: a folder, or what the names of its pipes begin with."""
        return self.path or f"{contract.DATA}/{self.name}"

    @property
    def uri(self) -> str:
        """What it was made from."""
        return f"s3://{self.bucket}/{self.prefix}"


def from_record(record: Mapping[str, Any]) -> Channel:
    """The channel of which `record` was made with dataclasses.asdict, by this version or an earlier one."""
    known = {member.name for member in fields(Channel)}
    values = {name: value for name, value in record.items() if name in known}
    if record.get("is_manifest"):
        values["kind"] = DataSourceType.MANIFEST
    values["kind"] = DataSourceType(values.get("kind", DataSourceType.PREFIX))
    values["mode"] = Mode(values.get("mode", Mode.FILE))
    values["attributes"] = tuple(values.get("attributes", ()))
    return Channel(**values)


def check(channels: Iterable[Channel]) -> None:
    """Whether the channels of a job can be laid as they are asked for. Raises Invalid."""
    seen: list[Channel] = []
    for channel in channels:
        _check_alone(channel)
        for other in seen:
            if _are_in_each_others_way(channel, other):
                raise InvalidError(
                    f"The inputs {other.name!r} and {channel.name!r} cannot lie at {other.place!r} and "
                    f"{channel.place!r} both. Give each a folder of its own."
                )
        seen.append(channel)


def configuration_of(channel: Channel) -> dict[str, str]:
    """What a program is told of a channel in input/config/inputdataconfig.json."""
    modes = {Mode.FILE: "File", Mode.LAZY: "FastFile", Mode.PIPE: "Pipe"}
    return {
        "TrainingInputMode": modes[channel.mode],
        "S3DistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
        "RecordWrapperType": "RecordIO" if channel.is_wrapped else "None",
        **({"ContentType": channel.content_type} if channel.content_type else {}),
        **({"CompressionType": "Gzip"} if channel.is_gzip else {}),
    }


def _are_in_each_others_way(one: Channel, other: Channel) -> bool:
    """Whether they lie in one place, or one of them in the other's folder and nothing can be added there."""
    outer, inner = sorted((one, other), key=lambda channel: len(channel.place))
    is_within = inner.place.startswith(f"{outer.place}/")
    return one.place == other.place or one.name == other.name or (is_within and outer.mode == Mode.LAZY)


def _check_alone(channel: Channel) -> None:
    parts = channel.place.split("/")
    if channel.place.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in channel.place:
        raise InvalidError(f"The input {channel.name!r} cannot be laid at {channel.place!r}.")
    if channel.kind == DataSourceType.AUGMENTED and channel.mode != Mode.PIPE:
        raise InvalidError(
            f"The input {channel.name!r} is an augmented manifest, which reaches a program in Pipe mode only. Set its "
            "input mode to Pipe."
        )
    if channel.kind == DataSourceType.AUGMENTED and not channel.attributes:
        raise InvalidError(
            f"The input {channel.name!r} is an augmented manifest. Say in AttributeNames what to send of it."
        )
    if channel.attributes and channel.kind != DataSourceType.AUGMENTED:
        raise InvalidError(f"The input {channel.name!r} has AttributeNames, which only an augmented manifest has.")
    if channel.is_wrapped and channel.mode != Mode.PIPE:
        raise InvalidError(
            f"The input {channel.name!r} asks for RecordIO wrapping, which is done in Pipe mode only. Set its input "
            "mode to Pipe, or leave RecordWrapperType out."
        )
