"""Listings of objects: prefixes, delimiters and pages."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.server import Server

KEYS = ["a", "b/1", "b/2", "b/c/3", "d", "é", "sp ace", "z+1"]


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket="full")
    for key in KEYS:
        client.put_object(Bucket="full", Key=key, Body=key.encode())
    return client


def pages(s3: Any, operation: str, **arguments: Any) -> tuple[list[str], list[str], int]:
    keys, folders, count = [], [], 0
    for page in s3.get_paginator(operation).paginate(Bucket="full", **arguments):
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        folders += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        count += 1
    return keys, folders, count


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_concatenated_pages_are_the_bucket_in_key_order(s3: Any, operation: str, size: int) -> None:
    keys, folders, count = pages(s3, operation, PaginationConfig={"PageSize": size})
    assert (keys, folders) == (sorted(KEYS), [])
    assert count == -(-len(KEYS) // size)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_delimiter_groups_keys_into_folders(s3: Any, operation: str, size: int) -> None:
    keys, folders, _ = pages(s3, operation, Delimiter="/", PaginationConfig={"PageSize": size})
    assert (keys, folders) == (sorted(key for key in KEYS if "/" not in key), ["b/"])
    keys, folders, _ = pages(s3, operation, Delimiter="/", Prefix="b/", PaginationConfig={"PageSize": size})
    assert (keys, folders) == (["b/1", "b/2"], ["b/c/"])


def test_entries_have_their_attributes(s3: Any) -> None:
    answer = s3.list_objects_v2(Bucket="full", MaxKeys=1, FetchOwner=True)
    entry = answer["Contents"][0]
    head = s3.head_object(Bucket="full", Key="a")
    assert (entry["ETag"], entry["Size"], entry["StorageClass"]) == (head["ETag"], 1, "STANDARD")
    assert entry["Owner"] == {"ID": s3.list_buckets()["Owner"]["ID"]}
    assert (answer["KeyCount"], answer["MaxKeys"], answer["IsTruncated"]) == (1, 1, True)


def test_start_after_a_key(s3: Any) -> None:
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="full", StartAfter="d")["Contents"]] == sorted(KEYS)[
        -3:
    ]
    marked = s3.list_objects(Bucket="full", Marker="b/", Delimiter="/")
    assert "CommonPrefixes" not in marked
    assert s3.list_objects(Bucket="full", MaxKeys=0)["IsTruncated"] is False


def test_an_invalid_token_is_refused(s3: Any) -> None:
    with pytest.raises(ClientError) as raised:
        s3.list_objects_v2(Bucket="full", ContinuationToken="???")
    assert raised.value.response["Error"]["Code"] == "InvalidArgument"


def test_keys_are_encoded_if_the_client_requests_it(server: Server, s3: Any) -> None:
    import re
    from urllib.request import urlopen

    signer = server.client("s3", config={"signature_version": "s3v4"})
    url = signer.generate_presigned_url("list_objects_v2", Params={"Bucket": "full", "EncodingType": "url"})
    with urlopen(url) as answer:
        listed = re.findall("<Key>(.*?)</Key>", answer.read().decode())
    assert listed == ["a", "b/1", "b/2", "b/c/3", "d", "sp%20ace", "z%2B1", "%C3%A9"]
