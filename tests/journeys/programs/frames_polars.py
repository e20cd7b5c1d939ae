"""polars' own cloud reader and writer: Parquet, CSV and NDJSON, eager, lazy and streamed."""

import os
import sys

import polars as pl
from polars.testing import assert_frame_equal

bucket = sys.argv[1]
options = {
    "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
    "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    "aws_session_token": os.environ["AWS_SESSION_TOKEN"],
    "aws_region": os.environ["AWS_REGION"],
    "aws_allow_http": "true",
}
frame = pl.DataFrame({
    "number": range(20_000),
    "city": ["Łódź", "Kraków", "Gdańsk", "Poznań"] * 5000,
    "value": [number / 7 for number in range(20_000)],
})
frame.write_parquet(f"s3://{bucket}/whole.parquet", row_group_size=2000, storage_options=options)
assert_frame_equal(pl.read_parquet(f"s3://{bucket}/whole.parquet", storage_options=options), frame)
some = pl.scan_parquet(f"s3://{bucket}/whole.parquet", storage_options=options).filter(pl.col("number") > 19_990)
assert some.select("number").collect()["number"].to_list() == list(range(19_991, 20_000))
assert pl.scan_parquet(f"s3://{bucket}/whole.parquet", storage_options=options).tail(3).collect().height == 3

frame.write_csv(f"s3://{bucket}/plain.csv", storage_options=options)
assert_frame_equal(pl.read_csv(f"s3://{bucket}/plain.csv", storage_options=options), frame)
assert_frame_equal(pl.scan_csv(f"s3://{bucket}/*.csv", storage_options=options).collect(), frame)

# Streamed from object to object; the environment is the only configuration.
lazy = pl.scan_csv(f"s3://{bucket}/plain.csv")
lazy.sink_parquet(f"s3://{bucket}/streamed.parquet")
lazy.sink_ndjson(f"s3://{bucket}/streamed.ndjson")
assert_frame_equal(pl.read_parquet(f"s3://{bucket}/streamed.parquet"), frame)
assert_frame_equal(pl.scan_ndjson(f"s3://{bucket}/streamed.ndjson").collect(), frame)
frame.write_parquet(f"s3://{bucket}/by-city/", partition_by="city")
found = pl.scan_parquet(f"s3://{bucket}/by-city/", hive_partitioning=True).filter(pl.col("city") == "Gdańsk").collect()
assert sorted(found["number"]) == list(range(2, 20_000, 4))

try:
    pl.read_parquet(f"s3://{bucket}/nothing.parquet")
    raise SystemExit("a missing object was read")
except FileNotFoundError:
    pass
