"""A function's model is saved in the format of its library and makes the same predictions when it is loaded."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lowcloud.sdk.code import job_program
from lowcloud.sdk.data import answers, rows
from lowcloud.sdk.data.channels import ModelKind

X = pd.DataFrame(np.random.default_rng(0).random((40, 3)), columns=["a", "b", "c"])
Y = (X["a"] > 0.5).astype(int)


class Doubling:
    """A model of a user's own class."""

    def predict(self, data: pd.DataFrame) -> pd.Series:
        return data["a"] * 2


def keep(model: object, folder: Path, kind: str = "pandas") -> str:
    job_program.save(model, folder, {"channels": {"train": {"kind": kind}}})
    return str(json.loads((folder / job_program.DESCRIPTION).read_text())["form"])


def ask(folder: Path, data: object) -> object:
    """Return what an endpoint would predict."""
    [(body, content_type)] = rows.to_requests(data, ModelKind.FUNCTION)  # type: ignore[arg-type]
    given = job_program.input_fn(body, content_type)
    predictions = job_program.predict_fn(given, job_program.model_fn(str(folder)))
    return answers.to_predictions([job_program.output_fn(predictions, rows.ACCEPT[ModelKind.FUNCTION])])


@pytest.mark.parametrize(
    ("model", "form"),
    [
        (RandomForestClassifier(5, random_state=0).fit(X, Y), "skops"),
        (make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y), "skops"),
        (make_pipeline(FunctionTransformer(lambda x: x * 2), LinearRegression()).fit(X, Y), "pickle"),
        (xgboost.XGBClassifier(n_estimators=3).fit(X, Y), "xgboost"),
        (Doubling(), "pickle"),
    ],
    ids=["forest", "pipeline", "own function", "xgboost", "own class"],
)
def test_a_loaded_model_makes_the_same_predictions(tmp_path, model, form):
    assert keep(model, tmp_path) == form
    np.testing.assert_array_equal(ask(tmp_path, X), np.asarray(model.predict(X)))


def test_a_loaded_booster_makes_the_same_predictions(tmp_path):
    model = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 3)
    assert keep(model, tmp_path) == "xgboost"
    np.testing.assert_array_equal(ask(tmp_path, X), model.predict(xgboost.DMatrix(X)))


def test_a_function_of_rows_gets_tables_of_the_library_it_was_trained_with(tmp_path):
    assert keep(lambda frame: frame.select(pl.col("a") + 1).to_series(), tmp_path, "polars") == "pickle"
    assert np.asarray(ask(tmp_path, pl.DataFrame({"a": [1, 2]}))).tolist() == [2, 3]


def test_string_labels_are_returned_as_strings(tmp_path):
    keep(lambda array: np.array(["low", "high"])[(array[:, 0] > 1).astype(int)], tmp_path, "numpy")
    assert np.asarray(ask(tmp_path, [[0], [2]])).tolist() == ["low", "high"]


def test_an_object_that_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"The function returned a dict\. It must return the model"):
        keep({"weights": [1]}, tmp_path)
