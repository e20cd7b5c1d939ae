"""Rows are encoded as requests, and responses are decoded to arrays."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError, PredictionFailedError
from lowcloud.sdk.code import job_program
from lowcloud.sdk.data import answers, rows
from lowcloud.sdk.data.channels import ModelKind
from lowcloud.sdk.data.columns import RAW_COLUMNS, Columns
from lowcloud.sdk.data.reading import Reading

FRAME = pd.DataFrame({"a": [1.5, 2.0], "b": [True, False]})


def test_numeric_rows_of_any_form_are_sent_to_a_built_in_algorithm_as_csv():
    for given in (
        FRAME,
        pl.DataFrame({"a": [1.5, 2.0], "b": [True, False]}),
        FRAME.to_numpy(float),
        {"a": [1.5, 2], "b": [1, 0]},
    ):
        [(body, kind)] = rows.to_requests(given, ModelKind.BUILT_IN)
        assert kind == "text/csv"
        assert [[float(cell) for cell in line.split(",")] for line in body.decode().split()] == [[1.5, 1], [2, 0]]


def test_a_single_row_is_accepted_and_missing_values_are_empty_cells():
    assert list(rows.to_requests([1, float("nan"), 3], ModelKind.BUILT_IN)) == [(b"1.0,,3.0\n", "text/csv")]


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
def test_columns_are_matched_by_name_and_rows_without_names_by_position(given):
    [(body, _)] = rows.to_requests(given, ModelKind.BUILT_IN, KNOWN)
    assert [[float(cell) for cell in line.split(",")] for line in body.decode().split()] == [[1.5, 3], [2, 4]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (pd.DataFrame({"a": [1], "label": [0]}), "different columns: missing: 'b'.$"),
        (pd.DataFrame({"x": [1], "y": [0], "a": [1]}), "missing: 'b'; unknown: 'x', 'y'"),
        (pd.DataFrame({"a": [1], "b": [1], "label": [0], "extra": [0]}), "unknown: 'extra'"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "b"]), "several columns named 'b'"),
        (pd.DataFrame([[1, 2, 3]]), "have 3 columns, but the model was trained on 2, without the label: 'a', 'b'"),
        ([[1, 2, 3]], "have 3 columns"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), "column 'b': 'x' is not a number"),
        ({"a": [1, 2], "b": [1]}, "differ in length"),
    ],
)
def test_columns_that_differ_from_training_are_named_in_the_error(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.to_requests(given, ModelKind.BUILT_IN, KNOWN))


def test_columns_without_names_in_training_are_matched_by_number():
    counted = Columns((0, 1), "label")
    for given in (pd.DataFrame({1: [3], 0: [1.5], "label": [1]}), pd.DataFrame({"any": [1.5], "name": [3]})):
        assert list(rows.to_requests(given, ModelKind.BUILT_IN, counted)) == [(b"1.5,3\n", "text/csv")]


def test_numbers_are_sent_with_a_header_to_a_model_with_a_transform():
    requested = list(rows.to_requests(pd.DataFrame({"b": [1], "a": [True]}), ModelKind.BUILT_IN, RAW_COLUMNS))
    assert requested == [(b"b,a\n1,1\n", "text/csv; header=present")]
    assert list(rows.to_requests(pd.DataFrame([[1, 2]]), ModelKind.BUILT_IN, RAW_COLUMNS)) == [(b"1,2\n", "text/csv")]


def test_text_is_sent_unchanged_to_a_built_in_algorithm_for_its_transform():
    frame = pd.DataFrame({"age": [75, None], "city": ['Oslo, "N"', "Rome"]})
    requested = list(rows.to_requests(frame, ModelKind.BUILT_IN))
    assert requested == [(b'age,city\n75.0,"Oslo, ""N"""\n,Rome\n', "text/csv; header=present")]
    rows.check_count(requested, np.zeros(2))
    with pytest.raises(InvalidInputError, match="does not know some of the columns age,city"):
        rows.check_count(requested, np.zeros(3))
    for bare in ([[75, "Oslo"], [None, "Rome"]], np.array([[75, "Oslo"], [None, "Rome"]], object)):
        assert list(rows.to_requests(bare, ModelKind.BUILT_IN)) == [(b"75,Oslo\n,Rome\n", "text/csv")]
    assert list(rows.to_requests([75, "Oslo"], ModelKind.BUILT_IN)) == [(b"75,Oslo\n", "text/csv")]


def test_a_script_gets_numbers_as_an_array_and_a_dict_unchanged():
    [(body, kind)] = rows.to_requests(FRAME, ModelKind.SCRIPT)
    assert kind == "application/x-npy"
    assert np.load(io.BytesIO(body)).tolist() == [[1.5, 1], [2, 0]]
    [(body, kind)] = rows.to_requests({"inputs": "a text"}, ModelKind.SCRIPT)
    assert (json.loads(body), kind) == ({"inputs": "a text"}, "application/json")


