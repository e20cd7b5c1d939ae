"""Tables go to a job and come out there as they were."""

import datetime
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal as assert_same_polars

from lowcloud.sdk import InvalidInputError, frames, program

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


def there_and_back(frame: pd.DataFrame) -> pd.DataFrame:
    """What a job reads of what was sent."""
    content, description = frames.to_parquet(frame)
    return program._to_pandas(pl.read_parquet(io.BytesIO(content)), description)


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
def test_a_frame_of_pandas_comes_as_it_was(frame):
    pd.testing.assert_frame_equal(there_and_back(frame), frame, check_freq=False)


def test_a_frame_of_polars_comes_as_it_was():
    frame = pl.DataFrame({"x": [1, None], "list": [[1], []], "at": [datetime.date(2024, 1, 1), None]})
    content, description = frames.to_parquet(frame)
    assert description == {"kind": "polars"}
    assert_same_polars(pl.read_parquet(io.BytesIO(content)), frame)


def test_the_same_table_is_the_same_bytes():
    assert frames.to_parquet(FRAME) == frames.to_parquet(FRAME.copy())


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame({"mixed": [1, "a"]}), "'mixed'.*one kind of value"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "several columns of the same name"),
        (pd.DataFrame({("a", "b"): [1]}), "no plain name"),
    ],
)
def test_a_frame_that_cannot_be_sent_is_told_what_is_wrong(frame, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        frames.to_parquet(frame)


def test_a_fraction_of_the_rows_is_the_same_each_time_and_leaves_the_rest():
    rows = np.arange(100)
    train, held_back = frames.split(rows, 0.2)
    assert sorted([*train, *held_back]) == rows.tolist()
    assert len(held_back) == 20
    assert held_back.tolist() == frames.split(rows, 0.2)[1].tolist() != list(range(20))
    assert frames.split(pd.DataFrame({"row": rows}, index=rows + 5), 0.2)[1]["row"].tolist() == held_back.tolist()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, 0.001])
def test_a_fraction_that_leaves_no_rows_is_refused(fraction):
    with pytest.raises(InvalidInputError, match="give one between 0 and 1"):
        frames.split(np.arange(10), fraction)


def test_what_is_no_table_is_of_no_library():
    assert [frames.library(data) for data in (FRAME, pl.DataFrame(), np.zeros(1))] == ["pandas", "polars", "numpy"]
    assert [frames.library(data) for data in (FRAME["whole"], [1], "path", np, np.float64, {"a": 1})] == [""] * 6
