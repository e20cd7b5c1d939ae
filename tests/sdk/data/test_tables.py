"""Tables are restored unchanged in a job."""

import datetime
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal as assert_same_polars

from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.code import job_program
from lowcloud.sdk.data import tables

FRAME = pd.DataFrame(
    {
        "whole": [1, 2, 3],
        "small": np.array([1, 2, 3], np.int8),
        "single": np.array([1.5, np.nan, -0.0], np.float32),
        "flag": [True, False, True],
        "text": ["a", None, "ü"],
        "missing": pd.array([1, None, 3], "Int64"),
        "kind": pd.Categorical(["b", None, "a"], ["b", "a", "never"], ordered=True),
        "day": pd.to_datetime(["2024-01-01", None, "2024-02-29"]),
        "zoned": pd.to_datetime(["2024-01-01", "2024-01-02", None]).tz_localize("Europe/Berlin"),
        "span": pd.to_timedelta([1, 2, 3], "s"),
        7: [0.1, 0.2, 0.3],
    }
)


def round_trip(frame: pd.DataFrame) -> pd.DataFrame:
    """Write a table as the SDK does, and read it as a job does."""
    content, description = tables.to_parquet(frame)
    return job_program._to_pandas(pl.read_parquet(io.BytesIO(content)), description)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.iloc[::2],
        FRAME.set_index("text"),
        FRAME.set_index(["whole", "flag"]),
        FRAME.iloc[:0],
        pd.DataFrame({"only": [1.0]}, index=pd.Index([5], name="row")),
    ],
    ids=["all types", "some rows", "a named index", "two indexes", "no rows", "one row"],
)
def test_a_pandas_table_is_restored_unchanged(frame):
    pd.testing.assert_frame_equal(round_trip(frame), frame, check_freq=False)


def test_a_polars_table_is_restored_unchanged():
    frame = pl.DataFrame({"x": [1, None], "list": [[1], []], "at": [datetime.date(2024, 1, 1), None]})
    content, description = tables.to_parquet(frame)
    assert description == {"kind": "polars"}
    assert_same_polars(pl.read_parquet(io.BytesIO(content)), frame)


def test_the_same_table_is_the_same_bytes():
    assert tables.to_parquet(FRAME) == tables.to_parquet(FRAME.copy())


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame({"mixed": [1, "a"]}), "'mixed'.*values of one type"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "several columns named 'x'"),
        (pd.DataFrame({("a", "b"): [1]}), "neither a string nor an integer"),
    ],
)
def test_the_reason_why_a_table_cannot_be_sent_is_reported(frame, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        tables.to_parquet(frame)


def test_the_same_fraction_of_the_rows_is_split_off_each_time():
    rows = np.arange(100)
    train, held_out = tables.split_rows(rows, 0.2)
    assert sorted([*train, *held_out]) == rows.tolist()
    assert len(held_out) == 20
    assert held_out.tolist() == tables.split_rows(rows, 0.2)[1].tolist() != list(range(20))
    assert tables.split_rows(pd.DataFrame({"row": rows}, index=rows + 5), 0.2)[1]["row"].tolist() == held_out.tolist()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, 0.001])
def test_a_fraction_that_leaves_an_empty_part_is_refused(fraction):
    with pytest.raises(InvalidInputError, match="give one between 0 and 1"):
        tables.split_rows(np.arange(10), fraction)


def test_only_tables_and_arrays_have_a_library():
    assert [tables.library_of(data) for data in (FRAME, pl.DataFrame(), np.zeros(1))] == ["pandas", "polars", "numpy"]
    assert [tables.library_of(data) for data in (FRAME["whole"], [1], "path", np, np.float64, {"a": 1})] == [""] * 6
