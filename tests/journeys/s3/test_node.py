"""The AWS SDK for JavaScript, with the streamed uploads of lib-storage."""

from tests.support.programs.shell import content, keys


def test_streams_are_uploaded_in_parts_and_downloaded_unchanged(node, shell, s3):
    node("client.mjs")
    assert keys(s3, shell.bucket) == ["copied", "large.bin", "link ä", "streamed.bin"]
    assert content(s3, shell.bucket, "large.bin") == content(s3, shell.bucket, "streamed.bin")
    assert s3.head_object(Bucket=shell.bucket, Key="large.bin", PartNumber=1)["PartsCount"] == 3
    assert s3.list_multipart_uploads(Bucket=shell.bucket).get("Uploads", []) == []
