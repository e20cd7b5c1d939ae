"""The objects of a channel, and where each lies in the folder that a program sees."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.core import listings, objects
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError, Invalid, NotFound
from lowcloud.core.inputs import fetch, parse_uri, source_of
from lowcloud.engine import Input, StagingFailed

MANIFEST_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Channel:
    """One named input, laid into a folder of every host or shared out among the hosts.

    It is the objects under `prefix`, or those that the manifest at the key `prefix` lists.
    """

    name: str
    bucket: str
    prefix: str
    content_type: str | None = None
    is_gzip: bool = False
    is_sharded: bool = False
    is_manifest: bool = False
    path: str = ""  # of its folder, relative to the program's base; "": input/data/NAME
    is_optional: bool = False  # nothing is laid where there is nothing


@dataclass(frozen=True)
class _File:
    """An object of a channel, and its path below the channel's folder."""

    bucket: str
    key: str
    size: int
    path: str


def inputs_of(cloud: Cloud, channel: Channel, rank: int, hosts_count: int) -> Iterator[Input]:
    """What one host gets of a channel. Raises StagingFailed where the channel has no data or a key is no file path."""
    files = _files_of_manifest(cloud, channel) if channel.is_manifest else _files_of_prefix(cloud, channel)
    if not files and not channel.is_optional:
        raise StagingFailed(
            f'No S3 objects found under S3 URL "{_uri(channel)}" given in input data source of channel '
            f"{channel.name!r}. Upload the data there, or correct the URL."
        )
    for index, file in enumerate(files):
        _check_path(file)
        if not channel.is_sharded or index % hosts_count == rank:
            path = f"{folder_of(channel)}/{file.path}"
            yield Input(path, source_of(file.bucket, file.key), file.size)


def folder_of(channel: Channel) -> str:
    """Where a program finds the channel, relative to its base."""
    return channel.path or f"{contract.DATA}/{channel.name}"


def configuration_of(channel: Channel) -> dict[str, str]:
    """What a program reads about the channel in inputdataconfig.json."""
    return {
        "TrainingInputMode": "File",
        "S3DistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
        "RecordWrapperType": "None",
        **({"ContentType": channel.content_type} if channel.content_type else {}),
        **({"CompressionType": "Gzip"} if channel.is_gzip else {}),
    }


def _files_of_prefix(cloud: Cloud, channel: Channel) -> list[_File]:
    try:
        found = list(listings.walk(cloud, channel.bucket, channel.prefix))
    except NotFound as error:
        raise StagingFailed(
            f"The bucket of channel {channel.name!r} does not exist: {_uri(channel)}. Create it and upload the data."
        ) from error
    return [
        _File(channel.bucket, one.key, one.size, _path_below(channel.prefix, one.key))
        for one in found
        if not one.key.endswith("/")  # consoles make such empty objects as folders
    ]


def _files_of_manifest(cloud: Cloud, channel: Channel) -> list[_File]:
    """A manifest is a JSON list: {"prefix": "s3://bucket/folder/"}, then the rest of each object's URL."""
    try:
        size = objects.head(cloud, channel.bucket, channel.prefix).size
        if size > MANIFEST_LIMIT_BYTES:
            raise Invalid(f"it is larger than {MANIFEST_LIMIT_BYTES} bytes")
        first, *rest = json.loads(b"".join(fetch(cloud, source_of(channel.bucket, channel.prefix))))
        bucket, folder = parse_uri(first["prefix"])
        return [_File(bucket, folder + name, objects.head(cloud, bucket, folder + name).size, name) for name in rest]
    except (CloudError, ValueError, TypeError, KeyError) as error:
        raise StagingFailed(
            f"The manifest {_uri(channel)} of channel {channel.name!r} cannot be used: {error}. It must be a JSON list "
            'of {"prefix": "s3://bucket/folder/"} and the names of objects there.'
        ) from error


def _path_below(prefix: str, key: str) -> str:
    """Where an object lies in its channel's folder: SageMaker drops the prefix up to its last whole segment."""
    rest = key[len(prefix) :]
    if prefix and not prefix.endswith("/") and not rest.startswith("/"):
        rest = key[prefix.rfind("/") + 1 :]  # the prefix is a whole key, or ends within a name
    return rest.lstrip("/")


def _check_path(file: _File) -> None:
    if any(part in ("", ".", "..") for part in file.path.split("/")) or "\0" in file.path:
        raise StagingFailed(f"The object key {file.key!r} is no usable file path. Rename the object.")


def _uri(channel: Channel) -> str:
    return f"s3://{channel.bucket}/{channel.prefix}"
