"""Objects of the cloud: content goes up once, under a key made from its digest, and comes down to a folder."""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import InvalidInputError, asking

FOLDER = "lowcloud"  # of the bucket, for all that the short way puts there
PART_BYTES = 64 * 1024 * 1024  # what is larger goes up in parts of this size
READ_BYTES = 1024 * 1024
DIGEST_CHARACTERS = 32

Content = bytes | Path


def put(cloud: Cloud, files: Mapping[str, Content]) -> str:
    """Store files, by their paths below one folder; its s3:// URL. What is there already is not sent again."""
    digests = {path: _digest(content) for path, content in sorted(files.items())}
    of_all = hashlib.sha256("\n".join(f"{digest} {path}" for path, digest in digests.items()).encode()).hexdigest()
    prefix = f"{FOLDER}/data/{of_all[:DIGEST_CHARACTERS]}"
    with asking():
        sizes = _sizes(cloud, f"{prefix}/")
        for path, content in files.items():
            key = f"{prefix}/{path}"
            if sizes.get(key) != _size(content):
                _put_one(cloud, key, content)
    return f"s3://{cloud.bucket}/{prefix}/"


def read(cloud: Cloud, url: str) -> bytes:
    """A small object."""
    bucket, key = split(url)
    with asking():
        return bytes(cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def unpack(cloud: Cloud, url: str, folder: Path) -> list[Path]:
    """Unpack the tar.gz at a URL into a folder, which nothing in it may leave; the files. Raises InvalidInputError."""
    bucket, key = split(url)
    with asking(), tempfile.TemporaryFile() as file:
        for chunk in cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(READ_BYTES):
            file.write(chunk)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                names = [member.name for member in archive.getmembers() if member.isfile()]
                archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise InvalidInputError(f"{url} cannot be unpacked: {error}.") from None
    return sorted(folder / name for name in names)


def split(url: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URL. Raises InvalidInputError."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InvalidInputError(f"{url!r} is no S3 URL; write s3://bucket/key.")
    return bucket, key


def archive(files: Mapping[str, Content]) -> bytes:
    """A tar.gz of files by their paths, the same bytes for the same files."""
    import gzip

    target = BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = _size(content)
            entry.mode = 0o755 if isinstance(content, Path) and os.access(content, os.X_OK) else 0o644
            with _opened(content) as file:
                tar.addfile(entry, file)
    return target.getvalue()


def _put_one(cloud: Cloud, key: str, content: Content) -> None:
    place = {"Bucket": cloud.bucket, "Key": key}
    with _opened(content) as file:
        if _size(content) <= PART_BYTES:
            cloud.s3.put_object(**place, Body=file.read())
            return
        upload = {**place, "UploadId": cloud.s3.create_multipart_upload(**place)["UploadId"]}
        try:
            parts = [
                {"PartNumber": number, "ETag": cloud.s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
                for number, part in enumerate(_parts(file), 1)
            ]
            cloud.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            cloud.s3.abort_multipart_upload(**upload)
            raise


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    while part := file.read(PART_BYTES):
        yield part


def _sizes(cloud: Cloud, prefix: str) -> dict[str, int]:
    pages: Any = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.bucket, Prefix=prefix)
    return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", [])}


@contextmanager
def _opened(content: Content) -> Iterator[IO[bytes]]:
    with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        yield file


def _digest(content: Content) -> str:
    with _opened(content) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
