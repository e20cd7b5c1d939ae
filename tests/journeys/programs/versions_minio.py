"""minio-py on a versioned bucket."""

import io
import os
import sys
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED, CopySource
from minio.credentials import EnvAWSProvider
from minio.deleteobjects import DeleteObject

bucket = sys.argv[1]
client = Minio(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc, credentials=EnvAWSProvider(), secure=False)
assert client.get_bucket_versioning(bucket_name=bucket).status == ENABLED
ids = [
    client.put_object(bucket_name=bucket, object_name="k ä", data=io.BytesIO(text), length=3).version_id
    for text in (b"one", b"two")
]
client.remove_object(bucket_name=bucket, object_name="k ä")
listed = list(client.list_objects(bucket_name=bucket, include_version=True, recursive=True))
assert [item.is_delete_marker for item in listed if item.is_latest == "true"] == [True]
assert {item.version_id for item in listed if not item.is_delete_marker} == set(ids)
client.copy_object(
    bucket_name=bucket, object_name="k ä", source=CopySource(bucket_name=bucket, object_name="k ä", version_id=ids[0])
)
answer = client.get_object(bucket_name=bucket, object_name="k ä")
assert answer.read() == b"one"
answer.close()
answer.release_conn()
every = [
    DeleteObject(item.object_name, item.version_id)
    for item in client.list_objects(bucket_name=bucket, include_version=True, recursive=True)
]
assert len(every) == 4
assert list(client.remove_objects(bucket_name=bucket, delete_object_list=every)) == []
client.remove_bucket(bucket_name=bucket)
