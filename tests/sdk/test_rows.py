"""Rows as requests, and answers as arrays."""

import io
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError, PredictionFailedError, program, rows
from lowcloud.sdk.columns import RAW, Columns
from lowcloud.sdk.data import Style

FRAME = pd.DataFrame({"a": [1.5, 2.0], "b": [True, False]})


def test_a_built_in_is_asked_in_csv_by_whatever_holds_numbers():
    for given in (
        FRAME,
        pl.DataFrame({"a": [1.5, 2.0], "b": [True, False]}),
        FRAME.to_numpy(float),
        {"a": [1.5, 2], "b": [1, 0]},
    ):
        [(body, kind)] = rows.requests(given, Style.BUILT_IN)
        assert kind == "text/csv"
        assert [[float(cell) for cell in line.split(",")] for line in body.decode().split()] == [[1.5, 1], [2, 0]]


def test_one_row_may_be_given_as_it_is_and_missing_values_are_empty():
    assert list(rows.requests([1, float("nan"), 3], Style.BUILT_IN)) == [(b"1.0,,3.0\n", "text/csv")]


KNOWN = Columns(("a", "b"), "label")


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame({"b": [3, 4], "label": [0, 1], "a": [1.5, 2]}),
        pl.DataFrame({"b": [3, 4], "a": [1.5, 2]}),
        {"b": [3, 4], "a": [1.5, 2]},
        [{"b": 3, "a": 1.5}, {"a": 2, "b": 4}],
        pd.DataFrame([[1.5, 3], [2, 4]]),
        np.array([[1.5, 3], [2, 4]]),
    ],
)
def test_columns_of_the_training_are_found_by_name_and_rows_without_names_by_place(given):
    [(body, _)] = rows.requests(given, Style.BUILT_IN, KNOWN)
    assert [[float(cell) for cell in line.split(",")] for line in body.decode().split()] == [[1.5, 3], [2, 4]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (pd.DataFrame({"a": [1], "label": [0]}), "other columns: 'b' is missing.$"),
        (pd.DataFrame({"x": [1], "y": [0], "a": [1]}), "'b' is missing; 'x', 'y' are unknown to it"),
        (pd.DataFrame({"a": [1], "b": [1], "label": [0], "extra": [0]}), "'extra' is unknown to it"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "b"]), "several columns of the same name, 'b'"),
        (pd.DataFrame([[1, 2, 3]]), "have 3 columns; the model was trained on 2, without the label: 'a', 'b'"),
        ([[1, 2, 3]], "have 3 columns"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), "'b' is not numeric"),
        ({"a": [1, 2], "b": [1]}, "differ in length"),
    ],
)
def test_columns_that_are_not_those_of_the_training_are_named(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.requests(given, Style.BUILT_IN, KNOWN))


def test_a_table_whose_columns_were_counted_in_training_is_found_by_their_numbers():
    counted = Columns((0, 1), "label")
    for given in (pd.DataFrame({1: [3], 0: [1.5], "label": [1]}), pd.DataFrame({"any": [1.5], "name": [3]})):
        assert list(rows.requests(given, Style.BUILT_IN, counted)) == [(b"1.5,3\n", "text/csv")]


def test_numbers_go_with_their_names_where_the_model_keeps_a_transform():
    asked = list(rows.requests(pd.DataFrame({"b": [1], "a": [True]}), Style.BUILT_IN, RAW))
    assert asked == [(b"b,a\n1,1\n", "text/csv; header=present")]
    assert list(rows.requests(pd.DataFrame([[1, 2]]), Style.BUILT_IN, RAW)) == [(b"1,2\n", "text/csv")]


def test_texts_go_to_a_built_in_as_they_are_for_its_transform_to_read():
    frame = pd.DataFrame({"age": [75, None], "city": ['Oslo, "N"', "Rome"]})
    asked = list(rows.requests(frame, Style.BUILT_IN))
    assert asked == [(b'age,city\n75.0,"Oslo, ""N"""\n,Rome\n', "text/csv; header=present")]
    rows.check_count(asked, np.zeros(2))
    with pytest.raises(InvalidInputError, match="does not know all of the columns age,city"):
        rows.check_count(asked, np.zeros(3))
    for bare in ([[75, "Oslo"], [None, "Rome"]], np.array([[75, "Oslo"], [None, "Rome"]], object)):
        assert list(rows.requests(bare, Style.BUILT_IN)) == [(b"75,Oslo\n,Rome\n", "text/csv")]
    assert list(rows.requests([75, "Oslo"], Style.BUILT_IN)) == [(b"75,Oslo\n", "text/csv")]


