"""minio-py's configurations of a bucket and its objects."""

import io
import json
import os
import sys
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED, Filter, Tags
from minio.credentials import EnvAWSProvider
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

bucket = sys.argv[1]
client = Minio(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc, credentials=EnvAWSProvider(), secure=False)

tags = Tags(for_object=True)
tags["project"] = "atlas + co"
client.put_object(bucket_name=bucket, object_name="k", data=io.BytesIO(b"x"), length=1, tags=tags)
assert client.get_object_tags(bucket_name=bucket, object_name="k") == tags
client.delete_object_tags(bucket_name=bucket, object_name="k")
assert not client.get_object_tags(bucket_name=bucket, object_name="k")
of_bucket = Tags.new_bucket_tags()
of_bucket["team"] = "north"
client.set_bucket_tags(bucket_name=bucket, tags=of_bucket)
assert client.get_bucket_tags(bucket_name=bucket) == of_bucket
client.delete_bucket_tags(bucket_name=bucket)
assert not client.get_bucket_tags(bucket_name=bucket)

rule = Rule(ENABLED, rule_filter=Filter(prefix="raw/"), rule_id="old", expiration=Expiration(days=7))
client.set_bucket_lifecycle(bucket_name=bucket, config=LifecycleConfig([rule]))
found = client.get_bucket_lifecycle(bucket_name=bucket).rules[0]
assert (found.rule_id, found.expiration.days, found.rule_filter.prefix) == ("old", 7, "raw/")
client.delete_bucket_lifecycle(bucket_name=bucket)
assert client.get_bucket_lifecycle(bucket_name=bucket) is None

account = "*"
statement = {
    "Effect": "Deny",
    "Principal": {"AWS": account},
    "Action": ["s3:DeleteObject"],
    "Resource": [f"arn:aws:s3:::{bucket}/kept/*"],
}
policy = {"Version": "2012-10-17", "Statement": [statement]}
client.set_bucket_policy(bucket_name=bucket, policy=json.dumps(policy))
assert json.loads(client.get_bucket_policy(bucket_name=bucket)) == policy
client.delete_bucket_policy(bucket_name=bucket)
try:
    client.get_bucket_policy(bucket_name=bucket)
    raise SystemExit("a policy that was deleted was read")
except S3Error as error:
    assert error.code == "NoSuchBucketPolicy"
