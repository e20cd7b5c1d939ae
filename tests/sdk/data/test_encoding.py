"""Texts, categories, booleans and dates become numbers: in training the same as in the endpoint of the model."""

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.feature_transforms import load
from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.data import cells, encoding
from lowcloud.sdk.data.labels import Target
from lowcloud.sdk.data.reading import Places, Reading
from tests.sdk.data.conftest import sent

FRAME = pd.DataFrame(
    {
        "age": [30, 40, 50, 60],
        "city": ["Rome", "Oslo", None, "Rome"],
        "member": ["yes", "no", "no", "yes"],
        "flag": [True, False, True, False],
        "born": pd.to_datetime(["2024-01-31", "2023-02-28", "2024-02-29", None]),
        "y": ["good", "bad", "good", "bad"],
    }
)
PLACES = Places("the data")


def test_every_kind_of_column_is_encoded_and_the_encoding_is_said(prepare):
    prepared = prepare(FRAME, "y")
    assert sent(prepared) == (
        "1,30,0,1,0,1,1,2024,1,31,2\n0,40,1,0,0,0,0,2023,2,28,1\n1,50,0,0,1,0,1,2024,2,29,3\n0,60,0,1,0,1,0,,,,\n"
    )  # label, age, city=Oslo, city=Rome, city=(missing), member, flag, year, month, day, weekday
    [note] = prepared.notes
    assert "labels of 'y' are 'bad', 'good'; 'city' is 3 columns of 0 and 1; 'born' is the parts of its date" in note
    assert prepared.parameters == {"objective": "binary:logistic"}
    assert [channel.name for channel in prepared.channels] == ["train", "transform"]
    document = json.loads(prepared.files["transform"]["transform.json"])
    assert document["target"] == {"name": "y", "task": "binary", "classes": ["bad", "good"]}


def test_a_table_of_numbers_is_not_encoded(prepare):
    prepared = prepare(FRAME[["age", "flag"]].assign(y=[1, 0, 1, 0]), "y", parameters={"objective": "reg:logistic"})
    assert sent(prepared) == "1,30,1\n0,40,0\n1,50,1\n0,60,0\n"
    assert [channel.name for channel in prepared.channels] == ["train"]
    assert prepared.notes == ()


def test_other_channels_follow_the_training_data(prepare):
    train = FRAME[["y", "city", "age"]]
    other = pd.DataFrame({"age": ["5"], "y": ["good"], "city": ["Bern"]})
    prepared = prepare({"train": train, "validation": other}, "y")
    assert sent(prepared, "validation") == "1,0,0,0,5\n"  # Bern is none of the known cities
    assert "'city' has values that are not in the training data, and count as unknown: 'Bern'" in prepared.notes[-1]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"a": [1], "y": [1]}, "the test data has other columns than the data: missing: 'b'."),
        ({"a": [1], "b": [1], "c": [1], "y": [1]}, "unknown: 'c'"),
        ({"a": [1], "b": [1]}, "missing: 'y'"),
        ({"a": ["x"], "b": [1], "y": [1]}, "column 'a': 'x' is not a number"),
    ],
)
def test_other_columns_in_other_channels_are_refused_by_name(prepare, other, sentence):
    train = pd.DataFrame({"a": [1, 2], "b": [3, 4], "y": [0, 1]})
    with pytest.raises(InvalidInputError, match=sentence):
        prepare({"train": train, "test": pd.DataFrame(other)}, "y")


def test_columns_without_names_are_matched_by_position(prepare, tmp_path):
    named = pd.DataFrame({"a": [1, 2], "y": [0, 1], "b": [3, 4]})
    bare = np.array([[5, 1, 6]])
    assert sent(prepare({"train": named, "validation": bare}, "y"), "validation") == "1,5,6\n"
    assert sent(prepare({"train": bare, "validation": named[:1]}, 1), "validation") == "0,1,3\n"
    with pytest.raises(InvalidInputError, match="has 2 columns, the training data has 3"):
        prepare({"train": named, "validation": bare[:, :2]}, "y")


def test_many_levels_are_numbered_for_trees_and_free_text_is_refused(prepare):
    words = [f"w{row % 50:02}" for row in range(200)]
    frame = pd.DataFrame({"x": words, "y": [row % 2 for row in range(200)]})
    assert sent(prepare(frame, "y")).splitlines()[:3] == ["0,0", "1,1", "0,2"]
    wide = sent(prepare(frame, "y", algorithm="linear-learner", parameters={"predictor_type": "regressor"}))
    assert len(wide.splitlines()[0].split(",")) == 51
    for texts in ([f"name {row}" for row in range(200)], [f"w{row % 101}" for row in range(200)]):
        with pytest.raises(InvalidInputError, match=r"The column 'x' in the data has \d+ different texts in 200 rows"):
            prepare(frame.assign(x=texts), "y")


def test_types_can_be_given(prepare):
    frame = pd.DataFrame({"code": [7, 8, 7], "y": [0, 1, 0]})
    assert sent(prepare(frame, "y", reading={"types": {"code": "text"}})) == "0,1,0\n1,0,1\n0,1,0\n"
    with pytest.raises(InvalidInputError, match="no column 'cod' in the data"):
        prepare(frame, "y", reading={"types": {"cod": "text"}})


def test_raw_refuses_what_is_not_numeric(prepare, tmp_path):
    with pytest.raises(InvalidInputError, match="Not numeric in the data: 'y', 'city', 'member', 'born'"):
        prepare(FRAME, "y", raw=True)
    numbers = FRAME[["age"]].assign(y=[1, 2, 1, 2])
    assert sent(prepare(numbers, "y", raw=True, parameters={"objective": "binary:logistic"})).startswith("1,30\n2,40")
    (tmp_path / "a.csv").write_text("0,1\n\n")
    prepared = prepare(tmp_path / "a.csv", raw=True)
    assert prepared.files["train"] == {"a.csv": tmp_path / "a.csv"}
    with pytest.raises(InvalidInputError, match="raw=True sends files as they are"):
        prepare(tmp_path / "a.csv", 0, raw=True)


moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
texts = st.sampled_from(["a", "b, c", 'say "d"', "NA", "", " e ", "ü", "None", "1"])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_endpoint_computes_the_same_numbers_from_raw_rows_as_training(tmp_path_factory, data):
    rows = data.draw(st.integers(2, 6))
    frame = pl.DataFrame(
        {
            "y": pl.Series([float(row) for row in range(rows)]),
            "n`1": data.draw(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=rows, max_size=rows)),
            "t x": data.draw(st.lists(st.none() | texts, min_size=rows, max_size=rows)),
            "b": data.draw(st.lists(st.sampled_from(["yes", "no", None]), min_size=rows, max_size=rows)),
            "d.e": data.draw(st.lists(st.none() | moments, min_size=rows, max_size=rows)),
        },
        schema={"y": pl.Float64, "n`1": pl.Float64, "t x": pl.String, "b": pl.String, "d.e": pl.Datetime("us")},
    )
    reading = Reading(types={"t x": "text"})
    typed = cells.parse(frame, reading, PLACES, reading.types, [])
    document = encoding.fit(typed, "y", Target(), "xgboost", reading, PLACES)
    here = encoding.encode(typed, document, PLACES).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    path = tmp_path_factory.mktemp("transform") / "transform.json"
    path.write_bytes(encoding.to_bytes(document))
    transform = load(path)
    raw = list(zip(*(cells.listed(frame[source.name]) for source in transform.used), strict=True))
    np.testing.assert_array_equal(transform.rows(raw), here)
    np.testing.assert_array_equal([transform.row(row) for row in raw], here)