def test_a_script_gets_numbers_as_an_array_and_a_dict_as_it_is():
    [(body, kind)] = rows.requests(FRAME, Style.SCRIPT)
    assert kind == "application/x-npy"
    assert np.load(io.BytesIO(body)).tolist() == [[1.5, 1], [2, 0]]
    [(body, kind)] = rows.requests({"inputs": "a text"}, Style.SCRIPT)
    assert (json.loads(body), kind) == ({"inputs": "a text"}, "application/json")


def test_one_row_of_a_frame_and_a_list_of_dicts_are_columns_too():
    for given in (FRAME.iloc[0], FRAME.iloc[0].to_dict(), [{"a": 1.5, "b": True}]):
        [(body, kind)] = rows.requests(given, Style.FUNCTION)
        assert (json.loads(body), kind) == ({"a": [1.5], "b": [True]}, "application/json")
    with pytest.raises(InvalidInputError, match="one has no 'b'"):
        list(rows.requests([{"a": 1, "b": 2}, {"a": 1}], Style.FUNCTION))


def test_a_function_gets_the_columns_of_a_frame_by_their_names():
    frame = FRAME.assign(c=["x", None])
    [(body, kind)] = rows.requests(frame, Style.FUNCTION)
    pd.testing.assert_frame_equal(program._table(program.input_fn(body, kind), "pandas"), frame)


@pytest.mark.parametrize("style", [Style.BUILT_IN, Style.FUNCTION])
def test_many_rows_go_in_several_requests_in_their_order(style):
    many = np.arange(3_000_000.0).reshape(-1, 3)
    asked = list(rows.requests(many, style))
    assert len(asked) > 1
    assert max(len(body) for body, _ in asked) <= rows.BODY_BYTES
    read = (
        (lambda body: np.loadtxt(io.BytesIO(body), delimiter=","))
        if style is Style.BUILT_IN
        else (lambda body: np.load(io.BytesIO(body)))
    )
    assert (read(asked[0][0])[0] == many[0]).all()
    assert (read(asked[-1][0])[-1] == many[-1]).all()
    assert sum(body.count(b"\n") if style is Style.BUILT_IN else len(read(body)) for body, _ in asked) == len(many)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([[1, 2], [3]], "differ in length"),
        ([["a"]], "give numbers"),
        (pd.DataFrame({"c": ["x"]}), "'c' is not numeric"),
    ],
)
def test_rows_that_cannot_be_sent_are_told_what_is_wrong(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.requests(given, Style.SCRIPT))


def test_answers_become_one_array_where_they_can():
    labels = [(b'{"predictions": [{"score": 0.9, "predicted_label": 1}]}', "application/json")] * 2
    assert rows.answer(labels).tolist() == [1, 1]
    scores = [(b'{"predictions": [{"score": 0.5}, {"score": 2}]}', "application/json")]
    assert rows.answer(scores).tolist() == [0.5, 2]
    assert rows.answer([(b"[[1], [2, 3]]", "application/json")]) == [[1], [2, 3]]
    assert rows.answer([(b'{"label": "cat"}', "application/json")]) == {"label": "cat"}
    assert rows.answer([(b"1,0.5\n0,0.25\n", "text/csv; charset=utf-8")]).tolist() == [[1, 0.5], [0, 0.25]]
    assert rows.answer([(b"\x89PNG", "image/png")]) == b"\x89PNG"
    with pytest.raises(PredictionFailedError, match="is no JSON"):
        rows.answer([(b"oops", "application/json")])
    array = program.output_fn(np.array([1, 2], np.int8), rows.ACCEPT[Style.FUNCTION])
    assert rows.answer([array, array]).dtype == np.int8
    texts = program.output_fn(np.array(["cat", "dog"]), rows.ACCEPT[Style.FUNCTION])
    assert rows.answer([texts]).tolist() == ["cat", "dog"]
