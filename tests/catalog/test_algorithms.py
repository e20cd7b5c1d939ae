"""The catalogue finds algorithms by image and validates their hyperparameters."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.catalog import algorithms
from lowcloud.schemas import Hyperparameter, InvalidHyperparametersError

REQUIRED = {"predictor_type": "binary_classifier"}


def program() -> algorithms.Algorithm:
    found = algorithms.resolve("382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1")
    assert found is not None
    return found


def problems(**hyperparameters: str) -> tuple[str, ...]:
    with pytest.raises(InvalidHyperparametersError) as caught:
        algorithms.validate(program(), REQUIRED | hyperparameters)
    return caught.value.problems


@pytest.mark.parametrize(
    "image",
    [
        "linear-learner",
        "linear-learner:latest",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
        "174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner",
        "localhost:5000/some/folder/linear-learner:inference-1",
        "registry.example/linear-learner@sha256:" + "0" * 64,
    ],
)
def test_an_image_is_identified_by_its_repository_only(image: str) -> None:
    assert algorithms.resolve(image) is program()


@pytest.mark.parametrize("image", ["", "linear-learner/other:1", "my-linear-learner:1", "../linear-learner ", "a b"])
def test_other_images_are_not_built_in(image: str) -> None:
    assert algorithms.resolve(image) is None


def test_the_snippets_hyperparameters_are_typed_and_defaults_filled_in() -> None:
    values = algorithms.validate(
        program(), {"feature_dim": "10", "predictor_type": "binary_classifier", "use_bias": "False"}
    )
    assert (values["feature_dim"], values["use_bias"], values["epochs"], values["wd"]) == (10, False, 15, "auto")
    assert "num_classes" not in values


def test_every_invalid_value_is_listed_with_its_range() -> None:
    found = problems(epochs="0", quantile="1", l1="-1", wd="nan", mini_batch_size="1.5", depth="3", momentum="1")
    assert [re.search(r"epochs|quantile|l1|wd|mini_batch_size|depth|momentum", text)[0] for text in found] == [
        "depth",
        "epochs",
        "l1",
        "mini_batch_size",
        "momentum",
        "quantile",
        "wd",
    ]
    assert "Hyperparameter quantile must be a number above 0 and below 1, not '1'." in found
    assert "Hyperparameter l1 must be auto or a number from 0, not '-1'." in found
    assert "Hyperparameter momentum must be auto or a number from 0 and below 1, not '1'." in found


def test_predictor_type_is_required() -> None:
    with pytest.raises(
        InvalidHyperparametersError, match="predictor_type is required: one of binary_classifier, multi"
    ):
        algorithms.validate(program(), {})


def test_many_classes_need_their_number() -> None:
    assert "num_classes is required" in problems(predictor_type="multiclass_classifier")[0]


@pytest.mark.parametrize(
    ("predictor", "loss"),
    [("binary_classifier", "squared_loss"), ("regressor", "logistic"), ("multiclass_classifier", "hinge_loss")],
)
def test_a_loss_must_fit_its_predictor(predictor: str, loss: str) -> None:
    assert (
        f"loss of a {predictor} must be one of auto"
        in problems(predictor_type=predictor, loss=loss, num_classes="3")[0]
    )


@given(st.text(max_size=30))
def test_any_text_is_either_a_value_or_an_error_naming_the_hyperparameter(text: str) -> None:
    for parameter in program().schema.hyperparameters:
        try:
            value = parameter.parse(text)
        except ValueError as error:
            assert parameter.name in str(error)
        else:
            assert isinstance(value, bool | int | float | str)


def test_every_default_is_a_value_of_its_hyperparameter() -> None:
    for parameter in program().schema.hyperparameters:
        if parameter.default is not None:
            assert parameter.parse(str(parameter.default)) == parameter.default


def test_ranges_read_as_sentences() -> None:
    share = Hyperparameter("share", "number", "", minimum=0, maximum=1, open_minimum=True, words=("auto",))
    assert share.describe() == "auto or a number above 0 and up to 1"


def test_metrics_have_distinct_names_and_find_their_lines() -> None:
    metrics = program().metrics
    assert len({metric.name for metric in metrics}) == len(metrics)
    line = "[11/22/2026 07:33:12 INFO 118] #quality_metric: host=algo-1, validation binary_f_1.000 <score>=0.95"
    found = {metric.name: match[1] for metric in metrics if (match := re.search(metric.regex, line))}
    assert found == {"validation:binary_f_beta": "0.95"}


def test_a_final_loss_is_not_confused_with_that_of_an_epoch() -> None:
    epoch = "#quality_metric: host=algo-1, epoch=3, train mse_objective <loss>=0.5"
    final = "#quality_metric: host=algo-1, train mse_objective <loss>=0.4"
    by_line = [[m.name for m in program().metrics if re.search(m.regex, line)] for line in (epoch, final)]
    assert by_line == [["train:objective_loss"], ["train:objective_loss:final"]]


def test_the_catalogue_is_light_to_import() -> None:
    heavy = {"numpy", "polars", "lowcloud.runtime"}
    code = f"import sys, lowcloud.catalog.algorithms; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
