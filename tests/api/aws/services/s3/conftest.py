"""Fixtures of the S3 tests: clients, new buckets, and the code of an error."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.server import Server

_NUMBERS = count()


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture(scope="module")
def signer(server: Server) -> Any:
    """A client that presigns with Signature Version 4."""
    return server.client("s3", config={"signature_version": "s3v4"})


@pytest.fixture
def make_bucket(s3: Any) -> Callable[..., str]:
    """Creates a bucket with a new name."""

    def make(**arguments: Any) -> str:
        name = f"bucket-{next(_NUMBERS)}"
        s3.create_bucket(Bucket=name, **arguments)
        return name

    return make


@pytest.fixture
def bucket(make_bucket: Callable[..., str]) -> str:
    return make_bucket()


@pytest.fixture
def shelf(s3: Any, bucket: str) -> str:
    """A versioned bucket."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def open_bucket(s3: Any, make_bucket: Callable[..., str]) -> str:
    """A bucket with access control lists, and without a public access block."""
    name = make_bucket(ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    return name


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return the code of the error that a call raises."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])
