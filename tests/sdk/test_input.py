"""Models, data and parameters that cannot be used are told what to give instead, before anything is started."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

import lowcloud
from lowcloud import InvalidInputError

FRAME = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"], "y": [0, 1]})
HOLED = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, float("nan")], "y": [0, 1, 1]})
REGRESSOR = {"predictor_type": "regressor"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """A cloud that does not answer, which nobody asks."""
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
        (lambda: 1, "takes ().*called as"),
        (lambda a, b, c: 1, "called as .data, parameters."),
    ],
)
def test_a_model_that_is_none(model, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train(model, FRAME)


def test_a_folder_without_a_plain_entry_point_asks_for_one(tmp_path):
    (tmp_path / "a.py").write_text("")
    (tmp_path / "b.py").write_text("")
    with pytest.raises(
        InvalidInputError, match=r"Call it train.py or main.py, or give its own path \(it holds a.py, b.py\)"
    ):
        lowcloud.train(tmp_path, FRAME)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"predictor_type": "regresor"}, "predictor_type must be one of"),
        ({"epocs": 3, **REGRESSOR}, "epocs"),
        ({"epochs": object(), **REGRESSOR}, "'epochs' is a object; give texts, numbers"),
        ({3: 4}, "3 has no name"),
    ],
)
def test_parameters_that_are_none(parameters, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train("linear-learner", FRAME, parameters, target="y")


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (FRAME, {}, "Say which column is the label: target=... one of 'x', 'name', 'y'"),
        (FRAME, {"target": "z"}, "There is no column 'z' in the data; it has 'x', 'name', 'y'"),
        (FRAME, {"target": 3}, "There is no column 3 in the data, which has 3"),
        (FRAME, {"target": "y"}, "'name' of the data is not numeric.*get_dummies"),
        (HOLED, {"target": "y"}, "'b' has no value in row 2 of the data, counted from 0"),
        (HOLED, {"target": "y", "validation": 0.5}, "'b' has no value in row 2 of the data"),
        (pl.from_pandas(HOLED), {"target": "y"}, "'b' has no value in row 2 of the data"),
        ("holed.csv", {"target": "a", "validation": 0.5}, "'b' has no value in row 1 of holed.csv"),
        (FRAME[:0], {"target": "y"}, "There is no row in the data"),
        (FRAME[["y"]], {"target": "y"}, "no column in the data but the label 'y'"),
        (np.zeros(3), {}, r"The array has shape \(3,\)"),
        ([[1, 2]], {}, "The data of channel 'train' is a list; give a DataFrame"),
        ("missing.csv", {}, "There is no file or folder 'missing.csv'"),
        ("empty", {}, "The folder 'empty' holds no file"),
        ("header.csv", {}, "header.csv names its columns; say which is the label, target= one of 'a', 'b'"),
        ("ragged.csv", {"target": "a"}, "ragged.csv cannot be read as a table"),
        ("http://example.com/data.csv", {}, "is no S3 URL"),
        ({"a b": FRAME}, {"target": "y"}, "'a b' cannot be the name of a channel"),
        ({"train": FRAME}, {"target": "y", "validation": 0.5}, "name a channel 'validation'"),
        ("empty", {"validation": 0.5}, "validation=0.5 splits a table"),
        (FRAME, {"name": "no name", "target": "y"}, "'no name' cannot be a name"),
        (FRAME, {"requirements": ["x"], "target": "y"}, "requirements are for scripts"),
        (FRAME, {"instance_type": "ml.m5.larg", "target": "y"}, "Did you mean 'ml.m5.large'"),
    ],
)
def test_data_that_cannot_be_used(tmp_path, data, options, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "holed.csv").write_text("a,b\n1,2\n3,\n")
    (tmp_path / "header.csv").write_text("a,b\n1,2\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(InvalidInputError, match=sentence):
        lowcloud.train("linear-learner", data, REGRESSOR, **options)


def test_xgboost_may_lack_values_but_not_labels():
    with pytest.raises(lowcloud.CloudUnreachable):  # so it would have been asked
        lowcloud.train("xgboost", HOLED, {"num_round": 1}, target="y")
    with pytest.raises(InvalidInputError, match="'b' has no value in row 2"):
        lowcloud.train("xgboost", HOLED, {"num_round": 1}, target="b")


def test_an_empty_table_is_refused_for_a_function_too():
    with pytest.raises(InvalidInputError, match="There is no row"):
        lowcloud.train(lambda data: data, FRAME[:0])


def test_a_target_is_nothing_for_a_function():
    with pytest.raises(InvalidInputError, match="your own code finds the label"):
        lowcloud.train(lambda data: data, FRAME, target="y")


def test_a_cloud_that_does_not_answer_is_named_with_its_remedy():
    with pytest.raises(lowcloud.CloudUnreachable, match="Start it with `lowcloud up`") as caught:
        lowcloud.train(lambda data: data, pl.DataFrame({"x": [1]}))
    assert caught.value.__suppress_context__, "the traceback shows nothing of the client's inside"
