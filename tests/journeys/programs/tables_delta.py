"""deltalake: a table whose commits are conditional puts, with concurrent writers."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

table = f"s3://{sys.argv[1]}/lake/events"


def rows(first: int, count: int) -> pa.Table:
    return pa.table({"id": list(range(first, first + count)), "day": ["mon", "tue"] * (count // 2)})


def ids(version: int | None = None) -> list[int]:
    return sorted(DeltaTable(table, version=version).to_pyarrow_table()["id"].to_pylist())


write_deltalake(table, rows(0, 100), partition_by=["day"])
write_deltalake(table, rows(100, 100), mode="append")
assert ids() == list(range(200))
assert ids(0) == list(range(100)), "time travel"

# Concurrent appends: every commit is a separate version, and none is lost.
with ThreadPoolExecutor(6) as pool:
    list(pool.map(lambda turn: write_deltalake(table, rows(200 + 10 * turn, 10), mode="append"), range(6)))
assert ids() == list(range(260))
assert DeltaTable(table).version() == 7

# Two writers change the same rows: the second one fails.
early, late = DeltaTable(table), DeltaTable(table)
early.delete("id < 50")
try:
    late.update(predicate="id < 60", updates={"id": "id + 1000"})
    raise SystemExit("the second writer got no error")
except CommitFailedError:
    pass
assert ids() == list(range(50, 260))

merged = DeltaTable(table).merge(rows(250, 20), "target.id = source.id", source_alias="source", target_alias="target")
assert merged.when_not_matched_insert_all().execute()["num_target_rows_inserted"] == 10
DeltaTable(table).optimize.compact()
DeltaTable(table).create_checkpoint()
removed = DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
assert removed
assert ids() == list(range(50, 270))
assert len(DeltaTable(table).history()) == DeltaTable(table).version() + 1
