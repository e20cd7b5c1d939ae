"""A target becomes classes: from its values and the parameters, which are completed or contradict it."""

import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.data.labels import LABEL, MARGIN, PROBABILITY, Target, read_target
from tests.sdk.data.conftest import sent

TEXTS = pl.Series("y", ["no", "yes", "no"])
COLOURS = pl.Series("y", ["red", "green", "blue"])
NUMBERS = pl.Series("y", [1.0, 0.0, 1.0])
BOOLEANS = pl.Series("y", [True, False])
BINARY, MULTI = {"predictor_type": "binary_classifier"}, {"predictor_type": "multiclass_classifier"}
SOFTPROB = {"objective": "multi:softprob"}


@pytest.mark.parametrize(
    ("algorithm", "given", "column", "expected"),
    [
        ("xgboost", {}, TEXTS, Target(("no", "yes"), True, PROBABILITY, {"objective": "binary:logistic"})),
        ("xgboost", {}, BOOLEANS, Target((False, True), False, PROBABILITY, {"objective": "binary:logistic"})),
        ("xgboost", {}, COLOURS, Target(("blue", "green", "red"), True, PROBABILITY, {**SOFTPROB, "num_class": 3})),
        ("xgboost", SOFTPROB, TEXTS, Target(("no", "yes"), True, PROBABILITY, {"num_class": 2})),
        ("xgboost", {}, NUMBERS, Target()),
        ("xgboost", {"objective": "reg:logistic"}, NUMBERS, Target()),
        ("xgboost", {"objective": "binary:logistic"}, NUMBERS, Target((0, 1))),
        ("xgboost", {"objective": "binary:hinge"}, NUMBERS, Target((0, 1), scores=LABEL)),
        ("xgboost", {"objective": "binary:logitraw"}, pl.Series("y", [-1, 1]), Target((-1, 1), True, MARGIN)),
        ("xgboost", {**SOFTPROB, "num_class": "4"}, pl.Series("y", [0, 1, 3]), Target((0, 1, 2, 3))),
        ("xgboost", SOFTPROB, pl.Series("y", [1, 2, 3]), Target((1, 2, 3), True, PROBABILITY, {"num_class": 3})),
        ("xgboost", {**SOFTPROB, "num_class": 5}, None, Target((0, 1, 2, 3, 4))),
        ("xgboost", {"objective": "binary:logistic"}, None, Target((0, 1))),
        ("linear-learner", {}, TEXTS, Target(("no", "yes"), True, PROBABILITY, BINARY)),
        (
            "linear-learner",
            {},
            COLOURS,
            Target(("blue", "green", "red"), True, PROBABILITY, {**MULTI, "num_classes": 3}),
        ),
        ("linear-learner", {**BINARY, "loss": "hinge_loss"}, NUMBERS, Target((0, 1), scores=MARGIN)),
        ("linear-learner", BINARY, pl.Series("y", [1, 1]), Target((0, 1))),
        ("linear-learner", {}, NUMBERS, Target()),
    ],
)
def test_classes_and_missing_parameters_follow_from_the_target(algorithm, given, column, expected):
    assert read_target(algorithm, given, column) == expected


@pytest.mark.parametrize(
    ("algorithm", "given", "column", "sentence"),
    [
        ("xgboost", {"objective": "reg:squarederror"}, TEXTS, "'y' has 'no', 'yes', but objective 'reg:squarederror'"),
        (
            "linear-learner",
            {"predictor_type": "regressor"},
            BOOLEANS,
            "'False', 'True', but predictor_type 'regressor'",
        ),
        ("linear-learner", BINARY, COLOURS, "has 3 labels .'blue', 'green', 'red'., but predictor_type is for two"),
        ("xgboost", {**SOFTPROB, "num_class": 2}, COLOURS, "has 3 labels .*, but num_class is 2"),
        ("xgboost", {**SOFTPROB, "num_class": 5}, COLOURS, "has 3 labels .*, but num_class is 5. Leave num_class out"),
        ("linear-learner", MULTI, TEXTS, "has 2 labels .*, but num_classes is 3.*choose a binary classifier"),
        ("xgboost", {}, pl.Series("y", ["a", "a"]), "has 1 labels .'a'.: nothing can be learned"),
        (
            "xgboost",
            {},
            pl.Series("y", list("abcdefghijklmnopqrstuvwxyz")),
            "26 labels .* in 26 rows: these are no classes",
        ),
        ("xgboost", {}, pl.Series("y", ["2024-01-01"]).str.to_date(), "'y' has dates"),
    ],
)
def test_parameters_that_contradict_the_target_are_refused(algorithm, given, column, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        read_target(algorithm, given, column)


def test_labels_are_numbered_in_order_and_unknown_ones_refused(prepare):
    train = pl.DataFrame({"x": [1, 2, 3], "y": ["b", "a", "c"]})
    assert sent(prepare(train, "y")) == "1,1\n0,2\n2,3\n"
    with pytest.raises(InvalidInputError, match="column 'y': the label 'B' does not occur in the training data"):
        prepare({"train": train, "validation": train.with_columns(pl.col("y").str.to_uppercase())}, "y")


def test_numeric_labels_are_sent_as_they_are(prepare):
    frame = pl.DataFrame({"x": [0.5, 1.5], "y": [1, 0]})
    prepared = prepare(frame, "y", parameters={"objective": "binary:logistic"})
    assert sent(prepared) == "1,0.5\n0,1.5\n"
    assert set(prepared.files) == {"train"}
    assert prepared.parameters == {}


@pytest.mark.parametrize(
    ("cells", "algorithm_labels", "expected"),
    [
        (["True", "False", "True"], "101", ("False", "True")),
        ([" TRUE", "FALSE", "TRUE "], "101", ("FALSE", "TRUE")),
        (["true", "True", "false"], "110", (False, True)),  # one label in two spellings
        ([True, False, True], "101", (False, True)),
    ],
)
def test_truths_given_as_texts_keep_their_spelling_as_labels(prepare, cells, algorithm_labels, expected):
    prepared = prepare(pl.DataFrame({"x": [1, 2, 3], "y": cells}), "y")
    assert prepared.columns.classes == expected
    assert [line[0] for line in sent(prepared).splitlines()] == list(algorithm_labels)
    multiclass = prepare(pl.DataFrame({"x": [1, 2, 3], "y": cells}), "y", parameters=SOFTPROB)
    assert multiclass.columns.classes == expected


def test_labels_0_and_1_that_become_a_regression_are_told(prepare):
    frame = pl.DataFrame({"x": [1, 2, 3], "y": [1.0, 0.0, 1.0]})
    note = "The label 'y' is a number: regression; objective='binary:logistic' classifies"
    assert prepare(frame, "y").notes == (note,)
    assert prepare(frame, "y", parameters={"objective": "reg:squarederror"}).notes == ()
    assert prepare(frame, "y", parameters={"objective": "binary:logistic"}).notes == ()
    assert prepare(frame.with_columns(y=pl.Series([0, 1, 2])), "y").notes == ()
