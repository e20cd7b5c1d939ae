"""minio-py on a bucket with object lock."""

import io
import os
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.credentials import EnvAWSProvider
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention

bucket = f"{sys.argv[1]}-locked"
client = Minio(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc, credentials=EnvAWSProvider(), secure=False)
client.make_bucket(bucket_name=bucket, object_lock=True)
client.set_object_lock_config(bucket_name=bucket, config=ObjectLockConfig(GOVERNANCE, 1, DAYS))
found = client.get_object_lock_config(bucket_name=bucket)
assert (found.mode, found.duration, found.duration_unit) == (GOVERNANCE, 1, DAYS)
client.delete_object_lock_config(bucket_name=bucket)
until = (datetime.now(timezone.utc) + timedelta(days=1)).replace(microsecond=0)


def put(name: str, mode: str) -> str:
    """Lock an existing object: over http minio-py sends no digest, which a put with a lock needs."""
    made = client.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(b"x"), length=1)
    client.set_object_retention(bucket_name=bucket, object_name=name, config=Retention(mode, until))
    found = client.get_object_retention(bucket_name=bucket, object_name=name)
    assert (found.mode, found.retain_until_date) == (mode, until)
    return made.version_id


def is_kept(name: str, version: str) -> bool:
    try:
        client.remove_object(bucket_name=bucket, object_name=name, version_id=version)
    except S3Error as error:
        assert error.code == "AccessDenied", error.code
        return True
    return False


governed = put("governed", GOVERNANCE)
assert is_kept("governed", governed)
gone = [DeleteObject("governed", governed)]
assert [error.code for error in client.remove_objects(bucket_name=bucket, delete_object_list=gone)] == ["AccessDenied"]
removed = client.remove_objects(bucket_name=bucket, delete_object_list=gone, bypass_governance_mode=True)
assert list(removed) == []

assert is_kept("for good", put("for good", COMPLIANCE))
held = put("held", GOVERNANCE)
gone = [DeleteObject("held", held)]
client.enable_object_legal_hold(bucket_name=bucket, object_name="held")
assert client.is_object_legal_hold_enabled(bucket_name=bucket, object_name="held")
kept = client.remove_objects(bucket_name=bucket, delete_object_list=gone, bypass_governance_mode=True)
assert [error.code for error in kept] == ["AccessDenied"], "a hold knows no bypass"
client.disable_object_legal_hold(bucket_name=bucket, object_name="held")
assert is_kept("held", held), "its retention is left"
assert list(client.remove_objects(bucket_name=bucket, delete_object_list=gone, bypass_governance_mode=True)) == []
