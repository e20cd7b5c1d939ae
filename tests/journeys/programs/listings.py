"""Every key and every top-level name of a bucket, as each library lists them."""

import json
import os
import sys
from urllib.parse import urlsplit

import obstore
import s3fs
from minio import Minio
from minio.credentials import EnvAWSProvider
from obstore.store import S3Store
from pyarrow import fs

bucket = sys.argv[1]
endpoint = os.environ["AWS_ENDPOINT_URL"]
lists = {}


def keep(client: str, every, top) -> None:
    lists[client] = {"all": sorted(every), "top": sorted(name.rstrip("/") for name in top)}


files = s3fs.S3FileSystem(skip_instance_cache=True)
cut = len(bucket) + 1
keep("s3fs", [name[cut:] for name in files.find(bucket)], [name[cut:] for name in files.ls(bucket)])
arrow = fs.S3FileSystem(endpoint_override=endpoint)
every = arrow.get_file_info(fs.FileSelector(bucket, recursive=True))
top = arrow.get_file_info(fs.FileSelector(bucket))
keep("pyarrow", [found.path[cut:] for found in every if found.is_file], [found.path[cut:] for found in top])
store = S3Store(bucket)
level = obstore.list_with_delimiter(store)
keep(
    "obstore",
    [meta["path"] for batch in obstore.list(store) for meta in batch],
    [*level["common_prefixes"], *(meta["path"] for meta in level["objects"])],
)
minio = Minio(urlsplit(endpoint).netloc, credentials=EnvAWSProvider(), secure=False)
keep(
    "minio",
    [found.object_name for found in minio.list_objects(bucket_name=bucket, recursive=True)],
    [found.object_name for found in minio.list_objects(bucket_name=bucket)],
)
print(json.dumps(lists))
