"""s3fs with version_aware: an open file keeps its version."""

import sys

import s3fs

bucket = sys.argv[1]
files = s3fs.S3FileSystem(version_aware=True, skip_instance_cache=True)
for text in (b"one", b"two"):
    files.pipe_file(f"{bucket}/k", text)
versions = files.object_version_info(f"{bucket}/k")
assert [item["IsLatest"] for item in versions] == [True, False]
assert files.cat_file(f"{bucket}/k", version_id=versions[1]["VersionId"]) == b"one"
with files.open(f"{bucket}/k", "rb") as opened:
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file(f"{bucket}/k", b"three")
    assert opened.read() == b"two"
files.invalidate_cache()
assert files.cat_file(f"{bucket}/k") == b"three"
files.rm(f"{bucket}/k")
assert not files.exists(f"{bucket}/k")
assert files.exists(f"{bucket}/k?versionId={versions[1]['VersionId']}")
