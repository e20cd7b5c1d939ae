"""Inputs of work: an object that cannot be read is told to the user, whatever is wrong with it."""

import pytest

from lowcloud.core import buckets, inputs, objects
from lowcloud.core.channels import Channel, Kind
from lowcloud.core.cloud import Cloud
from lowcloud.core.laying import lay
from lowcloud.engine import StagingFailed

ROWS = b"1,2\n" * 20_000
SOURCE = inputs.source_of("data", "train.csv")


@pytest.fixture
def blob(cloud: Cloud):
    """The file that holds the only object."""
    buckets.create(cloud, "data")
    objects.put(cloud, "data", "train.csv", [ROWS])
    return next(path for path in (cloud.settings.data / "objects").glob("*/*"))


def change_a_bit(blob):
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])


def test_an_object_is_read_whole(cloud, blob):
    assert b"".join(inputs.fetch(cloud, SOURCE)) == ROWS


@pytest.mark.parametrize("harm", [change_a_bit, lambda blob: blob.unlink()], ids=["changed", "lost"])
def test_a_damaged_object_cannot_be_laid_and_is_named(cloud, blob, harm):
    harm(blob)
    with pytest.raises(StagingFailed, match=r"s3://data/train\.csv is damaged; upload it again"):
        list(inputs.fetch(cloud, SOURCE))


@pytest.mark.parametrize("harm", [change_a_bit, lambda blob: blob.unlink()], ids=["changed", "lost"])
def test_a_damaged_manifest_cannot_be_used_and_is_named(cloud, blob, harm):
    harm(blob)
    with pytest.raises(StagingFailed, match=r"s3://data/train\.csv is damaged; upload it again"):
        lay(cloud, [Channel("train", "data", "train.csv", kind=Kind.MANIFEST)], 1)
