"""Inputs of work: an object that cannot be read is reported to the user, whatever the reason."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.staging import inputs
from lowcloud.core.staging.channels import Channel, DataSourceType
from lowcloud.core.staging.input_staging import stage
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.engine.work import StagingError

ROWS = b"1,2\n" * 20_000
SOURCE = inputs.source_of("data", "train.csv")


@pytest.fixture
def blob(context: Context):
    """The file that holds the only object."""
    buckets.create(context, "data")
    objects.put(context, "data", "train.csv", [ROWS])
    return next(path for path in (context.settings.data / "objects").glob("*/*"))


def change_a_bit(blob):
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])


def test_an_object_is_read_completely(context, blob):
    assert b"".join(inputs.fetch(context, SOURCE)) == ROWS


@pytest.mark.parametrize("harm", [change_a_bit, lambda blob: blob.unlink()], ids=["changed", "lost"])
def test_a_damaged_object_cannot_be_staged_and_is_named(context, blob, harm):
    harm(blob)
    with pytest.raises(StagingError, match=r"s3://data/train\.csv is damaged; upload it again"):
        list(inputs.fetch(context, SOURCE))


@pytest.mark.parametrize("harm", [change_a_bit, lambda blob: blob.unlink()], ids=["changed", "lost"])
def test_a_damaged_manifest_cannot_be_used_and_is_named(context, blob, harm):
    harm(blob)
    with pytest.raises(StagingError, match=r"s3://data/train\.csv is damaged; upload it again"):
        stage(
            ObjectAccess.of_account(context), [Channel("train", "data", "train.csv", kind=DataSourceType.MANIFEST)], 1
        )