def test_one_row_of_a_table_and_a_list_of_dicts_are_accepted():
    for given in (FRAME.iloc[0], FRAME.iloc[0].to_dict(), [{"a": 1.5, "b": True}]):
        [(body, kind)] = rows.to_requests(given, ModelKind.FUNCTION)
        assert (json.loads(body), kind) == ({"a": [1.5], "b": [True]}, "application/json")
    with pytest.raises(InvalidInputError, match="one lacks 'b'"):
        list(rows.to_requests([{"a": 1, "b": 2}, {"a": 1}], ModelKind.FUNCTION))


def test_a_function_gets_the_columns_of_a_table_by_name():
    frame = FRAME.assign(c=["x", None])
    [(body, kind)] = rows.to_requests(frame, ModelKind.FUNCTION)
    pd.testing.assert_frame_equal(job_program._table(job_program.input_fn(body, kind), "pandas"), frame)


@pytest.mark.parametrize("style", [ModelKind.BUILT_IN, ModelKind.FUNCTION])
def test_many_rows_are_sent_in_several_requests_in_order(style):
    many = np.arange(3_000_000.0).reshape(-1, 3)
    requested = list(rows.to_requests(many, style))
    assert len(requested) > 1
    assert max(len(body) for body, _ in requested) <= rows.BODY_BYTES
    read = (
        (lambda body: np.loadtxt(io.BytesIO(body), delimiter=","))
        if style is ModelKind.BUILT_IN
        else (lambda body: np.load(io.BytesIO(body)))
    )
    assert (read(requested[0][0])[0] == many[0]).all()
    assert (read(requested[-1][0])[-1] == many[-1]).all()
    assert sum(body.count(b"\n") if style is ModelKind.BUILT_IN else len(read(body)) for body, _ in requested) == len(
        many
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([[1, 2], [3]], "differ in length"),
        ([["a"]], "give numbers"),
        (pd.DataFrame({"c": ["x"]}), "'c' is not numeric"),
    ],
)
def test_the_reason_why_rows_cannot_be_sent_is_reported(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.to_requests(given, ModelKind.SCRIPT))


@pytest.mark.parametrize("kind", ModelKind)
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3, "Rows are a DataFrame, .* not 3"),
        (None, "Rows are a DataFrame, .* not None"),
        (np.array(3), "Rows are a DataFrame"),
        ([], "There are no rows to predict"),
        (pd.DataFrame({"a": []}), "There are no rows to predict"),
        ("s3://bucket/a.csv", "predict takes rows or a local file, not 's3://bucket/a.csv'"),
        (Path("s3://bucket/a.csv"), "predict takes rows or a local file"),
        ("missing.csv", "There is no file 'missing.csv'"),
    ],
)
def test_what_is_no_row_is_refused_for_every_model(kind, given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.to_requests(given, kind))


def test_responses_are_decoded_to_one_array_if_possible():
    labels = [(b'{"predictions": [{"score": 0.9, "predicted_label": 1}]}', "application/json")] * 2
    assert answers.to_predictions(labels).tolist() == [1, 1]
    scores = [(b'{"predictions": [{"score": 0.5}, {"score": 2}]}', "application/json")]
    assert answers.to_predictions(scores).tolist() == [0.5, 2]
    assert answers.to_predictions([(b"[[1], [2, 3]]", "application/json")]) == [[1], [2, 3]]
    assert answers.to_predictions([(b'{"label": "cat"}', "application/json")]) == {"label": "cat"}
    assert answers.to_predictions([(b"1,0.5\n0,0.25\n", "text/csv; charset=utf-8")]).tolist() == [[1, 0.5], [0, 0.25]]
    assert answers.to_predictions([(b"\x89PNG", "image/png")]) == b"\x89PNG"
    with pytest.raises(PredictionFailedError, match="is not valid JSON"):
        answers.to_predictions([(b"oops", "application/json")])
    array = job_program.output_fn(np.array([1, 2], np.int8), rows.ACCEPT[ModelKind.FUNCTION])
    assert answers.to_predictions([array, array]).dtype == np.int8
    texts = job_program.output_fn(np.array(["cat", "dog"]), rows.ACCEPT[ModelKind.FUNCTION])
    assert answers.to_predictions([texts]).tolist() == ["cat", "dog"]


TYPED = Columns(("city", "age", "when"), "y", ("text", "number", "time"), ("no", "yes"), is_encoded=True)
FILES = {
    "a.csv": "when,age,city,y\n2024-05-01,30,Oslo,\n\n2024-05-02T06:00,,NA,yes\n",
    "a.tsv": "city\tage\twhen\nOslo\t30\t2024-05-01\n\t?\t2024-05-02 06:00\n",
    "b.csv": ",when,age,city\n7,2024-05-01T02:00+02:00,30,Oslo\n8,2024-05-02T08:00+02:00,,\n",
    "c.csv": "Oslo,30,2024-05-01\n,,2024-05-02T06:00\n",
    "a.json": (
        '[{"age": 30, "city": "Oslo", "when": "2024-05-01"}, {"age": null, "city": null, "when": "2024-05-02T06"}]'
    ),
}


