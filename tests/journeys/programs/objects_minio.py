"""minio-py, with its own signing and chunking: streams, parts, listings, presigned URLs, preconditions, batches."""

import io
import os
import sys
from datetime import timedelta
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource, CopySource
from minio.credentials import EnvAWSProvider
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

bucket = sys.argv[1]
host = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
client = Minio(host, credentials=EnvAWSProvider(), secure=False)


def code(function, *arguments, **options) -> str:
    try:
        function(*arguments, **options)
    except S3Error as error:
        return error.code
    return "none"


def read(name: str, **options) -> bytes:
    answer = client.get_object(bucket_name=bucket, object_name=name, **options)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def put(name: str, content: bytes, **options):
    return client.put_object(
        bucket_name=bucket, object_name=name, data=io.BytesIO(content), length=len(content), **options
    )


assert client.bucket_exists(bucket_name=bucket)
assert bucket in [found.name for found in client.list_buckets()]

# Small objects, large ones in parts, and a stream of unknown length.
large = os.urandom(11 << 20)
put("small", b"hello", content_type="text/plain", metadata={"origin": "sensor 7"})
put("large", large, part_size=5 << 20)
client.put_object(bucket_name=bucket, object_name="stream", data=io.BytesIO(large), length=-1, part_size=5 << 20)
assert read("small") == b"hello"
assert read("large") == read("stream") == large
assert read("large", offset=6_000_000, length=100) == large[6_000_000:6_000_100]
found = client.stat_object(bucket_name=bucket, object_name="small")
assert (found.size, found.content_type, found.metadata["x-amz-meta-origin"]) == (5, "text/plain", "sensor 7")

# Unusual names, listed flat, with a delimiter and in pages.
names = ["tree/a b", "tree/a+b", "tree/ä", "tree/sub/1", "tree/sub/2", "tree/100%"]
for name in names:
    put(name, name.encode())
assert all(read(name) == name.encode() for name in names)


def listed(**options) -> list[str]:
    return [found.object_name for found in client.list_objects(bucket_name=bucket, **options)]


assert listed(prefix="tree/", recursive=True) == sorted(names)
assert set(listed(prefix="tree/")) == {"tree/sub/", "tree/a b", "tree/a+b", "tree/ä", "tree/100%"}
assert listed(prefix="tree/", recursive=True, start_after="tree/sub/1") == ["tree/sub/2", "tree/ä"]
assert set(listed(prefix="tree/", use_api_v1=True)) == set(listed(prefix="tree/"))

# Copies: unchanged, with other metadata, composed of several objects.
client.copy_object(bucket_name=bucket, object_name="copied", source=CopySource(bucket_name=bucket, object_name="tree/a+b"))
assert read("copied") == b"tree/a+b"
itself = CopySource(bucket_name=bucket, object_name="copied")
client.copy_object(
    bucket_name=bucket, object_name="copied", source=itself, metadata={"origin": "copy"}, metadata_directive=REPLACE
)
assert client.stat_object(bucket_name=bucket, object_name="copied").metadata["x-amz-meta-origin"] == "copy"
pieces = [
    ComposeSource(bucket_name=bucket, object_name="large"),
    ComposeSource(bucket_name=bucket, object_name="large", offset=1000, length=6 << 20),
    ComposeSource(bucket_name=bucket, object_name="small"),
]
client.compose_object(bucket_name=bucket, object_name="composed", sources=pieces)
assert read("composed") == large + large[1000 : 1000 + (6 << 20)] + b"hello"

# Presigned URLs, and error codes.
link = client.presigned_put_object(bucket_name=bucket, object_name="linked ä", expires=timedelta(minutes=5))
assert urlopen(Request(link, b"by a link", method="PUT")).status == 200
named = {"response-content-type": "text/csv"}
link = client.presigned_get_object(bucket_name=bucket, object_name="linked ä", response_headers=named)
with urlopen(link) as answer:
    assert (answer.read(), answer.headers["Content-Type"]) == (b"by a link", "text/csv")
assert code(read, "nothing") == "NoSuchKey"
assert code(client.stat_object, bucket_name=bucket, object_name="nothing") == "NoSuchKey"
assert code(client.remove_bucket, bucket_name=bucket) == "BucketNotEmpty"

# Removing one and several objects; a missing one is not an error.
client.remove_object(bucket_name=bucket, object_name="small")
gone = [DeleteObject(name) for name in [*names, "nothing"]]
assert list(client.remove_objects(bucket_name=bucket, delete_object_list=gone)) == []
assert listed(recursive=True) == ["composed", "copied", "large", "linked ä", "stream"]

# A new bucket.
client.make_bucket(bucket_name=f"{bucket}-own")
client.remove_bucket(bucket_name=f"{bucket}-own")
assert not client.bucket_exists(bucket_name=f"{bucket}-own")
