"""pyarrow's own S3 file system: streams, folders, Parquet data sets."""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

bucket = sys.argv[1]
files = fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])  # keys and region: from the environment

large = np.random.default_rng(5).bytes(11 << 20)
with files.open_output_stream(f"{bucket}/raw/large.bin", metadata={"Content-Type": "application/x-raw"}) as out:
    for first in range(0, len(large), 1 << 20):
        out.write(large[first : first + (1 << 20)])
with files.open_input_file(f"{bucket}/raw/large.bin") as found:
    assert found.size() == len(large)
    assert found.read_at(1000, 6_000_000) == large[6_000_000:6_001_000]
with files.open_input_stream(f"{bucket}/raw/large.bin") as found:
    assert found.metadata()["Content-Type"] == b"application/x-raw"
    assert found.read() == large

files.create_dir(f"{bucket}/folder/inner")
assert files.get_file_info(f"{bucket}/folder/inner").type == fs.FileType.Directory
files.copy_file(f"{bucket}/raw/large.bin", f"{bucket}/folder/inner/copy.bin")
files.move(f"{bucket}/raw/large.bin", f"{bucket}/folder/moved.bin")
assert files.get_file_info(f"{bucket}/raw/large.bin").type == fs.FileType.NotFound
listed = files.get_file_info(fs.FileSelector(f"{bucket}/folder", recursive=True))
assert sorted((found.base_name, found.size) for found in listed if found.is_file) == [
    ("copy.bin", len(large)),
    ("moved.bin", len(large)),
]
files.delete_dir(f"{bucket}/folder/inner")
files.delete_file(f"{bucket}/folder/moved.bin")
assert not [found for found in files.get_file_info(fs.FileSelector(bucket, recursive=True)) if found.is_file]

table = pa.table({"year": [2024, 2025, 2026] * 1000, "number": list(range(3000)), "name": ["ä", "b", "c"] * 1000})
pq.write_table(table, f"{bucket}/whole.parquet", filesystem=files, row_group_size=500)
assert pq.read_table(f"{bucket}/whole.parquet", filesystem=files).equals(table)
assert pq.read_table(f"{bucket}/whole.parquet", filesystem=files, filters=[("number", ">=", 2990)]).num_rows == 10
ds.write_dataset(table, f"{bucket}/by-year", format="parquet", partitioning=["year"], filesystem=files)
found = ds.dataset(f"{bucket}/by-year", format="parquet", partitioning=["year"], filesystem=files)
assert found.to_table(filter=ds.field("year") == 2025, columns=["number"])["number"].to_pylist() == list(
    range(1, 3000, 3)
)
ds.write_dataset(
    table.slice(0, 3), f"{bucket}/by-year", format="parquet", partitioning=["year"], filesystem=files,
    existing_data_behavior="delete_matching",
)
assert ds.dataset(f"{bucket}/by-year", format="parquet", partitioning=["year"], filesystem=files).count_rows() == 3

# By URL only, which uses the endpoint in the environment.
assert pq.read_table(f"s3://{bucket}/whole.parquet").equals(table)
