"""Configurations by S3 clients: tags, access control lists, policies, lifecycles, CORS, locks, customer keys."""

import json
import os
import re
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from tests.support.programs.shell import content, keys

MIB = 1 << 20


def test_s3cmd_tags_objects(s3cmd, shell, s3):
    there = f"s3://{shell.bucket}/k"
    s3cmd("put", "-", there, stdin=b"tagged")
    s3cmd("settagging", there, "project=atlas&stage=raw")
    assert s3cmd("gettagging", there).split()[-4:] == ["project:", "atlas", "stage:", "raw"]
    assert s3.get_object(Bucket=shell.bucket, Key="k")["TagCount"] == 2
    s3cmd("deltagging", there)
    assert s3.get_object_tagging(Bucket=shell.bucket, Key="k")["TagSet"] == []


def test_s3cmd_reports_access_lists_of_an_owner_enforced_bucket(s3cmd, shell, s3):
    there = f"s3://{shell.bucket}/k"
    s3cmd("put", "-", there, stdin=b"mine")
    assert "FULL_CONTROL" in s3cmd("info", there)
    assert "AccessControlListNotSupported" in s3cmd("setacl", "--acl-public", there, check=False)


def test_s3cmd_sets_the_expiration_of_objects(s3cmd, shell, s3):
    there = f"s3://{shell.bucket}"
    s3cmd("expire", "--expiry-days=30", "--expiry-prefix=raw/", there)
    rule = s3.get_bucket_lifecycle_configuration(Bucket=shell.bucket)["Rules"][0]
    assert (rule["Status"], rule["Expiration"]["Days"]) == ("Enabled", 30)
    assert "<Days>30</Days>" in re.sub(r"\s", "", s3cmd("getlifecycle", there))
    s3cmd("dellifecycle", there)
    assert "none" in s3cmd("info", there)


def test_s3cmd_makes_a_bucket_public(s3cmd, shell, s3):
    s3.put_public_access_block(Bucket=shell.bucket, PublicAccessBlockConfiguration={"BlockPublicPolicy": False})
    s3.put_object(Bucket=shell.bucket, Key="open/k", Body=b"for everyone")
    url = f"{shell.environment['AWS_ENDPOINT_URL']}/{shell.bucket}/open/k"
    with pytest.raises(HTTPError, match="403"):
        urlopen(url)
    resource = f"arn:aws:s3:::{shell.bucket}/open/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    (shell.folder / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3cmd("setpolicy", "policy.json", f"s3://{shell.bucket}")
    assert resource in s3cmd("info", f"s3://{shell.bucket}")
    with urlopen(url) as answer:
        assert answer.read() == b"for everyone"
    s3cmd("delpolicy", f"s3://{shell.bucket}")
    with pytest.raises(HTTPError, match="403"):
        urlopen(url)


def test_s3cmd_configures_cors(s3cmd, shell):
    (shell.folder / "cors.xml").write_text(
        "<CORSConfiguration><CORSRule><AllowedOrigin>https://lab.example</AllowedOrigin>"
        "<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>"
    )
    s3cmd("setcors", "cors.xml", f"s3://{shell.bucket}")
    headers = {"Origin": "https://lab.example", "Access-Control-Request-Method": "GET"}
    url = f"{shell.environment['AWS_ENDPOINT_URL']}/{shell.bucket}/k"
    with urlopen(Request(url, headers=headers, method="OPTIONS")) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://lab.example"
    s3cmd("delcors", f"s3://{shell.bucket}")
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(url, headers=headers, method="OPTIONS"))


def test_a_browser_form_signed_by_boto3_uploads_a_file(boto, bucket, tmp_path):
    conditions = [["starts-with", "$Content-Type", "text/"], ["content-length-range", 1, 100]]
    form = boto.generate_presigned_post(bucket, "in/${filename}", {"Content-Type": "text/csv"}, conditions)

    def post(body: bytes) -> int:
        boundary = "a-boundary-of-our-own"
        lines = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in form["fields"].items()
        ]
        file = 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
        data = "".join([*lines, f"--{boundary}\r\n{file}"]).encode() + body + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        with urlopen(Request(form["url"], data, headers)) as answer:
            return int(answer.status)

    assert post(b"1,2,3") == 204
    assert content(boto, bucket, "in/a.csv") == b"1,2,3"
    with pytest.raises(HTTPError, match="400"):
        post(bytes(101))
    assert keys(boto, bucket) == ["in/a.csv"]


def test_boto3_uploads_with_tags_and_copies_them(boto, bucket, tmp_path):
    (tmp_path / "k").write_bytes(os.urandom(9 * MIB))
    for key, size in (("small", 10), ("large", 9 * MIB)):
        (tmp_path / key).write_bytes(os.urandom(size))
        boto.upload_file(str(tmp_path / key), bucket, key, ExtraArgs={"Tagging": "project=atlas&stage=r%20w"})
        tags = boto.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("project", "atlas"), ("stage", "r w")]
    boto.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "small"})
    assert len(boto.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"]) == 2
    replaced = {"TaggingDirective": "REPLACE", "Tagging": "only=one"}
    boto.copy_object(Bucket=bucket, Key="other", CopySource={"Bucket": bucket, "Key": "small"}, **replaced)
    assert boto.get_object_tagging(Bucket=bucket, Key="other")["TagSet"] == [{"Key": "only", "Value": "one"}]


def test_minio_locks_objects(shell):
    shell.python("locks_minio.py")


def test_minio_configures_a_bucket(shell):
    shell.python("configurations_minio.py")


def test_s3fs_tags_objects(shell):
    shell.python("tags_s3fs.py")


def test_boto3_encrypts_objects_with_a_customer_key(boto, bucket, tmp_path):
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    (tmp_path / "up").write_bytes(os.urandom(9 * MIB))
    boto.upload_file(str(tmp_path / "up"), bucket, "k", ExtraArgs=own)
    with pytest.raises(ClientError, match="400"):
        boto.head_object(Bucket=bucket, Key="k")
    with pytest.raises(ClientError, match="403"):
        boto.head_object(Bucket=bucket, Key="k", **{**own, "SSECustomerKey": os.urandom(32)})
    boto.download_file(bucket, "k", str(tmp_path / "down"), ExtraArgs=own)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    source = {f"CopySource{name}": value for name, value in own.items()}
    boto.copy_object(Bucket=bucket, Key="open", CopySource={"Bucket": bucket, "Key": "k"}, **source)
    assert content(boto, bucket, "open") == (tmp_path / "up").read_bytes()


def test_aws_cli_encrypts_with_a_kms_key(aws, shell, s3):
    there = f"s3://{shell.bucket}/k"
    aws("s3", "cp", "-", there, "--sse", "aws:kms", stdin=b"under a key")
    assert s3.head_object(Bucket=shell.bucket, Key="k")["ServerSideEncryption"] == "aws:kms"
    assert aws("s3", "cp", there, "-") == "under a key"


def test_the_storage_class_is_stored_and_reported(aws, rclone, shell, s3):
    aws("s3", "cp", "-", f"s3://{shell.bucket}/one", "--storage-class", "STANDARD_IA", stdin=b"seldom read")
    (shell.folder / "two").write_text("seldom read")
    rclone("copyto", "two", f"cloud:{shell.bucket}/two", "--s3-storage-class", "ONEZONE_IA")
    listed = s3.list_objects_v2(Bucket=shell.bucket)["Contents"]
    assert [found["StorageClass"] for found in listed] == ["STANDARD_IA", "ONEZONE_IA"]
    assert s3.head_object(Bucket=shell.bucket, Key="one")["StorageClass"] == "STANDARD_IA"
