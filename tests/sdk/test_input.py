"""Unusable models, data and parameters are refused, with advice, before anything is started."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

import lowcloud
from lowcloud import InvalidInputError, sdk

FRAME = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"], "y": [0, 1]})
WITH_MISSING = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, float("nan")], "y": [0, 1, 1]})
REGRESSOR = {"predictor_type": "regressor"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """A cloud that does not answer, since no test should reach it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("xgbost", "Did you mean 'xgboost'"),
        ("train.py", "There is no script 'train.py'"),
        (LinearRegression(), "A LinearRegression cannot be trained as it is.*def train"),
        (LinearRegression, "The class LinearRegression cannot be trained as it is.*def train"),
        (lambda: 1, "takes ().*called with"),
        (lambda a, b, c: 1, "called with .data, parameters."),
    ],
)
def test_an_unusable_model_is_refused(model, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train(model, FRAME)


def test_a_folder_without_an_obvious_entry_point_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("")
    (tmp_path / "b.py").write_text("")
    with pytest.raises(
        InvalidInputError,
        match=r"Name it train.py or main.py, or .* \(the folder contains a.py, b.py\)",
    ):
        lowcloud.train(tmp_path, FRAME)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"predictor_type": "regresor"}, "predictor_type must be one of"),
        ({"epocs": 3, **REGRESSOR}, "epocs.*Did you mean epochs"),
        ({"weight": 3, **REGRESSOR}, "'weight' is not supported.*nearest are balance_multiclass_weights, "),
        ({"epochs": object(), **REGRESSOR}, "'epochs' has type object; give strings, numbers"),
        ({3: 4}, "3 is not a parameter name"),
        ("num_round=5", "parameters are a dict from names to values.*not 'num_round=5'"),
        ([("epochs", 3)], "parameters are a dict from names to values"),
    ],
)
def test_unusable_parameters_are_refused(parameters, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train("linear-learner", FRAME, parameters, target="y")


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (FRAME, {}, "Set target= to the label column, one of 'x', 'name', 'y'"),
        (FRAME, {"target": "z"}, "There is no column 'z' in the data. Its columns are 'x', 'name', 'y'"),
        (FRAME, {"target": "nmae"}, "There is no column 'nmae' in the data. Did you mean 'name'"),
        (FRAME, {"target": 3}, "There is no column 3 in the data, which has 3"),
        (FRAME, {"target": "y", "raw": True}, "Not numeric in the data: 'name'"),
        (WITH_MISSING, {"target": "y"}, "'b' has no value in row 2 of the data, counted from 0"),
        (WITH_MISSING, {"target": "y", "validation": 0.5}, "'b' has no value in row 2 of the data"),
        (pl.from_pandas(WITH_MISSING), {"target": "y"}, "'b' has no value in row 2 of the data"),
        ("missing_values.csv", {"target": "a", "validation": 0.5}, "'b' has no value in missing_values.csv, line 3"),
        (FRAME[:0], {"target": "y"}, "There are no rows in the data"),
        (FRAME[["y"]], {"target": "y"}, "only column in the data is the label 'y'"),
        (np.zeros(3), {}, r"The array has shape \(3,\)"),
        ([[1, 2]], {}, "The data of channel 'train' has type list; give a DataFrame"),
        ("missing.csv", {}, "There is no file or folder 'missing.csv'"),
        ("empty", {}, "The folder 'empty' contains no files"),
        ("header.csv", {}, "header.csv has a header. Set target= to the label column, one of 'a', 'b'"),
        ("ragged.csv", {"target": "a"}, "ragged.csv, line 3 has 3 cells, line 1 has 2"),
        ("http://example.com/data.csv", {}, "is not an S3 URL"),
        ({"a b": FRAME}, {"target": "y"}, "'a b' is not a valid channel name"),
        (
            {"train": FRAME, "validation": FRAME},
            {"target": "y", "validation": 0.5},
            "validation data is given twice: by validation= and by the mapping",
        ),
        ({"test": FRAME}, {"target": "y", "validation": 0.5}, "holds out rows of the channel 'train', which is not"),
        ({"trian": FRAME}, {"target": "y"}, "linear-learner has no channel 'trian'. Did you mean 'train'"),
        ({"train": FRAME, "x": FRAME}, {"target": "y"}, "has no channel 'x'. Channels are train, validation, test"),
        ("empty", {"validation": 0.5}, "The folder 'empty' contains no files"),
        ("rows.libsvm", {"validation": 0.5}, "validation=0.5 needs a table"),
        ("rows.libsvm", {"target": "a"}, "target= needs a table"),
        ("code", {"target": "a"}, "There is no readable data in the folder 'code', only 'model.py'"),
        ("mixed", {"target": "a"}, "Not all files in the folder 'mixed' are data: 1 of 2 are not, such as 'notes.md'"),
        (FRAME, {"target": "y", "validation": 20}, "validation=20 is neither data nor a fraction.*such as 0.2"),
        (FRAME, {"target": "y", "validation": 1.0}, "validation=1.0 is neither data nor a fraction"),
        (FRAME, {"target": "y", "reading": {"delimeter": ";"}}, "no option 'delimeter'. Did you mean 'delimiter'"),
        (FRAME, {"target": "y", "reading": {"types": ["x"]}}, "option 'types' of reading is a mapping of columns to"),
        (FRAME, {"target": "y", "reading": {"types": {"x": "int"}}}, "the type of column 'x' is one of number, text"),
        (FRAME, {"target": "y", "reading": {"missing": 5}}, "option 'missing' of reading is a text or a list of texts"),
        (FRAME, {"target": "y", "reading": ["decimal"]}, "reading is a mapping of options, such as"),
        (pd.DataFrame([[1, 2, 3]], columns=["y", "x", "x"]), {"target": "y"}, "several columns named 'x'"),
        (
            FRAME.assign(name=pd.to_timedelta([1, 2], "s")),
            {"target": "y"},
            "'name' in the data has type Duration.*seconds",
        ),
        (FRAME.assign(x=[1, np.inf]), {"target": "y"}, "row 1 of the data, counted from 0, column 'x' is infinite"),
        (FRAME, {"name": "no name", "target": "y"}, "'no name' is not a valid name"),
        (FRAME, {"requirements": ["x"], "target": "y"}, "requirements= is for scripts"),
        (FRAME, {"instance_type": "ml.m5.larg", "target": "y"}, "Did you mean 'ml.m5.large'"),
    ],
)
def test_unusable_data_is_refused(tmp_path, data, options, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "missing_values.csv").write_text("a,b\n1,2\n3,\n")
    (tmp_path / "header.csv").write_text("a,b\n1,2\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    (tmp_path / "rows.libsvm").write_text("1 0:1\n")
    for file in ("code/model.py", "mixed/notes.md", "mixed/rows.csv"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train("linear-learner", data, REGRESSOR, **options)


def test_xgboost_allows_missing_features_but_not_labels():
    with pytest.raises(lowcloud.CloudUnreachableError):  # that is, the request was sent
        lowcloud.train("xgboost", WITH_MISSING, {"num_round": 1}, target="y")
    with pytest.raises(InvalidInputError, match="'b' has no value in row 2"):
        lowcloud.train("xgboost", WITH_MISSING, {"num_round": 1}, target="b")


def test_an_empty_table_is_refused_for_a_function_too():
    with pytest.raises(InvalidInputError, match="There are no rows"):
        lowcloud.train(lambda data: data, FRAME[:0])


def test_a_target_is_refused_for_a_function():
    with pytest.raises(InvalidInputError, match="your own code selects the label"):
        lowcloud.train(lambda data: data, FRAME, target="y")


def test_an_unreachable_server_is_reported_with_advice():
    with pytest.raises(lowcloud.CloudUnreachableError, match="Start it with `lowcloud up`") as caught:
        lowcloud.train(lambda data: data, pl.DataFrame({"x": [1]}))
    assert caught.value.__suppress_context__, "the traceback hides the internals of the client"


def test_what_would_be_sent_is_counted_without_hidden_files(tmp_path):
    (tmp_path / "data" / ".git").mkdir(parents=True)
    (tmp_path / "data" / ".git" / "a.csv").write_text("1")
    (tmp_path / "data" / "_SUCCESS").write_text("")
    (tmp_path / "data" / "a.csv").write_text("1,2\n" * 500)
    assert str(sdk.measure("xgboost", tmp_path / "data")) == "1 file, 2 kB"
    assert str(sdk.measure("xgboost", FRAME)) == "0 files, 0 B"
    (tmp_path / "train.py").write_text("pass\n")
    assert sdk.measure(tmp_path / "train.py", tmp_path / "data", "data/a.csv").files == 5