def test_a_missing_feature_of_a_model_that_needs_all_is_refused_with_its_row(tmp_path):
    known = Columns(("age", "city"), "y", ("number", "text"), is_encoded=True)
    (tmp_path / "a.csv").write_text("age,city\n30,\n,Oslo\n")
    [(body, _)] = rows.to_requests(tmp_path / "a.csv", ModelKind.BUILT_IN, known)
    assert json.loads(body) == {"instances": [[30, None], [None, "Oslo"]]}
    with pytest.raises(InvalidInputError, match=r"'age' has no value in a\.csv, line 3"):
        list(rows.to_requests(tmp_path / "a.csv", ModelKind.BUILT_IN, known, allows_missing=False))
    frame = pd.DataFrame({"age": [None, None], "city": [None, "Oslo"]})
    with pytest.raises(InvalidInputError, match="'age' has no value in row 0 of the rows"):
        list(rows.to_requests(frame, ModelKind.BUILT_IN, known, allows_missing=False))
    assert list(rows.to_requests(frame.assign(age=1), ModelKind.BUILT_IN, known, allows_missing=False))


@pytest.mark.parametrize("name", FILES)
def test_rows_of_files_are_matched_by_name_and_sent_as_the_table_had_them(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    reading = Reading(header=False) if name == "c.csv" else Reading()
    for path in (tmp_path / name, str(tmp_path / name)):
        [(body, kind)] = rows.to_requests(path, ModelKind.BUILT_IN, TYPED, reading)
        assert kind == "application/json"
        assert json.loads(body) == {
            "instances": [["Oslo", 30, "2024-05-01T00:00:00"], [None, None, "2024-05-02T06:00:00"]]
        }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n\n3\n", "rows.csv, line 4 has 1 cells, line 1 has 2"),
        ("a,b\n1,2\n3,x\n", "rows.csv, line 3, column 'b': 'x' is not a number"),
        ("a,c\n1,2\n", "missing: 'b'; unknown: 'c'"),
        ("1,2,3\n", "have 3 columns, but the model was trained on 2"),
        ("a,b\n", "There are no rows"),
        ("a,a\n1,2\n", "several columns named 'a'"),
    ],
)
def test_rows_of_a_file_that_do_not_fit_are_refused(tmp_path, text, sentence):
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=sentence):
        list(rows.to_requests(tmp_path / "rows.csv", ModelKind.BUILT_IN, KNOWN))


def test_a_first_row_with_the_number_of_a_column_is_no_header(tmp_path):
    unnamed = Columns((1, 2), 0)
    (tmp_path / "rows.csv").write_text("1,0.5\n2,1.5\n")
    [(body, _)] = rows.to_requests(tmp_path / "rows.csv", ModelKind.BUILT_IN, unnamed)
    assert body == b"1,0.5\n2,1.5\n"


def test_blank_lines_of_a_file_are_no_rows(tmp_path):
    (tmp_path / "rows.csv").write_text("b,a\n\n3,1.5\n  \n4,2\n\n")
    assert list(rows.to_requests(tmp_path / "rows.csv", ModelKind.BUILT_IN, KNOWN)) == [(b"1.5,3\n2.0,4\n", "text/csv")]
    [(body, _)] = rows.to_requests(tmp_path / "rows.csv", ModelKind.FUNCTION)
    assert json.loads(body) == {"b": [3, 4], "a": [1.5, 2.0]}


def test_a_file_for_a_transform_of_the_users_keeps_its_texts(tmp_path):
    (tmp_path / "rows.csv").write_text("code,n\n007,1.50\n")
    expected = [(b"code,n\n007,1.50\n", "text/csv; header=present")]
    assert list(rows.to_requests(tmp_path / "rows.csv", ModelKind.BUILT_IN, RAW_COLUMNS)) == expected


def test_a_column_that_looks_like_an_index_is_kept_if_the_model_knows_it():
    known = Columns(("Unnamed: 0", "a"), "y")
    [(body, _)] = rows.to_requests(pd.DataFrame({"a": [5], "Unnamed: 0": [0]}), ModelKind.BUILT_IN, known)
    assert body == b"0,5\n"


def test_a_missing_value_of_a_single_feature_is_no_blank_line():
    one = Columns(("a",), "y")
    [(body, _)] = rows.to_requests(pd.DataFrame({"a": [1.5, None]}), ModelKind.BUILT_IN, one)
    assert body == b"1.5\nnan\n"


def test_categories_that_training_did_not_have_are_said(capsys):
    known = Columns(("n", "city"), "y", kinds=("number", "text"), is_encoded=True, levels={"city": ["Oslo", "Rome"]})
    given = pd.DataFrame({"n": [1, 2, 3, 4], "city": ["Oslo", "Bern", None, "Bern"]})
    [(body, _)] = rows.to_requests(given, ModelKind.BUILT_IN, known)
    assert json.loads(body)["instances"][1] == [2, "Bern"]
    assert capsys.readouterr().err == (
        "the rows: 'city' has values that are not in the training data, and count as unknown: 'Bern', '(missing)'\n"
    )
    list(rows.to_requests(given[:1], ModelKind.BUILT_IN, known))
    assert not capsys.readouterr().err
