"""Images of SageMaker that Lowcloud cannot run."""

import pytest

from lowcloud.catalog import algorithms, frameworks, unavailable

REGISTRY = "174872318107.dkr.ecr.us-west-2.amazonaws.com"


@pytest.mark.parametrize("name", sorted(unavailable.NOT_BUILT))
def test_an_algorithm_that_is_not_built_is_named_with_those_that_are(name):
    assert unavailable.reason(f"{REGISTRY}/{name}:1") == (
        f"The built-in algorithm {name!r} is not built yet. Built-in algorithms: linear-learner, sagemaker-xgboost, "
        "xgboost."
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("deepar", "forecasting-deepar"),
        ("K_Means", "kmeans"),
        ("TabTransformer", "tabtransformer"),
        ("lightgbm-classification-model", "lightgbm"),
        ("random-cut-forest", "randomcutforest"),
    ],
)
def test_an_algorithm_is_known_by_its_other_names(name, known):
    assert f"{known!r} is not built yet" in (unavailable.algorithm_reason(name) or "")


def test_what_runs_or_is_unknown_has_no_reason():
    assert not any(map(unavailable.reason, [*algorithms.IMAGES, *frameworks.FRAMEWORKS, "unheard-of:1", ""]))
