"""Channels: requests that cannot be staged are refused, and the configuration that programs read."""

from dataclasses import asdict, replace

import pytest

from lowcloud.core.errors import InvalidError
from lowcloud.core.staging import channels
from lowcloud.core.staging.channels import Channel, DataSourceType, Mode

TRAIN = Channel("train", "data", "train/")


@pytest.mark.parametrize(
    ("requested", "says"),
    [
        ([replace(TRAIN, kind=DataSourceType.AUGMENTED, attributes=("a",))], "Pipe mode only"),
        ([replace(TRAIN, kind=DataSourceType.AUGMENTED, attributes=("a",), mode=Mode.LAZY)], "Pipe mode only"),
        (
            [replace(TRAIN, kind=DataSourceType.AUGMENTED, mode=Mode.PIPE)],
            "Name the attributes to send in AttributeNames",
        ),
        ([replace(TRAIN, attributes=("a",), mode=Mode.PIPE)], "which only an augmented manifest has"),
        ([replace(TRAIN, is_wrapped=True)], "RecordIO wrapping, which exists in Pipe mode only"),
        ([TRAIN, replace(TRAIN, prefix="other/")], "'train' and 'train' cannot be staged at"),
        ([replace(TRAIN, path="processing/a"), Channel("b", "data", "b", path="processing/a")], "a folder of its own"),
        (
            [replace(TRAIN, path="processing/a", mode=Mode.LAZY), Channel("b", "data", "b", path="processing/a/b")],
            "a folder of its own",
        ),
        ([replace(TRAIN, path="../a")], "cannot be staged at '../a'"),
        ([replace(TRAIN, path="/etc")], "cannot be staged at '/etc'"),
    ],
)
def test_a_channel_that_cannot_be_staged_is_refused_by_name(requested: list[Channel], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        channels.check(requested)


def test_folders_of_files_may_be_nested() -> None:
    channels.check(
        [replace(TRAIN, path="processing/input"), Channel("code", "data", "c", path="processing/input/code")]
    )


def test_the_configuration_of_a_program_describes_each_channel() -> None:
    requested = replace(TRAIN, mode=Mode.PIPE, is_wrapped=True, is_gzip=True, is_sharded=True, content_type="text/csv")
    assert channels.configuration_of(requested) == {
        "TrainingInputMode": "Pipe",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "RecordIO",
        "CompressionType": "Gzip",
        "ContentType": "text/csv",
    }
    assert channels.configuration_of(TRAIN)["TrainingInputMode"] == "File"
    assert channels.configuration_of(replace(TRAIN, mode=Mode.LAZY))["TrainingInputMode"] == "FastFile"


def test_a_channel_is_read_from_its_record_and_from_that_of_an_earlier_version() -> None:
    requested = replace(TRAIN, mode=Mode.PIPE, kind=DataSourceType.AUGMENTED, attributes=("a", "b-ref"), seed=3)
    assert channels.from_record(asdict(requested)) == requested
    earlier = {"name": "train", "bucket": "data", "prefix": "train/", "is_manifest": True}
    assert channels.from_record(earlier) == replace(TRAIN, kind=DataSourceType.MANIFEST)
