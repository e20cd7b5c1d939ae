"""s3fs and pandas, configured by the environment only: files, folders, and tables as CSV and Parquet."""

import sys

import numpy as np
import pandas as pd
import s3fs

bucket = sys.argv[1]
files = s3fs.S3FileSystem(default_block_size=5 << 20, skip_instance_cache=True)

# Files: small ones in one request, large ones in parts, ranges, and appends.
large = np.random.default_rng(3).bytes(12 << 20)
with files.open(f"{bucket}/raw/large.bin", "wb") as out:
    out.write(large)
assert files.cat_file(f"{bucket}/raw/large.bin") == large
with files.open(f"{bucket}/raw/large.bin", "rb") as found:
    found.seek(7_000_000)
    assert found.read(100_000) == large[7_000_000:7_100_000]
assert files.cat_ranges([f"{bucket}/raw/large.bin"] * 2, [0, 1000], [10, 1010]) == [large[:10], large[1000:1010]]
with files.open(f"{bucket}/raw/large.bin", "ab") as out:
    out.write(b"the end")
assert files.size(f"{bucket}/raw/large.bin") == len(large) + 7
assert files.tail(f"{bucket}/raw/large.bin", 7) == b"the end"

# A write that may only create: the second one fails.
files.pipe_file(f"{bucket}/once.txt", b"first", mode="create")
try:
    files.pipe_file(f"{bucket}/once.txt", b"second", mode="create")
    raise SystemExit("the second writer got no error")
except FileExistsError:
    assert files.cat_file(f"{bucket}/once.txt") == b"first"

# Folders, copies, moves and listings.
files.pipe({f"{bucket}/tree/{folder}/{number}.txt": b"x" * number for folder in "ab" for number in range(1, 4)})
files.invalidate_cache()
assert sorted(files.ls(f"{bucket}/tree")) == [f"{bucket}/tree/a", f"{bucket}/tree/b"]
assert files.glob(f"{bucket}/tree/*/2.txt") == [f"{bucket}/tree/a/2.txt", f"{bucket}/tree/b/2.txt"]
assert files.du(f"{bucket}/tree") == 12
files.copy(f"{bucket}/tree/a", f"{bucket}/copied", recursive=True)
files.mv(f"{bucket}/tree/b/3.txt", f"{bucket}/moved with spaces & ünïcode+.txt")
files.invalidate_cache()
assert sorted(name.rpartition("/")[2] for name in files.find(f"{bucket}/copied")) == ["1.txt", "2.txt", "3.txt"]
assert files.exists(f"{bucket}/moved with spaces & ünïcode+.txt")
assert not files.exists(f"{bucket}/tree/b/3.txt")
files.setxattr(f"{bucket}/once.txt", origin="sensor 7", copy_kwargs={})
assert files.getxattr(f"{bucket}/once.txt", "origin") == "sensor 7"
files.rm(f"{bucket}/tree", recursive=True)
files.invalidate_cache()
assert not files.exists(f"{bucket}/tree")

# Tables.
frame = pd.DataFrame({
    "day": pd.date_range("2026-01-01", periods=5000, freq="h"),
    "city": ["Łódź", "Kraków"] * 2500,
    "value": np.arange(5000) / 7,
})
frame.to_csv(f"s3://{bucket}/frames/plain.csv", index=False)
frame.to_csv(f"s3://{bucket}/frames/packed.csv.gz", index=False)
frame.to_parquet(f"s3://{bucket}/frames/whole.parquet")
frame.to_parquet(f"s3://{bucket}/frames/by-city", partition_cols=["city"])
for name in ("plain.csv", "packed.csv.gz"):
    found = pd.read_csv(f"s3://{bucket}/frames/{name}", parse_dates=["day"])
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
pd.testing.assert_frame_equal(pd.read_parquet(f"s3://{bucket}/frames/whole.parquet"), frame)
krakow = pd.read_parquet(f"s3://{bucket}/frames/by-city", filters=[("city", "==", "Kraków")], columns=["value"])
assert krakow["value"].tolist() == frame["value"][frame.city == "Kraków"].tolist()
