"""Channels of training jobs in SageMaker's words."""

from collections.abc import Mapping
from typing import Any

from lowcloud.aws.sagemaker.translation import invalid, parse_s3_uri
from lowcloud.core.channels import Channel, Kind, Mode

MODES = {"File": Mode.FILE, "FastFile": Mode.LAZY, "Pipe": Mode.PIPE}
KINDS = {"S3Prefix": Kind.PREFIX, "ManifestFile": Kind.MANIFEST, "AugmentedManifestFile": Kind.AUGMENTED}


def read_channel(channel: Mapping[str, Any], default_mode: str) -> Channel:
    """The channel of a CreateTrainingJob request whose algorithm has this TrainingInputMode."""
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise invalid(f"Channel {channel['ChannelName']!r} needs an S3DataSource.")
    bucket, prefix = parse_s3_uri(source["S3Uri"])
    return Channel(
        name=channel["ChannelName"],
        bucket=bucket,
        prefix=prefix,
        content_type=channel.get("ContentType"),
        is_gzip=channel.get("CompressionType") == "Gzip",
        is_sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
        kind=KINDS[source["S3DataType"]],
        mode=MODES[channel.get("InputMode", default_mode)],
        attributes=tuple(source.get("AttributeNames", ())),
        seed=channel["ShuffleConfig"]["Seed"] if "ShuffleConfig" in channel else None,
        is_wrapped=channel.get("RecordWrapperType") == "RecordIO",
    )


def describe_channel(channel: Channel, default_mode: Mode) -> dict[str, Any]:
    """The channel as DescribeTrainingJob tells it of a job whose algorithm has this input mode."""
    source = {
        "S3DataType": _name_of(KINDS, channel.kind),
        "S3Uri": channel.uri,
        "S3DataDistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
        **({"AttributeNames": list(channel.attributes)} if channel.attributes else {}),
    }
    return {
        "ChannelName": channel.name,
        "DataSource": {"S3DataSource": source},
        "CompressionType": "Gzip" if channel.is_gzip else "None",
        "RecordWrapperType": "RecordIO" if channel.is_wrapped else "None",
        **({"InputMode": mode_name(channel.mode)} if channel.mode != default_mode else {}),
        **({"ContentType": channel.content_type} if channel.content_type else {}),
        **({"ShuffleConfig": {"Seed": channel.seed}} if channel.seed is not None else {}),
    }


def mode_name(mode: Mode) -> str:
    """ "File", "FastFile" or "Pipe"."""
    return _name_of(MODES, mode)


def _name_of(names: Mapping[str, Any], value: object) -> str:
    return next(name for name, meant in names.items() if meant == value)
