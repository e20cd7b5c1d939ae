"""The catalogue entries of xgboost: their images and hyperparameters."""

import re

import pytest

from lowcloud.catalog import algorithms
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.schemas.xgboost import HYPERPARAMETERS, SCHEMA
from lowcloud.schemas.xgboost.names import MAXIMIZED, MINIMIZED

SOFT = {"objective": "multi:softprob", "num_class": "3"}


def problem(**hyperparameters: str) -> str:
    with pytest.raises(InvalidHyperparametersError) as caught:
        SCHEMA.validate({"num_round": "10", **hyperparameters})
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:1", "xgboost"),
        ("433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:latest", "xgboost"),
        ("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:0.90-1-cpu-py3", "sagemaker-xgboost"),
        ("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5", "sagemaker-xgboost"),
    ],
)
def test_both_repositories_name_it(image: str, name: str) -> None:
    program = algorithms.find(image)
    assert program.name == name
    assert program.modules == ("xgboost",)


def test_the_classic_snippets_hyperparameters_are_accepted() -> None:
    values = SCHEMA.validate(
        {
            "max_depth": "5",
            "eta": "0.2",
            "gamma": "4",
            "min_child_weight": "6",
            "subsample": "0.8",
            "silent": "0",
            "objective": "binary:logistic",
            "num_round": "100",
        }
    )
    assert (values["max_depth"], values["eta"], values["num_round"]) == (5, 0.2, 100)


def test_defaults_are_filled_in_and_what_was_given_is_known() -> None:
    texts = {"num_round": "10", "learning_rate": "0.1", "reg_lambda": "2"}
    assert SCHEMA.validate(texts)["max_depth"] == 6
    assert SCHEMA.given(texts) == {"num_round": 10, "eta": 0.1, "lambda": 2.0}


@pytest.mark.parametrize(
    ("hyperparameters", "said"),
    [
        ({"num_round": "0"}, "num_round must be an integer from 1"),
        ({"eta": "1.5"}, "eta must be a number from 0 and up to 1"),
        ({"eta": "0.1", "learning_rate": "0.1"}, "learning_rate is another name of eta"),
        ({"n_estimators": "10"}, "'n_estimators' is not supported by this algorithm"),
        ({"objective": "binary:logitic"}, "objective must be one of reg:squarederror"),
        ({"objective": "multi:softmax"}, "num_class is required by objective multi:softmax"),
        ({"num_class": "3"}, "num_class is not valid for objective reg:squarederror"),
        ({"eval_metric": "rmse,auk"}, "eval_metric has 'auk'"),
        ({"eval_metric": "error@x"}, "eval_metric has 'error@x'"),
        ({"eval_metric": "auc"}, "auc is for classes and ranks"),
        ({"eval_metric": "accuracy"}, "accuracy is for classes"),
        ({"eval_metric": "mlogloss"}, "mlogloss is for objectives multi:softmax"),
        ({**SOFT, "eval_metric": "precision"}, "precision is for two classes: use precision_macro"),
        ({"_tuning_objective_metric": "validation:nope"}, "is not a metric of this algorithm"),
        ({"booster": "gblinear", "updater": "prune"}, "updater must be one of shotgun, coord_descent"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "at most one grow_ updater"),
        ({"process_type": "update", "updater": "grow_colmaker"}, "refresh, prune or both"),
        ({"process_type": "update"}, "updater is required if process_type is update"),
        ({"monotone_constraints": "(1,2)"}, "monotone_constraints must look like '(1, 0, -1)'"),
        ({"interaction_constraints": "[[0,x]]"}, "interaction_constraints must look like"),
        ({"interaction_constraints": "[[0,1]]", "booster": "gblinear"}, "is for trees"),
        ({"objective": "reg:quantileerror"}, "quantile_alpha is required"),
        ({"grow_policy": "lossguide", "tree_method": "exact"}, "grow_policy lossguide needs"),
        ({"use_dask_gpu_training": "true"}, "use_dask_gpu_training is not supported"),
        ({"tweedie_variance_power": "2"}, "tweedie_variance_power must be a number above 1 and below 2"),
        ({"csv_weights": "2"}, "csv_weights must be an integer from 0 and up to 1"),
    ],
)
def test_invalid_hyperparameters_are_refused_when_the_job_is_created(
    hyperparameters: dict[str, str], said: str
) -> None:
    assert said in problem(**hyperparameters)


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"eval_metric": "['rmse', 'mae']"},
        {"objective": "binary:logistic", "eval_metric": "auc, error@0.3, f1_binary"},
        {**SOFT, "eval_metric": "mlogloss,f1_macro,balanced_accuracy,auc"},
        {"objective": "rank:ndcg", "eval_metric": "ndcg@5,map@3-"},
        {"monotone_constraints": "(1,-1,0)", "tree_method": "hist"},
        {"interaction_constraints": "[[0, 1], [2]]"},
        {"updater": "grow_colmaker,prune"},
        {"booster": "gblinear", "updater": "shotgun"},
        {"process_type": "update", "updater": "refresh,prune"},
        {"objective": "reg:linear", "deterministic_histogram": "true", "single_precision_histogram": "false"},
    ],
)
def test_the_documentations_examples_are_accepted(hyperparameters: dict[str, str]) -> None:
    SCHEMA.validate({"num_round": "10", **hyperparameters})


def test_every_default_is_a_value_of_its_hyperparameter() -> None:
    for parameter in HYPERPARAMETERS:
        if parameter.default is not None:
            assert parameter.parse(str(parameter.default)) == parameter.default


def test_each_metric_of_each_channel_is_found_in_its_line_alone() -> None:
    metrics = algorithms.find("sagemaker-xgboost").metrics
    assert len(metrics) == 2 * len({*MAXIMIZED, *MINIMIZED})
    line = "[12]\ttrain-rmse:1.5\ttrain-ndcg@5:0.25\tvalidation-rmse:2.5\tvalidation-ndcg@5:0.5"
    found = {metric.name: match[1] for metric in metrics if (match := re.search(metric.regex, line))}
    assert found == {"train:rmse": "1.5", "train:ndcg": "0.25", "validation:rmse": "2.5", "validation:ndcg": "0.5"}
