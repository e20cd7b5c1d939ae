"""Data libraries that read and write S3 objects, in their own environment, under `lowcloud run`."""

import hashlib

from tests.support.programs.shell import content, keys


def test_s3fs_and_pandas_store_files_and_tables(shell, s3):
    shell.python("frames_s3fs.py")
    assert {"once.txt", "moved with spaces & ünïcode+.txt"} <= set(keys(s3, shell.bucket))
    assert content(s3, shell.bucket, "frames/plain.csv").startswith(b"day,city,value\n2026-01-01 00:00:00,")
    assert s3.list_multipart_uploads(Bucket=shell.bucket).get("Uploads", []) == []


def test_pyarrow_stores_streams_folders_and_data_sets(shell, s3):
    shell.python("frames_pyarrow.py")
    assert content(s3, shell.bucket, "whole.parquet").endswith(b"PAR1")
    assert s3.list_multipart_uploads(Bucket=shell.bucket).get("Uploads", []) == []


def test_polars_reads_and_writes_with_its_own_client(shell, s3):
    shell.python("frames_polars.py")
    assert content(s3, shell.bucket, "plain.csv").count(b"\n") == 20_001
    assert len(keys(s3, shell.bucket, "by-city/")) == 4


def test_obstore_makes_conditional_writes(shell, s3):
    shell.python("objects_obstore.py")
    assert content(s3, shell.bucket, "lock") == b"two"
    assert (
        hashlib.sha256(content(s3, shell.bucket, "large")).digest()
        == hashlib.sha256(content(s3, shell.bucket, "written")).digest()
    )
    assert s3.head_object(Bucket=shell.bucket, Key="large", PartNumber=1)["PartsCount"] == 3


def test_two_writers_of_a_delta_table_lose_nothing(shell, s3):
    shell.python("tables_delta.py")
    commits = [key for key in keys(s3, shell.bucket, "lake/events/_delta_log/") if key.endswith(".json")]
    assert [int(key[-25:-5]) for key in commits] == list(range(len(commits))), "no version is missing"


def test_minio_streams_composes_lists_and_removes(shell, s3):
    shell.python("objects_minio.py")
    assert keys(s3, shell.bucket) == ["composed", "copied", "large", "linked ä", "stream"]
    assert content(s3, shell.bucket, "linked ä") == b"by a link"
