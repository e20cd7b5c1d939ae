"""Responses become labels as they were spelled, numbers, or a table of probabilities."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError, PredictionFailedError
from lowcloud.sdk.data import answers
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.labels import LABEL, MARGIN, PROBABILITY


def responses(*predictions: object) -> list[tuple[bytes, str]]:
    return [(json.dumps({"predictions": [one]}).encode(), "application/json") for one in predictions]


def columns(classes: object, scores: str = PROBABILITY) -> Columns:
    return Columns(("x",), "y", classes=classes, scores=scores)


@pytest.mark.parametrize(
    ("predictions", "known", "expected"),
    [
        ([{"score": 0.5}, {"score": 0.6}], columns(("no", "yes")), ["no", "yes"]),
        ([{"score": 0.2}, {"score": 0.9}], columns((False, True)), [False, True]),
        ([{"score": -0.2}, {"score": 0.1}], columns((1, 2), MARGIN), [1, 2]),
        ([{"score": 2.0}, {"score": 0.0}], columns(("a", "b", "c"), LABEL), ["c", "a"]),
        ([{"score": [0.2, 0.5, 0.3]}], columns(("a", "b", "c")), ["b"]),
        ([{"score": 0.4, "predicted_label": 1}], columns(("no", "yes")), ["yes"]),
        ([{"score": 0.5}, {"score": 2}], columns(None), [0.5, 2]),
    ],
)
def test_predictions_are_labels_or_numbers(predictions, known, expected):
    found = answers.to_predictions(responses(*predictions), known)
    assert found.tolist() == expected
    assert found.dtype == np.array(expected).dtype


def test_probabilities_are_a_table_with_a_column_for_each_class():
    binary = responses({"score": 0.25}, {"score": 1.0})
    frame = answers.to_probabilities(binary, columns((False, True)), "pandas")
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"False": [0.75, 0.0], "True": [0.25, 1.0]}))
    table = answers.to_probabilities(responses({"score": [0.2, 0.5, 0.3]}), columns((1, 2, 3)), "polars")
    assert table.equals(pl.DataFrame({"1": [0.2], "2": [0.5], "3": [0.3]}))
    found = answers.to_probabilities(binary, columns(("no", "yes")), "")
    assert {name: values.tolist() for name, values in found.items()} == {"no": [0.75, 0.0], "yes": [0.25, 1.0]}


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (None, "no classes that are known"),
        (columns(None), "no classes that are known"),
        (columns((0, 1), LABEL), "gives no probabilities: train it with the objective"),
        (columns((0, 1), MARGIN), "gives no probabilities"),
    ],
)
def test_a_model_without_probabilities_says_so(known, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        answers.to_probabilities(responses({"score": 0.5}), known, "")


def test_a_response_without_predictions_is_an_error():
    with pytest.raises(PredictionFailedError, match="has no predictions"):
        answers.to_predictions([(b"[1]", "application/json")], columns((0, 1)))


def test_large_whole_numbers_are_labels_of_their_own():
    found = answers.to_predictions(responses({"score": 1.0}, {"score": 0.0}), columns((5, 2**63 + 1)))
    assert found.tolist() == [2**63 + 1, 5]
