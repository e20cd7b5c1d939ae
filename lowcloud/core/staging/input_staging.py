"""Input staging: the inputs of each host of a job, from its channels, in the form that the engine accepts."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity.access import AccessDeniedError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.staging import manifests
from lowcloud.core.staging.channels import Channel, DataSourceType, Mode
from lowcloud.core.staging.inputs import source_of, source_of_version
from lowcloud.core.storage.objects.versions import Version
from lowcloud.engine.work import Input, InputSource, LazyFolder, Record, StagingError, Stream

LONGEST_NAME_BYTES = 255
LONGEST_RECORD_BYTES = (1 << 29) - 1  # the largest length that a RecordIO header can hold


@dataclass(frozen=True)
class StagedInputs:
    """The inputs of one host: members of engine.work.Replica."""

    inputs: tuple[Input, ...] = ()
    lazy_folders: tuple[LazyFolder, ...] = ()
    streams: tuple[Stream, ...] = ()


def stage(store: ObjectAccess, channels: Iterable[Channel], hosts_count: int) -> list[StagedInputs]:
    """Return the inputs of each host, by rank.

    `store` is the object store as the role of the job sees it. Raises StagingError if a channel has no data, the role
    may not read it, or a key is no file path.
    """
    each = [_stage_one(store, channel, hosts_count) for channel in channels]
    return [
        StagedInputs(
            inputs=tuple(chain.from_iterable(hosts[rank].inputs for hosts in each)),
            lazy_folders=tuple(chain.from_iterable(hosts[rank].lazy_folders for hosts in each)),
            streams=tuple(chain.from_iterable(hosts[rank].streams for hosts in each)),
        )
        for rank in range(hosts_count)
    ]


def _stage_one(store: ObjectAccess, channel: Channel, hosts_count: int) -> list[StagedInputs]:
    """Return the inputs of each host from one channel."""
    ranks = range(hosts_count)
    if channel.mode == Mode.PIPE:
        records = _records(store, channel)
        return [StagedInputs(streams=(_stream(channel, records, rank, hosts_count),)) for rank in ranks]
    files = _files(store, channel)
    shards = [tuple(_shard(channel, files, rank, hosts_count)) for rank in ranks]
    if channel.mode == Mode.FILE:
        return [StagedInputs(inputs=shard) for shard in shards]
    _check_tree(files)
    return [StagedInputs(lazy_folders=(LazyFolder(channel.place, shard),)) for shard in shards]


def _shard(channel: Channel, files: Sequence[Input], rank: int, hosts_count: int) -> Sequence[Input]:
    """Return the files of one host. Hosts agree on them without communication, since all shuffle in the same way."""
    if not channel.is_sharded:
        return files
    if channel.seed is not None:
        files = list(files)
        random.Random(channel.seed).shuffle(files)
    return files[rank::hosts_count]


def _stream(channel: Channel, records: tuple[Record, ...], rank: int, hosts_count: int) -> Stream:
    shard, shards = (rank, hosts_count) if channel.is_sharded else (0, 1)
    if channel.seed is None:  # otherwise a host may get another shard in every epoch
        records, shard, shards = records[shard::shards], 0, 1
    return Stream(channel.place, records, channel.is_gzip, channel.is_wrapped, channel.seed, shard, shards)


def _files(store: ObjectAccess, channel: Channel) -> list[Input]:
    is_lazy = channel.mode == Mode.LAZY
    files = []
    paths: set[str] = set()
    for version, path in _objects(store, channel):
        _check_path(version, path)
        if path in paths:
            raise _same_file(channel, path)
        paths.add(path)
        source = source_of_version(version) if is_lazy else source_of(version.bucket, version.key)
        files.append(Input(f"{channel.place}/{path}", source, version.size))
    return files


def _records(store: ObjectAccess, channel: Channel) -> tuple[Record, ...]:
    if channel.kind == DataSourceType.AUGMENTED:
        records = tuple(manifests.records(store, channel.bucket, channel.prefix, channel.attributes))
        if not records:
            raise _no_data(channel)
    else:
        records = tuple(
            (InputSource(source_of_version(version), version.size),) for version, _ in _objects(store, channel)
        )
    if channel.is_wrapped:
        _check_lengths(channel, records)
    return records


def _objects(store: ObjectAccess, channel: Channel) -> Iterator[tuple[Version, str]]:
    """Yield the objects of a channel, at least one, and the path of each below the channel's folder."""
    is_listed = channel.kind == DataSourceType.MANIFEST
    found = manifests.listed(store, channel.bucket, channel.prefix) if is_listed else _below_prefix(store, channel)
    has_data = False
    for version, path in found:
        has_data = True
        yield version, path
    if not has_data and not channel.is_optional:
        raise _no_data(channel)


def _below_prefix(store: ObjectAccess, channel: Channel) -> Iterator[tuple[Version, str]]:
    try:
        for version in store.walk(channel.bucket, channel.prefix):
            if not version.key.endswith("/"):  # consoles create such empty objects as folders
                yield version, _path_below(channel.prefix, version.key)
    except NotFoundError as error:
        raise StagingError(
            f"The bucket of channel {channel.name!r} does not exist: {channel.uri}. Create it and upload the data."
        ) from error
    except AccessDeniedError as error:
        raise StagingError(
            f"Data download failed: {error}. Attach a policy to the role that allows it, or use another bucket."
        ) from error


def _path_below(prefix: str, key: str) -> str:
    """Return the path of an object in its channel's folder: SageMaker drops the prefix up to its last slash."""
    rest = key[len(prefix) :]
    if prefix and not prefix.endswith("/") and not rest.startswith("/"):
        rest = key[prefix.rfind("/") + 1 :]  # the prefix is a whole key, or ends within a name
    return rest.lstrip("/")


def _no_data(channel: Channel) -> StagingError:
    return StagingError(
        f'No S3 objects found under S3 URL "{channel.uri}" given in input data source of channel '
        f"{channel.name!r}. Upload the data there, or correct the URL."
    )


def _same_file(channel: Channel, path: str) -> StagingError:
    if channel.kind == DataSourceType.MANIFEST:
        return StagingError(f"The manifest {channel.uri} names {path!r} twice. Name each object once.")
    return StagingError(f"Two objects of channel {channel.name!r} would be one file, {path!r}. Rename one of them.")


def _check_path(version: Version, path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise StagingError(f"The object key {version.key!r} cannot be used as a file path. Rename the object.")


def _check_tree(files: Sequence[Input]) -> None:
    """Raise StagingError for paths that no file system could hold; for files that are staged, the file system does."""
    paths = {file.path for file in files}
    for path in paths:
        parts = path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        if (folder := next((one for one in above if one in paths), None)) is not None:
            raise StagingError(f"{folder!r} would be a file and, for {path!r}, a folder. Rename one of the objects.")
        if any(len(part.encode()) > LONGEST_NAME_BYTES for part in parts):
            raise StagingError(f"{path!r} has a name of more than {LONGEST_NAME_BYTES} bytes. Rename the object.")


def _check_lengths(channel: Channel, records: Iterable[Record]) -> None:
    for record in records:
        for piece in record:
            if isinstance(piece, InputSource) and piece.size_bytes > LONGEST_RECORD_BYTES:
                raise StagingError(
                    f"{piece.name.partition('?')[0]} of channel {channel.name!r} has {piece.size_bytes} bytes, more "
                    f"than the {LONGEST_RECORD_BYTES} of a RecordIO record. Split it, or leave RecordWrapperType out."
                )
