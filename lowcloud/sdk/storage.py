"""Uploads content once, under a key made from its digest, and downloads objects and archives."""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.errors import InvalidInputError, translate_errors

FOLDER = "lowcloud"  # in the bucket, for all objects of the SDK
PART_BYTES = 64 * 1024 * 1024  # larger files are uploaded in parts of this size
READ_BYTES = 1024 * 1024
DIGEST_CHARACTERS = 32

Content = bytes | Path


def upload(cloud: Cloud, files: Mapping[str, Content]) -> str:
    """Upload files, by their paths below one prefix, and return its s3:// URL. Existing ones are not sent again."""
    digests = {path: _digest(content) for path, content in sorted(files.items())}
    digest = hashlib.sha256(
        "\n".join(f"{file_digest} {path}" for path, file_digest in digests.items()).encode()
    ).hexdigest()
    prefix = f"{FOLDER}/data/{digest[:DIGEST_CHARACTERS]}"
    with translate_errors():
        sizes = _sizes(cloud, f"{prefix}/")
        for path, content in files.items():
            key = f"{prefix}/{path}"
            if sizes.get(key) != size(content):
                _upload_file(cloud, key, content)
    return f"s3://{cloud.bucket}/{prefix}/"


def download(cloud: Cloud, url: str) -> bytes:
    """Return the content of a small object."""
    bucket, key = parse_url(url)
    with translate_errors():
        return bytes(cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def unpack(cloud: Cloud, url: str, folder: Path) -> list[Path]:
    """Unpack the tar.gz at a URL into a folder, which no member can escape, and return the files.

    Raises InvalidInputError.
    """
    bucket, key = parse_url(url)
    with translate_errors(), tempfile.TemporaryFile() as file:
        for chunk in cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(READ_BYTES):
            file.write(chunk)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as make_archive:
                names = [member.name for member in make_archive.getmembers() if member.isfile()]
                make_archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise InvalidInputError(f"{url} cannot be unpacked: {error}.") from None
    return sorted(folder / name for name in names)


def list_archive(cloud: Cloud, url: str) -> list[str]:
    """Return the names of the files in a small tar.gz."""
    with tarfile.open(fileobj=BytesIO(download(cloud, url)), mode="r:gz") as archive:
        return [member.name for member in archive.getmembers() if member.isfile()]


def parse_url(url: str) -> tuple[str, str]:
    """Return the bucket and key of an s3:// URL. Raises InvalidInputError."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InvalidInputError(f"{url!r} is not an S3 URL; write s3://bucket/key.")
    return bucket, key


def make_archive(files: Mapping[str, Content]) -> bytes:
    """Return a tar.gz of files by their paths. The same files give the same bytes."""
    import gzip

    target = BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = size(content)
            entry.mode = 0o755 if isinstance(content, Path) and os.access(content, os.X_OK) else 0o644
            with _open(content) as file:
                tar.addfile(entry, file)
    return target.getvalue()


def _upload_file(cloud: Cloud, key: str, content: Content) -> None:
    target = {"Bucket": cloud.bucket, "Key": key}
    with _open(content) as file:
        if size(content) <= PART_BYTES:
            cloud.s3.put_object(**target, Body=file.read())
            return
        upload = {**target, "UploadId": cloud.s3.create_multipart_upload(**target)["UploadId"]}
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
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


@contextmanager
def _open(content: Content) -> Iterator[IO[bytes]]:
    with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        yield file


def _digest(content: Content) -> str:
    with _open(content) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def size(content: Content) -> int:
    """Return the bytes of a content."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
