"""Tags with s3fs."""

import sys

import s3fs

bucket = sys.argv[1]
files = s3fs.S3FileSystem(skip_instance_cache=True)
files.pipe_file(f"{bucket}/k", b"tagged")
files.put_tags(f"{bucket}/k", {"project": "atlas", "stage": "raw"})
files.put_tags(f"{bucket}/k", {"stage": "clean"}, mode="m")
assert files.get_tags(f"{bucket}/k") == {"project": "atlas", "stage": "clean"}
