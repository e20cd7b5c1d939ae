"""Object versions in the clients that support them."""

import pytest

from tests.support.programs.shell import keys


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def test_boto3_lists_reads_and_deletes_versions(s3, boto, session, client_variables, versioned):
    ids = [boto.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"] for body in (b"one", b"two", b"three")]
    boto.delete_object(Bucket=versioned, Key="k")
    with pytest.raises(boto.exceptions.NoSuchKey):
        boto.get_object(Bucket=versioned, Key="k")
    bodies = [boto.get_object(Bucket=versioned, Key="k", VersionId=name)["Body"].read() for name in ids]
    assert bodies == [b"one", b"two", b"three"]
    pages = boto.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 1})
    found = list(pages)
    assert [item["VersionId"] for page in found for item in page.get("Versions", [])] == ids[::-1]
    assert [item["IsLatest"] for page in found for item in page.get("DeleteMarkers", [])] == [True]
    shelf = session.resource("s3", endpoint_url=client_variables["AWS_ENDPOINT_URL"]).Bucket(versioned)
    assert boto.copy_object(
        Bucket=versioned, Key="old", CopySource={"Bucket": versioned, "Key": "k", "VersionId": ids[0]}
    )
    assert boto.get_object(Bucket=versioned, Key="old")["Body"].read() == b"one"
    shelf.object_versions.all().delete()
    assert list(shelf.object_versions.all()) == []
    shelf.delete()


def test_s3fs_opens_the_version_it_saw(shell, versioned):
    shell.python("versions_s3fs.py")


def test_minio_lists_restores_and_removes_versions(shell, versioned):
    shell.python("versions_minio.py")


def test_rclone_shows_and_cleans_up_old_versions(rclone, shell, s3, versioned):
    there = f"cloud:{versioned}"
    (shell.folder / "note.txt").write_text("not to be lost")
    rclone("copyto", "note.txt", f"{there}/note.txt")
    rclone("delete", there)
    assert rclone("lsf", there) == ""
    # The name contains only seconds, and all of this may happen within one.
    (old,) = rclone("lsf", "--s3-versions", there).split()
    assert old.startswith("note-v")
    assert rclone("cat", "--s3-versions", f"{there}/{old}") == "not to be lost"
    assert rclone("backend", "versioning", there).strip().strip('"') == "Enabled"
    rclone("backend", "cleanup-hidden", there)
    assert rclone("lsf", "--s3-versions", there) == ""
    rclone("purge", there)
    assert versioned not in rclone("lsd", "cloud:")


def test_aws_removes_a_bucket_only_when_its_versions_are_gone(aws, s3, versioned):
    version = aws("s3api", "put-object", "--bucket", versioned, "--key", "k", "--query", "VersionId").strip().strip('"')
    aws("s3", "rm", "--recursive", f"s3://{versioned}")
    assert keys(s3, versioned) == []
    assert "BucketNotEmpty" in aws("s3", "rb", f"s3://{versioned}", check=False)
    marker = s3.list_object_versions(Bucket=versioned)["DeleteMarkers"][0]["VersionId"]
    for name in (version, marker):
        aws("s3api", "delete-object", "--bucket", versioned, "--key", "k", "--version-id", name)
    aws("s3", "rb", f"s3://{versioned}")
